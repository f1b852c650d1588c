"""The edge of a process: how it ends, by a signal or by an error, and the exit status that tells so (sysexits.h)."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from dbhandler.errors import ConfigError, DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from dbhandler.log import told
from dbhandler.places import mended

logger = logging.getLogger(__name__)

EX_INTERRUPTED = 130

_STATUSES: tuple[tuple[type[DbHandlerError], int], ...] = (
    (InvalidRequest, os.EX_USAGE),
    (ConfigError, os.EX_USAGE),
    (Denied, os.EX_NOPERM),
    (TryLater, os.EX_TEMPFAIL),
    (Unavailable, os.EX_UNAVAILABLE),
    (DbHandlerError, os.EX_SOFTWARE),
)


def exit_status(error: DbHandlerError) -> int:
    """The exit status that stands for an error."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def leave_on(*numbers: signal.Signals, status: int | None = None) -> None:
    """Makes these signals end this process in order: every `with` and `finally` is left, then it exits with `status`,
    without one with 128 + the signal's number. A container's first process gets no signal that it does not handle."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number if status is None else status)

    for number in numbers:
        signal.signal(number, leave)


def carried_out(program: str, act: Callable[[], int | None]) -> int:
    """Runs a command for people to its end; returns its exit status, that of its error where it fails, which is told in
    one line on stderr, beginning with the program's name."""
    try:
        return act() or os.EX_OK
    except DbHandlerError as error:
        say(program, str(error))
        return exit_status(error)
    except BrokenPipeError:
        # Whoever read, `head` say, has enough; nor may the interpreter try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return os.EX_OK
    except OSError as error:
        say(program, told(error))
        return os.EX_SOFTWARE
    except KeyboardInterrupt:
        return EX_INTERRUPTED


def started(program: str, run: Callable[[], int], unstarted: int = os.EX_CONFIG) -> int:
    """Runs one of the container's programs; returns its exit status, or `unstarted` where it cannot start: the log says
    why then, and how that is mended, in one line."""
    try:
        return run()
    except (DbHandlerError, OSError) as error:
        logger.error("%s cannot start: %s", program, mended(error))
        return unstarted


def say(program: str, sentence: str) -> None:
    """Tells whoever runs the program something, on stderr: stdout is for what was asked for."""
    print(f"{program}: {sentence}", file=sys.stderr, flush=True)
