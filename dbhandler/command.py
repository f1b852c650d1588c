"""What the commands for people have in common: usage errors in one line, tables, exit statuses (sysexits.h)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
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


def columns(rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> list[str]:
    """A table's lines, columns as wide as what stands in them. The first row holds the headings; those named in `right`
    have their column at its right side."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.rjust if heading in right else str.ljust for heading in rows[0]]
    return [
        "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)).rstrip()
        for row in rows
    ]


def exit_status(error: DbHandlerError) -> int:
    """The exit status that stands for an error."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))
