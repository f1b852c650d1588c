"""Pure: how an account logs in, as its engine keeps it, and how another server is told the same: in one way, or in two
while its password is being changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dbhandler.engine import sql
from dbhandler.engine.password_hash import Way
from dbhandler.engine.sql import ANY_HOST, Statement


def ways_of(row: Sequence[object]) -> list[Way]:
    """The ways in a row of sql.stored_password, the newest first; none where they are not to be understood."""
    return _of_mariadb(str(row[0])) if len(row) == 1 else _of_mysql(row)


def told(user: str, ways: Sequence[Way], engine: str) -> list[Statement]:
    """The statements that have an account log in in these ways (by a password), the newest first, and no other."""
    stored = [way.stored for way in ways]
    if engine == "mariadb":
        text = " OR ".join(["mysql_native_password USING %s"] * len(stored))
        return [Statement(f"ALTER USER %s@%s IDENTIFIED VIA {text}", (user, ANY_HOST, *stored), secret=True)]
    newest, *former = (sql.change_password_by_hash(user, one, ANY_HOST, engine) for one in stored)
    discarded = Statement("ALTER USER %s@%s DISCARD OLD PASSWORD", (user, ANY_HOST))
    if not former:
        return [newest, discarded]
    return [*former, discarded, Statement(f"{newest.text} RETAIN CURRENT PASSWORD", newest.values, secret=True)]


def _of_mariadb(text: str) -> list[Way]:
    values = _object(text)
    locked = bool(values.get("account_locked"))
    # An empty object in the list stands for what is kept outside of it.
    ways = [way or values for way in values.get("auth_or", [{}])]
    return [Way(str(way.get("plugin", "")), str(way.get("authentication_string", "")), locked) for way in ways]


def _of_mysql(row: Sequence[object]) -> list[Way]:
    plugin, stored, locked, attributes = row
    kept = [stored, _object(str(attributes or "{}")).get("additional_password")]
    return [Way(str(plugin), str(password), locked == "Y") for password in kept if password is not None]


def _object(text: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
