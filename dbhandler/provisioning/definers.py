"""What in a database runs with the rights of other accounts than its own: views, routines, triggers and events name an
account, their definer, which stays when the database becomes somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbhandler.engine.server import Server
from dbhandler.engine.sql import ANY_HOST, Statement
from dbhandler.log import shown
from dbhandler.provisioning import overview_sql

MOST = 5
"""Accounts that are named; of more only their number."""

_SOURCES = (
    ("'view'", "TABLE_NAME", "VIEWS", "TABLE_SCHEMA", " AND SECURITY_TYPE = 'DEFINER'"),
    ("LOWER(ROUTINE_TYPE)", "ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA", " AND SECURITY_TYPE = 'DEFINER'"),
    ("'trigger'", "TRIGGER_NAME", "TRIGGERS", "TRIGGER_SCHEMA", ""),
    ("'event'", "EVENT_NAME", "EVENTS", "EVENT_SCHEMA", ""),
)
"""Kind, name, table, database, and what leaves out that which runs with the rights of whoever calls it."""


@dataclass(frozen=True)
class Thing:
    """A view, routine, trigger or event, and whose rights it has (`user@host`; a role has no host)."""

    kind: str
    name: str
    definer: str


def defined(database: str) -> Statement:
    """One row (kind, name, definer) for each thing in a database that runs with its definer's rights."""
    # MariaDB compares these columns without regard to case, whatever its rule for names is.
    selects = [
        f"SELECT {kind}, {name}, DEFINER FROM information_schema.{table} WHERE {schema} = %s "  # noqa: S608
        f"AND CAST({schema} AS BINARY) = CAST(%s AS BINARY){only}"
        for kind, name, table, schema, only in _SOURCES
    ]
    return Statement(" UNION ALL ".join(selects), (database, database) * len(selects))


def others(server: Server, database: str, user: str) -> str | None:
    """A sentence about what runs there with the rights of others than the account user@ANY_HOST; None where nothing
    does. Raises Unavailable or ServerError."""
    things = [Thing(*map(str, row)) for row in server.execute(defined(database))]
    foreign = [thing for thing in things if thing.definer != f"{user}@{ANY_HOST}"]
    if not foreign:
        return None
    there = {f"{name}@{host}" for name, host in server.execute(overview_sql.users())}
    return told(database, foreign, frozenset(there))


def told(database: str, things: Sequence[Thing], accounts: frozenset[str]) -> str:
    """Pure: that sentence, about these things; accounts are those that exist."""
    by_definer: dict[str, list[Thing]] = {}
    for thing in things:
        by_definer.setdefault(thing.definer, []).append(thing)
    parts = [_part(definer, found, accounts) for definer, found in list(by_definer.items())[:MOST]]
    more = [f"and as {len(by_definer) - MOST} other accounts"] if len(by_definer) > MOST else []
    return f"in {shown(database)} not all runs with the rights of its account: {'; '.join(parts + more)}"


def _part(definer: str, things: Sequence[Thing], accounts: frozenset[str]) -> str:
    first, others = things[0], len(things) - 1
    and_more = f" and {others} more run" if others else " runs"
    # MariaDB writes a role without a host, and lists it with an empty one.
    is_there = definer in accounts or f"{definer}@" in accounts
    whose = f"{shown(definer)}" if is_there else f"{shown(definer)}, who does not exist"
    return f"the {first.kind} {shown(first.name)}{and_more} as {whose}"
