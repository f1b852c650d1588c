"""Binary logs of MariaDB and MySQL, put together to transactions without a server.

Sources, for where a transaction begins and ends: MySQL's `Transaction_boundary_parser` (`sql/rpl_trx_boundary_parser`)
and MariaDB's `send_event_to_slave` (`sql/sql_repl.cc`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dbhandler.distant import events
from dbhandler.distant.events import HEAD, HEADER, MAX_STATEMENT, Damaged, Event, Kind, Query, event, kind_of

__all__ = ["HEADER", "MAX_STATEMENT", "Assembler", "Damaged", "Event", "Group", "complete_end", "event", "read"]

MAX_TABLES = 1000
"""Tables of one transaction that are kept."""
MAX_EVENT = 2**30 + 2**20
"""Bytes: a server takes packets of a gigabyte, and an event has one row at least."""

_STANDALONE = 0x01
_QUERIES = (Kind.QUERY, Kind.QUERY_COMPRESSED)
_BEGINNINGS = ("BEGIN", "XA START ")
_CONTROL = (*_BEGINNINGS, "COMMIT", "ROLLBACK", "SAVEPOINT ", "RELEASE SAVEPOINT ", "XA ")
_MYSQL_GTIDS = (Kind.MYSQL_GTID, Kind.ANONYMOUS, Kind.TAGGED_GTID)
_LAST = (Kind.XID, Kind.XA_PREPARE, Kind.PAYLOAD, Kind.INCIDENT)


@dataclass(frozen=True)
class Group:
    """One transaction, or one statement outside of any: what has a GTID ("" in a log without)."""

    gtid: str
    time: float
    """When it was committed, UTC seconds."""
    precise: bool
    """Is the time better than one second?"""
    statement: str | None
    """The first statement in it, up to MAX_STATEMENT characters; None where there are rows alone, or where it is packed
    so that it cannot be read."""
    schema: str
    """The default database of that statement."""
    tables: frozenset[str]
    """The tables whose rows it changes, "db.table", up to MAX_TABLES; none of a packed transaction of MySQL."""
    end: int
    """Where it ends: bytes."""


@dataclass
class _Open:
    """A transaction that has begun."""

    gtid: str
    time: float
    precise: bool
    whole: bool
    """Is it one statement, which no COMMIT follows? Of MySQL that is so until there is a BEGIN."""
    query: Query | None = None
    tables: set[str] = field(default_factory=set)


class Assembler:
    """Puts together what comes of one server, event by event. `start` is the place of the first."""

    def __init__(self, engine: str, start: int = 0) -> None:
        self._mysql, self._end = engine == "mysql", start
        self._checksummed: bool | None = None
        self._open: _Open | None = None

    @property
    def open(self) -> bool:
        """Has a transaction begun that is not complete?"""
        return self._open is not None

    @property
    def described(self) -> bool:
        """Has there been a format description?"""
        return self._checksummed is not None

    def drop(self) -> None:
        """Forgets a transaction that is not complete."""
        self._open = None

    def feed(self, raw: bytes) -> Group | None:
        """The transaction that this event completes, if it does. Raises Damaged."""
        if self._checksummed is None and kind_of(raw) != Kind.FORMAT:
            self._before_all(raw)
            return None
        found = event(raw, bool(self._checksummed))
        group = self._take(found, self._end + found.size)
        self._end += found.size
        return group

    def _before_all(self, raw: bytes) -> None:
        # To a replica a server says first in which file it is.
        if kind_of(raw) != Kind.ROTATE:
            raise Damaged("the binary log does not begin with the description of its format")
        self._end += event(raw, False).size

    def _take(self, found: Event, end: int) -> Group | None:
        if found.kind == Kind.FORMAT:
            # A server that was killed leaves the last transaction as it is, and begins a new file.
            self._checksummed, self._open = events.has_checksums(found), None
        elif found.kind in (_MYSQL_GTIDS if self._mysql else (Kind.MARIADB_GTID,)):
            self._open = self._begun(found)
        elif self._open is not None and self._completes(self._open, found):
            return self._closed(end)
        return None

    def _begun(self, found: Event) -> _Open:
        if self._mysql:
            gtid, time = events.mysql_gtid(found)
            return _Open(gtid, float(found.time) if time is None else time, time is not None, whole=True)
        gtid, flags = events.mariadb_gtid(found)
        return _Open(gtid, float(found.time), precise=False, whole=bool(flags & _STANDALONE))

    def _completes(self, group: _Open, found: Event) -> bool:
        if found.kind == Kind.TABLE_MAP and len(group.tables) < MAX_TABLES:
            group.tables.add(events.table(found))
        if found.kind in _QUERIES:
            return self._query_completes(group, events.query(found))
        return found.kind in _LAST or (found.kind == Kind.LOADED and group.whole)

    def _query_completes(self, group: _Open, query: Query) -> bool:
        begins = query.text == "BEGIN" or query.text.startswith("XA START ")
        if group.whole and not (begins and self._mysql):
            group.query = query
            return True
        group.whole = False
        if not query.text.startswith(_CONTROL) and query.text != "BEGIN":
            group.query = group.query or query
        return _ends(query.text)

    def _closed(self, end: int) -> Group:
        group, self._open = self._open, None
        assert group is not None  # noqa: S101
        query = group.query
        return Group(
            group.gtid, group.time, group.precise, query.text if query else None, query.schema if query else "",
            frozenset(group.tables), end,
        )  # fmt: skip


def read(path: Path, engine: str) -> Iterator[Group]:
    """All complete transactions of a file, in order; what is cut off at its end does not count. Raises Damaged,
    OSError."""
    assembler = Assembler(engine, len(HEADER))
    with path.open("rb") as file:
        for raw in raw_events(file):
            if group := assembler.feed(raw):
                yield group


def complete_end(path: Path, engine: str) -> int:
    """How many bytes of the file are whole transactions, and events between them; 0 where not even the description of
    the format is whole. What follows damage is not counted. Raises OSError."""
    assembler, end, place = Assembler(engine, len(HEADER)), 0, len(HEADER)
    try:
        with path.open("rb") as file:
            for raw in raw_events(file):
                assembler.feed(raw)
                place += len(raw)
                end = end if assembler.open else place
    except Damaged:
        pass
    return end


def raw_events(file: BinaryIO) -> Iterator[bytes]:
    """The events of a file, as far as they are whole. Raises Damaged for what cannot be one, OSError."""
    if (header := file.read(len(HEADER))) != HEADER[: len(header)]:
        raise Damaged("it is no binary log")
    while len(head := file.read(HEAD)) == HEAD:
        size = int.from_bytes(head[9:13], "little")
        if not HEAD <= size <= MAX_EVENT:
            raise Damaged(f"an event of the binary log cannot have {size} bytes")
        if len(body := file.read(size - HEAD)) < size - HEAD:
            return
        yield head + body


def _ends(text: str) -> bool:
    return text == "COMMIT" or (text.startswith("ROLLBACK") and not text.startswith("ROLLBACK TO"))
