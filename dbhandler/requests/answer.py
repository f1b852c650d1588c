"""The one-line JSON answers to queries, kept within what Serf can carry."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dbhandler.requests.vocabulary import Status

MAX_BYTES = 900
"""Serf drops an answer whose message is longer than 1,024 bytes; its own envelope needs up to 120 of them, more with
a long node name."""


_PROSE = ("reason", "last_error")
"""What is cut where there is no room."""


def encode(fields: Mapping[str, object], most: int = MAX_BYTES) -> bytes:
    """One line of JSON, at most `most` bytes long without its newline. Fields that are None are left out; a `reason`
    or `last_error` that is too long is cut. Raises ValueError for what is too long all the same."""
    line = _dump(fitting(fields, most))
    if len(line) > most:
        raise ValueError(f"an answer of {len(line)} bytes cannot be sent")
    return line + b"\n"


def fitting(fields: Mapping[str, object], most: int) -> dict[str, object]:
    """The fields that are not None, their prose cut where it has to be and can."""
    present = {key: value for key, value in fields.items() if value is not None}
    for name in _PROSE:
        excess = len(_dump(present)) - most
        if excess > 0 and isinstance(text := present.get(name), str):
            # A character takes one byte at least, so this cuts enough; quoting and the dots take the few more.
            present[name] = text[: max(0, len(text) - excess - 3)] + "…"
    return present


def decode(line: bytes) -> Mapping[str, object]:
    """The fields of an answer; none when it is not one."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def unavailable(reason: str) -> bytes:
    """The answer of whoever cannot reach the agent or the server."""
    return encode({"status": Status.UNAVAILABLE, "reason": reason})


def _dump(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(", ", ": ")).encode()
