"""The volume is prepared in a process beside the one that loads the supervisor: two processors, one wait."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def beside(prepare: Callable[[], int]) -> Iterator[Callable[[], int]]:
    """Forks; prepare returns the exit status of the new process. Gives what waits for its end and returns its status.

    Whoever leaves sooner, by a signal say, takes the process along: it is told to stop, and waited for.
    """
    # A handler that raises while the interpreter forks is heard by nobody: the stop would be lost.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = os.fork()
    if child == 0:
        _do(prepare, held)
    statuses: list[int] = []

    def ended() -> int:
        if not statuses:
            statuses.append(_status(child))
        return statuses[0]

    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        yield ended
    finally:
        if not statuses:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
            ended()


def _do(prepare: Callable[[], int], mask: set[int | signal.Signals]) -> None:
    status: object = os.EX_SOFTWARE
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = prepare()
    except SystemExit as told_to_stop:
        status = told_to_stop.code
    finally:
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else os.EX_SOFTWARE)


def _status(child: int) -> int:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # Killed by a signal of its own, it has prepared nothing that may be served.
    return status if status >= 0 else 128 - status
