#!/usr/bin/env python3
"""Records a command in a terminal of its own, with its real timing, as an SVG that plays it.

usage: record.py PICTURE.svg COMMAND ...

That of the documents: container/wordpress/record.py docs/pictures/recording.svg make example
"""

from __future__ import annotations

import os
import pty
import re
import sys
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

COLUMNS = 104
LINE_HEIGHT, CHARACTER, MARGIN = 19, 8.4, 16
"""Pixels: of a line, of a character, around the text."""
REST = 6.0
"""Seconds for which the last picture stands before the recording begins again."""

BOLD = "\x1b[1m"
LOUD = ' class="loud"'
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")

Line = tuple[float, str]
"""When it was printed (seconds from the start), and what."""


def capture(command: Sequence[str]) -> tuple[list[Line], int]:
    """Runs a command on a pseudo-terminal; returns its lines, and its exit status."""
    began, lines, rest = time.monotonic(), list[Line](), ""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], list(command))
    while chunk := _read(terminal):
        sys.stdout.write(chunk)
        sys.stdout.flush()
        *complete, rest = (rest + chunk).split("\n")
        lines += [(time.monotonic() - began, line) for line in complete]
    return lines, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:
        # How Linux says that the last process on a terminal has ended.
        return ""


def render(title: str, lines: Sequence[Line]) -> str:
    """The SVG: each line appears when it was printed."""
    shown = [(0.0, f"{BOLD}$ {title}"), *lines]
    length = shown[-1][0] + REST
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, len(shown) * LINE_HEIGHT + 2 * MARGIN
    rules = "".join(
        f"@keyframes k{number}{{0%,{at / length:.3%}{{opacity:0}}{at / length + 0.0001:.3%},100%{{opacity:1}}}}"
        f"#t{number}{{animation:k{number} {length:.1f}s infinite}}"
        for number, (at, _) in enumerate(shown)
    )
    texts = "".join(
        f'<text id="t{number}" x="{MARGIN}" y="{MARGIN + (number + 0.75) * LINE_HEIGHT:.0f}"'
        f"{LOUD if BOLD in text else ''}>{escape(tidy(text))}</text>\n"
        for number, (_, text) in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">\n'
        f"<title>{escape(title)}, recorded in a terminal: {shown[-1][0]:.0f} seconds</title>\n"
        f"<style>text{{font:14px monospace;fill:#c9d1d9;white-space:pre}}.loud{{font-weight:bold;fill:#fff}}\n"
        f"@media (prefers-reduced-motion:no-preference){{{rules}}}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#161b22"/>\n{texts}</svg>\n'
    )


def tidy(text: str) -> str:
    """A line as it stood in the end: what a carriage return has overwritten and control sequences are gone."""
    return _CONTROL.sub("", text).rstrip("\r").rsplit("\r", 1)[-1][:COLUMNS]


def main(argv: Sequence[str]) -> int:
    """Records; returns the exit status of the command, whose failure leaves no picture."""
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    lines, status = capture(argv[1:])
    if status == 0:
        Path(argv[0]).write_text(render(" ".join(argv[1:]), lines))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
