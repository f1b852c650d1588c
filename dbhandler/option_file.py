"""Option files of the command-line clients."""

from __future__ import annotations


def quoted(value: str) -> str:
    """A value as it stands in an option file. Source: MySQL 8.4 Reference Manual, 6.2.2.2: a backslash escapes, and
    quotes protect `#`."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
