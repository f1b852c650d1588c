"""--help and --version of the programs that have no parser (command.py): those that take no arguments, and those that
hand theirs on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dbhandler import __version__

_HELP, _VERSION = ("-h", "--help"), ("--version",)


def asked(argv: Sequence[str]) -> bool:
    """Does this command line ask for nothing but the program's usage or version?"""
    return len(argv) == 1 and argv[0] in (*_HELP, *_VERSION)


def show(argv: Sequence[str], text: str) -> int:
    """Prints a program's usage, `usage: PROGRAM …`, or its version; returns the exit status: 0 where it was asked for,
    else EX_USAGE, on stderr."""
    if not asked(argv):
        print(text, end="", file=sys.stderr)
        return os.EX_USAGE
    print(f"{text.split()[1]} {__version__}\n" if argv[0] in _VERSION else text, end="", flush=True)
    return os.EX_OK
