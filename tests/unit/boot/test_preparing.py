"""The volume is prepared in a process beside the supervisor's start: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROGRAM = """\
import os, signal, sys, time
from dbhandler import edge
from dbhandler.boot import preparing
edge.leave_on(signal.SIGTERM)
def prepare():
    print("preparing", flush=True)
    {prepare}
    print("prepared", flush=True)
    return 0
with preparing.beside(prepare) as ended:
    {loading}
    status = ended()
if status:
    raise SystemExit(status)
print("serving", flush=True)
"""


@contextmanager
def started(prepare: str = "pass", loading: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """An entry point that prepares so and loads a supervisor so."""
    program = PROGRAM.format(prepare=prepare, loading=loading)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def output(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    return process.stdout.read().splitlines()


def test_nothing_is_served_before_all_is_prepared() -> None:
    with started(prepare="time.sleep(1)") as process:
        assert output(process) == ["preparing", "prepared", "serving"]
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("return 78", 78),
        ("raise RuntimeError", os.EX_SOFTWARE),
        ("raise SystemExit('odd')", os.EX_SOFTWARE),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_where_it_could_not_be_prepared_nothing_is_served(end: str, status: int) -> None:
    with started(prepare=end) as process:
        assert output(process) == ["preparing"]
        assert process.wait() == status


TOLD = "\n    ".join(
    ["try:", "    print('at it', flush=True); time.sleep(60)", "finally:", "    print('told', flush=True)"]
)


@pytest.mark.parametrize("loading", ["pass", "time.sleep(60)"])
def test_a_stop_meanwhile_ends_both_in_order(loading: str) -> None:
    with started(prepare=TOLD, loading=loading) as process:
        assert process.stdout and [process.stdout.readline() for _ in range(2)] == ["preparing\n", "at it\n"]
        process.send_signal(signal.SIGTERM)
        # Its end is the other process's end, too: both hold the pipe.
        assert output(process) == ["told"]
        assert process.wait(30) == 143


def test_what_fails_while_the_supervisor_loads_ends_both() -> None:
    with started(prepare=TOLD, loading="time.sleep(1); raise SystemExit(3)") as process:
        assert output(process) == ["preparing", "at it", "told"]
        assert process.wait(30) == 3


def test_a_stop_while_it_forks_is_heard() -> None:
    at_the_fork = "    os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))\n"
    program = PROGRAM.replace("def prepare", at_the_fork.strip() + "\ndef prepare").format(prepare=TOLD, loading="pass")
    ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=30, check=False)
    assert "serving" not in ended.stdout and ended.returncode == 143
