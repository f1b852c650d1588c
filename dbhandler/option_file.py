"""Option files of the command-line clients."""

from __future__ import annotations

from dbhandler.errors import DbHandlerError


def quoted(value: str) -> str:
    """A value as it stands in an option file. Source: MySQL 8.4 Reference Manual, 6.2.2.2: a backslash escapes, and
    quotes protect `#`. Raises DbHandlerError for control characters: a line end would begin another option."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        # It may be a password, so the sentence does not quote it.
        raise DbHandlerError("a value with control characters cannot stand in an option file")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
