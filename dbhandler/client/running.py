"""A program beside which something goes on: it runs as a child, gets the signals that are for it, and says how this
process ends.

As a container's first process this one also reaps whatever lost its parent. Nothing that goes on beside the program
ends it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence

from dbhandler.errors import InvalidRequest

FORWARDED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
)  # fmt: skip
OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
"""A terminal sends these to all processes in front of it, so the program has them already."""
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
GRACE = 1.0
"""Seconds for what goes on beside the program to end in order; cut short it is ended by the next start."""

_FROM_THE_KERNEL = 0x80
_PR_SET_DUMPABLE = 4

Beside = Callable[[threading.Event], None]
"""What goes on until the event is set."""


def run(command: Sequence[str], environ: Mapping[str, str], beside: Beside) -> int:
    """Runs a command with this environment to its end, and beside it, in a thread, what goes on; returns its exit
    status, 128 + n where the signal n has ended it. Raises InvalidRequest for a command that cannot be run."""
    wanted = {*FORWARDED, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    # Who started this process may have had it leave its children to nobody.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _hide()
    try:
        child, stop = _started(command, environ, before), threading.Event()
        thread = threading.Thread(target=beside, args=(stop,), daemon=True)
        thread.start()
        status = _followed(child, wanted)
        stop.set()
        thread.join(GRACE)
        # What came for a program that had ended already changes nothing any more.
        while signal.sigtimedwait(wanted, 0) is not None:
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return status


def _started(command: Sequence[str], environ: Mapping[str, str], mask: set[int]) -> int:
    """The process that runs the command, with the signals as they were before; nothing that is open here is open
    there but stdin, stdout and stderr. Raises InvalidRequest."""
    try:
        return os.posix_spawnp(
            command[0], list(command), dict(environ), setsigmask=mask, setsigdef=IGNORED_BY_PYTHON
        )  # fmt: skip
    except OSError as error:
        raise InvalidRequest(f"cannot run {command[0]!r}: {error.strerror}") from error


def _followed(child: int, wanted: set[signal.Signals]) -> int:
    """Hands signals on until the child has ended; returns its exit status."""
    while True:
        told = signal.sigwaitinfo(wanted)
        if told.si_signo != signal.SIGCHLD:
            # It was not reaped, so the number is still its own.
            if not (told.si_signo in OF_THE_TERMINAL and told.si_code == _FROM_THE_KERNEL):
                os.kill(child, told.si_signo)
        elif (status := _reaped(child)) is not None:
            return status


def _reaped(child: int) -> int | None:
    """Reaps whoever has ended; returns the child's exit status once it is among them."""
    while True:
        number, status = os.waitpid(-1, os.WNOHANG)
        if number == 0:
            return None
        if number == child:
            ended = os.waitstatus_to_exitcode(status)
            return 128 - ended if ended < 0 else ended


def _hide() -> None:
    """Keeps other processes of the same user from reading this one's memory and environment, which hold the cluster's
    key: the program that runs here may be such a one. Source: prctl(2), PR_SET_DUMPABLE."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
