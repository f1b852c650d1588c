"""What the commands for people have in common: usage errors in one line, and exit statuses (sysexits.h)."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from dbhandler.errors import ConfigError, DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable

EX_INTERRUPTED = 130

_STATUSES: tuple[tuple[type[DbHandlerError], int], ...] = (
    (InvalidRequest, os.EX_USAGE),
    (ConfigError, os.EX_USAGE),
    (Denied, os.EX_NOPERM),
    (TryLater, os.EX_TEMPFAIL),
    (Unavailable, os.EX_UNAVAILABLE),
    (DbHandlerError, os.EX_SOFTWARE),
)


class Parser(argparse.ArgumentParser):
    """Tells a wrong usage in one line and ends with EX_USAGE."""

    def error(self, message: str) -> NoReturn:
        self.exit(os.EX_USAGE, f"{self.prog}: {message} (--help tells more)\n")


def exit_status(error: DbHandlerError) -> int:
    """The exit status that stands for an error."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))
