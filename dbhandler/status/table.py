"""The servers of a cluster as a person reads them: one line each."""

from __future__ import annotations

from collections.abc import Iterable

from dbhandler.command import columns
from dbhandler.status.servers import ServerStatus

HEADINGS = ("NODE", "SERVER", "STATE", "DATABASES", "SPOOL", "UPTIME", "ADDRESS", "LAST ERROR")
_RIGHT = frozenset({"DATABASES", "SPOOL", "UPTIME"})
NOTHING = "-"

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(statuses: Iterable[ServerStatus], width: int | None = None) -> str:
    """The table, each line ended; columns are as wide as what stands in them, and lines cut to `width` characters."""
    lines = columns([HEADINGS, *(_row(status) for status in statuses)], _RIGHT)
    return "".join(_cut(line, width) + "\n" for line in lines)


def duration(seconds: int) -> str:
    """Seconds as the two largest units: `3 d 4 h`."""
    parts: list[str] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, parts[:2])) or "0 s"


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def _row(status: ServerStatus) -> tuple[str, ...]:
    server = " ".join(filter(None, (status.engine, _release(status.version))))
    error = " ".join(filter(None, (_moment(status.last_error_at), status.last_error)))
    address = f"{status.host}:{status.port}" if status.host and status.port else status.host
    uptime = None if status.uptime is None else duration(status.uptime)
    cells = (status.node, server, status.state, status.databases, status.spool, uptime, address, error)
    return tuple(NOTHING if cell in (None, "") else _printable(str(cell)) for cell in cells)


def _release(version: str | None) -> str:
    # 11.8.3-MariaDB-0+deb13u1 from Debian: the engine stands beside it.
    return (version or "").partition("-")[0]


def _moment(at: str | None) -> str:
    return (at or "").replace("T", " ")


def _printable(text: str) -> str:
    # What members say is not to move the cursor or forge lines.
    return "".join(character if character.isprintable() else "?" for character in text)
