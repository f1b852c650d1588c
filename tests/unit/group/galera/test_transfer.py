"""What a cut state transfer leaves running, on real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.group.galera.transfer import end_remains

ONE, TWO = f"left-{os.getpid()}-1", f"left-{os.getpid()}-2"
"""At most 15 characters, and no other run of these tests ends them."""
NAMES = frozenset({ONE, TWO})


def started(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """A process that the kernel knows by that name."""
    shutil.copy(str(shutil.which("sleep")), folder / name)
    return subprocess.Popen((folder / name, "60"))


def test_only_the_programs_of_a_transfer_are_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    processes = [started(tmp_path, name) for name in (*sorted(NAMES), "somebody-else")]
    try:
        end_remains(NAMES)
        assert [process.wait(10) for process in processes[:2]] == [-9, -9]
        assert processes[2].poll() is None
        assert f"left: {ONE}, {TWO}" in caplog.text
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_what_cannot_be_ended_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process, now = started(tmp_path, ONE), 0.0

    def sleep(seconds: float) -> None:
        # Each look reads about every process of the machine: a few looks are enough.
        nonlocal now
        now += seconds + 2

    monkeypatch.setattr("os.kill", lambda _pid, _signal: None)
    try:
        with pytest.raises(DbHandlerError, match=f"cannot be ended within 10 s: {ONE}"):
            end_remains(NAMES, clock=lambda: now, sleep=sleep)
    finally:
        monkeypatch.undo()
        process.kill()
        process.wait()


def test_where_nothing_is_left_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    end_remains(NAMES)
    assert caplog.messages == []
