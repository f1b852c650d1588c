"""The durable queue."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbhandler.spool import MAX_LTIME, MAX_PAYLOAD, Entry, Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path))


def payloads(spool: Spool) -> list[bytes]:
    return [spool.read(entry) for entry in spool.entries()]


def test_what_was_put_is_there_in_order_of_arrival(spool: Spool) -> None:
    # Serf's own times are not in order of arrival, and several events may have the same.
    for number, ltime in enumerate([9, 10, 10, 2]):
        spool.put("create_db", ltime, b"%d" % number)
    assert payloads(spool) == [b"0", b"1", b"2", b"3"]
    assert [entry.ltime for entry in spool.entries()] == [9, 10, 10, 2]


def test_an_entry_is_private(spool: Spool, tmp_path: Path) -> None:
    name = spool.put("create_db", 1, b"x")
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_payload_comes_out_as_it_went_in_and_tells_when_it_was_too_long(spool: Spool) -> None:
    spool.put("create_db", 1, b"\0\xff\n")
    spool.put("create_db", 1, b"")
    spool.put("create_db", 1, b"x" * (MAX_PAYLOAD + 10))
    assert payloads(spool) == [b"\0\xff\n", b"", b"x" * (MAX_PAYLOAD + 1)]


def test_the_file_and_then_the_folder_are_synced_before_put_returns(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    name = spool.put("create_db", 1, b"x")
    # The file is synced under its temporary name: a crash shows it whole or not at all.
    assert synced == [str(tmp_path / f".tmp-{name}"), str(tmp_path)]


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_put_that_fails_leaves_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        spool.put("create_db", 1, b"x")
    assert not list(tmp_path.iterdir())


def test_a_put_whose_name_may_not_survive_leaves_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("dbhandler.spool.sync_folder", fail)
    with pytest.raises(OSError, match="Input/output error"):
        spool.put("create_db", 1, b"x")
    assert not list(tmp_path.iterdir())


def test_what_is_no_entry_is_not_taken_for_one(spool: Spool, tmp_path: Path) -> None:
    strange = {"1-2-3", "1-2.create_db", "1-x-3.create_db", "1-2-3.", "x", "1-2-3-4.e", "1-2-².e", "1-2-٣.e"}
    for name in (".tmp-1-2-3.create_db", *strange):
        (tmp_path / name).touch()
    (tmp_path / "failed").mkdir()
    assert spool.entries() == []
    assert set(spool.sweep()) == strange
    assert {path.name for path in (tmp_path / "failed").iterdir()} == strange


def test_a_folder_with_the_name_of_an_entry_is_set_aside_or_stays(spool: Spool, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "failed"):
        (folder / "1-2-3.create_db" / "shop").mkdir(parents=True)
    (tmp_path / "1-2-4.create_db").mkdir()
    spool.put("create_db", 1, b"x")
    assert spool.sweep() == ["1-2-4.create_db"]


def test_a_removed_entry_is_gone_and_may_be_removed_again(spool: Spool) -> None:
    spool.put("create_db", 1, b"x")
    [entry] = spool.entries()
    spool.remove(entry)
    spool.remove(entry)
    assert spool.entries() == []
    with pytest.raises(FileNotFoundError):
        spool.read(entry)


def test_an_entry_set_aside_is_kept_out_of_the_way(spool: Spool) -> None:
    spool.put("create_db", 1, b"bad")
    spool.put("create_db", 2, b"good")
    where = spool.set_aside(spool.entries()[0])
    assert Path(where).read_bytes() == b"bad"
    assert payloads(spool) == [b"good"]


def test_sweep_removes_what_killed_writers_left_and_nothing_else(spool: Spool, tmp_path: Path) -> None:
    old, new, entry = tmp_path / ".tmp-old", tmp_path / ".tmp-new", tmp_path / "1-2-3.create_db"
    for path in (old, new, entry):
        path.touch()
    for path in (old, entry):
        os.utime(path, (0, 0))
    spool.sweep()
    assert set(tmp_path.iterdir()) == {new, entry}


def test_sweep_does_not_mind_a_writer_that_finishes_meanwhile(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "listdir", lambda _: [".tmp-renamed-since"])
    spool.sweep()


def test_an_entry_tells_its_event_and_time() -> None:
    entry = Entry("00000000000000000001-22-333.create_db")
    assert (entry.event, entry.ltime) == ("create_db", 333)
    assert Entry(f"1-2-{2**64 - 1}.create_db").ltime == MAX_LTIME


def test_several_processes_lose_nothing(spool: Spool) -> None:
    code = "import sys; from dbhandler.spool import Spool; s = Spool(sys.argv[1])\n"
    code += "for n in range(20): s.put('create_db', 7, b'same')"
    writers = [subprocess.Popen([sys.executable, "-c", code, spool.folder]) for _ in range(3)]
    assert [writer.wait(30) for writer in writers] == [0, 0, 0]
    assert payloads(spool) == [b"same"] * 60
