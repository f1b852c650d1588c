"""What was made here on request and for whom, and what was dropped and must stay dropped: a table in the server.

In a cluster it is replicated, so of two who claim one name at two nodes one gets it. What an account may do, the
server's grants say alone: losing the table loses no right and no data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Unavailable
from dbhandler.provisioning import registry_sql
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.old_registry import Entries, OldRegistry

CLAIM_TIME = 60
"""Seconds for which a claim stands although its account has got nothing yet: another node may be at it."""


@dataclass(frozen=True)
class Entry:
    """What is known of a name: the user name of its owner (None: nobody's), the Lamport time of its tombstone, when it
    was claimed, by the server's clock, and how many seconds ago."""

    name: str
    owner: str | None = None
    dropped: int | None = None
    claimed: object = None
    age: int | None = None

    @property
    def fresh(self) -> bool:
        """Has it been claimed just now?"""
        return self.age is not None and self.age < CLAIM_TIME


class Memory(Protocol):
    """What a registry does. Names are in the form in which the server compares them (`Names.folded`)."""

    def made(self, name: str) -> None: ...
    def dropped(self, name: str, ltime: int) -> None: ...
    def dropped_at(self, name: str) -> int | None: ...
    def names(self) -> list[str]: ...
    def entry(self, name: str) -> Entry | None: ...
    def entry_of(self, owner: str) -> Entry | None: ...
    def claim(self, name: str, owner: str, seen: Entry | None) -> bool: ...
    def release(self, name: str, owner: str) -> None: ...


class Registry:
    """The registry of a server, or of all nodes of a cluster together.

    old_file is where version 0.1 kept it. Every method raises Unavailable or ServerError when the server does.
    """

    def __init__(self, server: Server, old_file: Path | None = None) -> None:
        self._server, self._old = server, OldRegistry(old_file) if old_file else None
        self._there = False

    def made(self, name: str) -> None:
        """Notes that a database was made on request; a tombstone of that name is gone with it."""
        self._execute(registry_sql.made(name))

    def dropped(self, name: str, ltime: int) -> None:
        """Notes, durably, that a database was dropped when Serf's event clock stood at `ltime`, and is nobody's."""
        self._execute(registry_sql.dropped(name, ltime))

    def forget(self, name: str) -> None:
        """Forgets a name that is another server's by now."""
        self._execute(registry_sql.forget(name))

    def dropped_at(self, name: str) -> int | None:
        """The Lamport time of a database's tombstone, or None."""
        entry = self.entry(name)
        return entry.dropped if entry else None

    def names(self) -> list[str]:
        """The databases made on request, sorted."""
        return [str(name) for (name,) in self._execute(registry_sql.names())]

    def entry(self, name: str) -> Entry | None:
        """What is known of a name."""
        return next(_entries(self._execute(registry_sql.entry(name))), None)

    def entry_of(self, owner: str) -> Entry | None:
        """What is known of the one name that an owner has claimed."""
        return next(_entries(self._execute(registry_sql.entry_of(owner))), None)

    def claims(self) -> list[Entry]:
        """What is known of every name that an owner has claimed."""
        return list(_entries(self._execute(registry_sql.claims())))

    def claim(self, name: str, owner: str, seen: Entry | None) -> bool:
        """Makes the name the owner's, unless its entry is another than the one `seen` by now, or the owner has another
        name. Is it the owner's then?"""
        wish = (
            registry_sql.take_over(name, owner, seen.owner, seen.claimed) if seen else registry_sql.claim(name, owner)
        )
        # As a rule another node's claim came first (1213): the row tells.
        with suppress(Unavailable):
            self._execute(wish)
        entry = self.entry(name)
        return entry is not None and entry.owner == owner

    def release(self, name: str, owner: str) -> None:
        """Gives up the owner's claim on a name."""
        self._execute(registry_sql.release(name, owner))

    def _execute(self, statement: Statement) -> list[tuple[object, ...]]:
        if not self._there:
            self._prepare()
            self._there = True
        return self._server.execute(statement)

    def _prepare(self) -> None:
        columns = {str(column).lower() for (column,) in self._server.execute(registry_sql.columns())}
        if not columns:
            self._server.execute(registry_sql.make_table())
        elif "owner" not in columns:
            self._server.execute(registry_sql.add_owners())
        if self._old:
            self._old.move(self._fill)

    def _fill(self, entries: Entries) -> None:
        # Version 0.1 kept the names as they were asked for.
        folded = Names(self._server).folded
        self._server.execute(registry_sql.fill([(folded(name), ltime) for name, ltime in entries]))


def _entries(rows: list[tuple[object, ...]]) -> Iterator[Entry]:
    for name, owner, dropped, claimed, age in rows:
        yield Entry(
            str(name),
            None if owner is None else str(owner),
            None if dropped is None else int(str(dropped)),
            claimed,
            None if age is None else int(str(age)),
        )
