"""The one-line JSON answers to queries, kept within what Serf can carry."""

from __future__ import annotations

import json
from collections.abc import Mapping

MAX_BYTES = 900
"""Serf drops an answer whose message is longer than 1,024 bytes; its own envelope needs up to 120 of them, more with
a long node name."""

STATUSES = ("created", "exists", "denied", "invalid", "unavailable", "failed", "ok", "absent", "rotated", "dropped")


def encode(fields: Mapping[str, object]) -> bytes:
    """One line of JSON, at most MAX_BYTES long without its newline. Fields that are None are left out; a `reason`
    that is too long is cut."""
    present = {key: value for key, value in fields.items() if value is not None}
    line = _dump(present)
    if len(line) > MAX_BYTES and isinstance(reason := present.get("reason"), str):
        excess = len(line) - MAX_BYTES
        # A character takes one byte at least, so this cuts enough; quoting and the dots take the few more.
        present["reason"] = reason[: max(0, len(reason) - excess - 3)] + "…"
        line = _dump(present)
    if len(line) > MAX_BYTES:
        raise ValueError(f"an answer of {len(line)} bytes cannot be sent")
    return line + b"\n"


def decode(line: bytes) -> Mapping[str, object]:
    """The fields of an answer; none when it is not one."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def unavailable(reason: str) -> bytes:
    """The answer of whoever cannot reach the agent or the server."""
    return encode({"status": "unavailable", "reason": reason})


def _dump(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(", ", ": ")).encode()
