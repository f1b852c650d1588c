"""What a Serf agent prints, as lines of our log: it quotes members and events, who may say anything."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import IO

MAX_LINE = 4096
"""Bytes; the rest of a longer line is a line of its own."""

_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(TRACE|DEBUG|INFO|WARN|ERR)\] (.*)", re.DOTALL)
_LEVELS = {"WARN": logging.WARNING, "ERR": logging.ERROR, "INFO": logging.INFO}
_FAILURE = re.compile(r"(?:==> )?(?:Error|Failed|fatal error:|panic:)")
_CRASH = re.compile(r"fatal error:|panic:|runtime:")
"""With these words a Go program begins to print its whole inside."""

logger = logging.getLogger(__name__)
# Serf itself leaves out what nobody wants.
logger.setLevel(logging.DEBUG)


def relay(output: IO[bytes], log: Callable[[int, str], None] | None = None) -> str:
    """Logs what comes out until it ends; returns the last failure that it told, or nothing.

    A line of ours is never mistaken for one of Serf's, nor the other way round: each begins with its component.
    """
    log, failure, crashed = log or _log, "", False
    while raw := output.readline(MAX_LINE):
        level, text = _read(raw.decode(errors="replace").strip())
        if level is None and crashed:
            continue
        crashed = crashed or bool(_CRASH.match(text))
        level = level or (logging.ERROR if _FAILURE.match(text) else logging.INFO)
        failure = text if level == logging.ERROR else failure
        if text:
            log(level, text)
    return failure.removeprefix("==> ")


def _read(line: str) -> tuple[int | None, str]:
    """The level, None where it tells none, and the text of a line."""
    if found := _LINE.fullmatch(line):
        return _LEVELS.get(found[1], logging.DEBUG), found[2]
    return None, line


def _log(level: int, text: str) -> None:
    logger.log(level, "%s", text, extra={"component": "serf"})
