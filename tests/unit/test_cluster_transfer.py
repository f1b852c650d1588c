"""What a cut state transfer leaves running, on real processes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dbhandler.cluster_transfer import end_remains

NAMES = frozenset({"left-over-one", "left-over-two"})


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
        assert "left: left-over-one, left-over-two" in caplog.text
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_where_nothing_is_left_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    end_remains(NAMES)
    assert caplog.messages == []
