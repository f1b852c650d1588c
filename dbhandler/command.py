"""What the commands for people have in common: usage errors in one line, and tables. How they end: edge.py."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from dbhandler import __version__
from dbhandler.log import shown

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Parser(argparse.ArgumentParser):
    """Tells a wrong usage in one line and ends with EX_USAGE; knows --version, and no option by a part of its name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help="print the version")

    def add_rpc_addr(self) -> None:
        """Adds the option that names the Serf agent to ask."""
        self.add_argument(
            "--rpc-addr", metavar="HOST:PORT,...", help="the Serf agent's RPC; of several the first that answers is "
            "asked (default: SERF_RPC_ADDR, else 127.0.0.1:7373 or a linked serf_agent)",
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        self.exit(os.EX_USAGE, f"{self.prog}: {message} (--help tells more)\n")


def seconds(least: float, most: float) -> Callable[[str], float]:
    """What argparse calls for an option that takes a number of seconds."""

    def checked(text: str) -> float:
        with suppress(ValueError):
            if least <= float(text) <= most:
                return float(text)
        raise argparse.ArgumentTypeError(f"SECONDS has to be a number from {least} to {most}, not {shown(text)}")

    return checked


def columns(rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> list[str]:
    """A table's lines, columns as wide as what stands in them. The first row holds the headings; those named in `right`
    have their column at its right side."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.rjust if heading in right else str.ljust for heading in rows[0]]
    return [
        "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)).rstrip()
        for row in rows
    ]


def size(number: int) -> str:
    """Bytes, for people: in the unit in which they are fewer than 1024."""
    rest, unit = float(number), 0
    while rest >= 1024 and unit < len(_UNITS) - 1:
        rest, unit = rest / 1024, unit + 1
    return f"{rest:.0f} {_UNITS[unit]}" if unit == 0 or rest >= 10 else f"{rest:.1f} {_UNITS[unit]}"
