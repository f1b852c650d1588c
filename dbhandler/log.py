"""Log lines in the form of the official images, and how values from the network are shown in them."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

_LEVELS = {"INFO": "Note", "WARNING": "Warn", "ERROR": "ERROR", "CRITICAL": "ERROR", "DEBUG": "Debug"}


class OfficialFormatter(logging.Formatter):
    """`2026-01-01 00:00:00+00:00 [Note] [dbhandler]: text`, times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(record.created))
        # One record, one line: a message may quote a name, and nobody is to forge lines with one.
        text = printable(record.getMessage())
        return f"{stamp} [{_LEVELS.get(record.levelname, 'Note')}] [{_component(record)}]: {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object per line, for machines: time (UTC), level, component, message, and what the record says in its
    `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": _LEVELS.get(record.levelname, "Note").lower(),
            "component": _component(record),
            "message": record.getMessage(),
        }
        return json.dumps(content | getattr(record, "fields", {}))


FORMATTERS = {"text": OfficialFormatter, "json": JsonFormatter}


def configure(form: str = "text", stream: TextIO | None = None) -> None:
    """Sends the log of this process to `stream` (default stderr), as text or json. Only entry points call this."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(FORMATTERS[form]())
    root = logging.getLogger("dbhandler")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def printable(text: str, limit: int | None = None) -> str:
    """A sentence that may quote the network, as it may stand on a terminal: one line, nothing that moves the cursor,
    cut to `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[:limit] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _component(record: logging.LogRecord) -> str:
    return str(getattr(record, "component", "dbhandler"))


def shown(value: str, limit: int = 64) -> str:
    """A value from the network as it may stand in a log line or an answer: quoted, one line, ASCII, cut."""
    return ascii(value) if len(value) <= limit else ascii(value[:limit]) + "..."


def told(error: Exception) -> str:
    """An error in a sentence; one of the operating system as `/run/x: Permission denied`, as far as it knows."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason
