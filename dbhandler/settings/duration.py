"""Times in settings and options: a number with its unit."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    """The seconds of `30s`, `5m`, `12h`, `7d` or `2w`; a number alone is seconds. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"a time is a number above 0 with s, m, h, d or w behind it, not {text!r}")
    return int(match[1]) * _UNITS[match[2] or "s"]
