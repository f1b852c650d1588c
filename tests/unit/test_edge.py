"""How processes end: by a signal, in order, and with one sentence for an error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from dbhandler import edge
from dbhandler.errors import ConfigError, Denied, TryLater, Unavailable

PROGRAM = """\
import signal, sys
from dbhandler import edge
edge.leave_on(signal.SIGTERM, signal.SIGINT{status})
try:
    print("waiting", flush=True)
    signal.pause()
finally:
    print("left in order", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "status", "expected"), [(signal.SIGTERM, "", 143), (signal.SIGINT, "", 130), (15, ", status=0", 0)]
)
def test_a_signal_ends_a_process_in_order(number: int, status: str, expected: int) -> None:
    command = [sys.executable, "-c", PROGRAM.format(status=status)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        assert process.stdout.read() == "left in order\n"
    assert process.returncode == expected


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ConfigError("X is wrong"), os.EX_USAGE, "prog: X is wrong\n"),
        (Denied("no"), os.EX_NOPERM, "prog: no\n"),
        (TryLater("wait"), os.EX_TEMPFAIL, "prog: wait\n"),
        (Unavailable("away"), os.EX_UNAVAILABLE, "prog: away\n"),
        (
            FileNotFoundError(2, "No such file or directory", "/x"),
            os.EX_SOFTWARE,
            "prog: /x: No such file or directory\n",
        ),
        (KeyboardInterrupt(), edge.EX_INTERRUPTED, ""),
    ],
)
def test_an_error_is_one_sentence_and_its_status(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, said: str
) -> None:
    def fail() -> None:
        raise error

    assert edge.carried_out("prog", fail) == status
    assert capsys.readouterr().err == said


def test_a_command_s_own_status_is_its_exit_status() -> None:
    assert edge.carried_out("prog", lambda: 1) == 1
    assert edge.carried_out("prog", lambda: None) == os.EX_OK


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("nobody answers"), "the agent cannot start: nobody answers"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/v"),
            "the agent cannot start: /v: No space left on device (t",
        ),
    ],
)
def test_a_program_that_cannot_start_says_why_in_one_line(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise error

    assert edge.started("the agent", fail, 75) == 75
    assert caplog.messages[0].startswith(said) and len(caplog.messages) == 1
    assert edge.started("the agent", fail) == os.EX_CONFIG
    assert edge.started("the agent", lambda: 3) == 3
