"""The usage of programs that take no arguments; what people call oftener has a parser (command.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def show(argv: Sequence[str], text: str) -> int:
    """Prints a program's usage; returns the exit status: 0 where it was asked for, else EX_USAGE, on stderr."""
    asked = list(argv) in (["-h"], ["--help"])
    print(text, end="", file=sys.stdout if asked else sys.stderr)
    return 0 if asked else os.EX_USAGE
