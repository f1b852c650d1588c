"""Which locks of a repository are left from the dead, and one keeper for one volume."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbhandler.backup.locks import Lock, as_lock, dead, occupied
from dbhandler.errors import DbHandlerError
from tests.support.docker import eventually

HERE = socket.gethostname()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[int]:
    """The number of a process that is called as restic is."""
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / "restic")
    process = subprocess.Popen([program, "60"])
    eventually("its name", lambda: Path(f"/proc/{process.pid}/comm").read_text() == "restic\n")
    yield process.pid
    process.kill()
    process.wait()


def test_a_lock_as_restic_tells_it() -> None:
    told = {"hostname": "a", "pid": 17, "exclusive": False, "time": "2026-01-02T04:04:05Z"}
    assert as_lock("abc", told) == Lock("abc", "a", 17)  # type: ignore[arg-type]


def test_who_is_dead(running: int) -> None:
    lives, others = Lock("1", HERE, running), Lock("2", "elsewhere", 1)
    gone, another, former = Lock("3", HERE, 2**22 + 1), Lock("4", HERE, os.getpid()), Lock("5", "former", running)
    assert dead([lives, others, gone, another, former], {"former"}) == [gone, another, former]


def test_a_volume_remembers_its_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: set[str] = set()
    for host in ("a", "b", "b", "a"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        with occupied(tmp_path) as former:
            assert former == before - {host}
        before.add(host)
    assert (tmp_path / "hosts").read_text() == "a\nb\n"


def test_two_on_one_volume_are_one_too_many(tmp_path: Path) -> None:
    with (
        occupied(tmp_path),
        pytest.raises(DbHandlerError, match=f"another container keeps its backups in {tmp_path}: each needs a volume"),
        occupied(tmp_path, patience=0.0),
    ):
        pass
