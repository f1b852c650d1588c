"""A server that is asked to end, and one that does not, on real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbhandler.engine.process import END_TIMEOUT, ServerProcess
from tests.support.fakes import Clock


class Stubborn:
    """A process that does not end when it is asked to, with its pid file."""

    def __init__(self, folder: Path) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
        self.process = subprocess.Popen(("sh", "-c", script), stdout=subprocess.PIPE)
        assert self.process.stdout and self.process.stdout.readline() == b"ready\n"
        self.pid_file = folder / "mysqld.pid"
        self.pid_file.write_text(f"{self.process.pid}\n")


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Stubborn]:
    made = Stubborn(tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()


def test_a_process_that_does_not_end_is_killed_in_the_end(
    stubborn: Stubborn, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    process = ServerProcess(stubborn.pid_file, clock)
    process.insist()
    process.end()
    clock.advance(END_TIMEOUT / 2)
    process.insist()
    assert process.is_ending and stubborn.process.poll() is None
    clock.advance(END_TIMEOUT)
    process.insist()
    assert stubborn.process.wait(10) == -9
    assert "has not ended within 60 s: it is killed" in caplog.text
    assert not process.is_ending


def test_the_next_server_is_not_killed_for_the_one_before(stubborn: Stubborn, clock: Clock) -> None:
    process = ServerProcess(stubborn.pid_file, clock)
    process.end()
    stubborn.pid_file.write_text("1\n")
    clock.advance(2 * END_TIMEOUT)
    process.insist()
    assert not process.is_ending and stubborn.process.poll() is None


@pytest.mark.parametrize("content", ["", "garbage"])
def test_without_a_pid_there_is_nothing_to_end(content: str, tmp_path: Path, clock: Clock) -> None:
    if content:
        (tmp_path / "mysqld.pid").write_text(content)
    process = ServerProcess(tmp_path / "mysqld.pid", clock)
    process.end()
    assert not process.is_ending


def test_a_process_that_is_gone_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = subprocess.Popen(("true",))
    gone.wait()
    (tmp_path / "mysqld.pid").write_text(str(gone.pid))
    ServerProcess(tmp_path / "mysqld.pid").end()
    assert "cannot be ended: No such process" in caplog.text
