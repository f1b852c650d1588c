"""Pure: who has which database, as dbhandler-admin list shows it, to a person and to a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from dbhandler.boot.operator_base import utc
from dbhandler.command import columns, size
from dbhandler.log import shown
from dbhandler.provisioning.overview import Row
from dbhandler.status.table import NOTHING, duration

HEADINGS = ("DATABASE", "ACCOUNT", "ROLE", "AGE", "ENDS", "SIZE", "CONNECTIONS", "LOGINS", "LAST WRITE")
_RIGHT = frozenset({"AGE", "SIZE", "CONNECTIONS", "LOGINS"})


def table(rows: Sequence[Row]) -> str:
    """The table, without an end of its last line."""
    return "\n".join(columns([HEADINGS, *map(_cells, rows)], _RIGHT))


def as_json(rows: Sequence[Row]) -> str:
    """One line: a list with one object per row. Times are UTC, age is in seconds, size in bytes; what is not known, or
    is not there, is null."""
    return json.dumps([_object(row) for row in rows], ensure_ascii=True)


def _cells(row: Row) -> tuple[str, ...]:
    cells = (
        _name(row.database),
        row.user and _name(row.user),
        row.role,
        None if row.age is None else duration(row.age),
        None if row.ends is None else utc(row.ends / 1000),
        None if row.size is None else size(row.size) + (" (over quota)" if row.over_quota else ""),
        row.connections,
        row.logins,
        None if row.last_write is None else utc(row.last_write),
    )
    return tuple(NOTHING if cell is None else str(cell) for cell in cells)


def _object(row: Row) -> dict[str, object]:
    return {
        "database": row.database,
        "account": row.user,
        "role": row.role,
        "since": f"{row.since.isoformat(timespec='seconds')}Z" if isinstance(row.since, datetime) else None,
        "age": row.age,
        "ends": _iso(row.ends),
        "former_password_ends": _iso(row.former_until),
        "size": row.size,
        "over_quota": row.over_quota,
        "connections": row.connections,
        "logins": row.logins,
        "last_write": None if row.last_write is None else _iso(row.last_write * 1000, "seconds"),
    }


def _iso(milliseconds: int | None, precision: str = "milliseconds") -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _name(name: str) -> str:
    return shown(name).strip("'")
