"""Which databases are copies of which, and whether a copy is whole: a table in the server, so that one that was cut
short is begun anew, and not taken for the original."""

from __future__ import annotations

from dataclasses import dataclass

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.provisioning.own_table import OwnTable

_TABLE = "mysql.dbhandler_copies"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_MAKE_TABLE = Statement(
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (name VARCHAR(64) {_TEXT} PRIMARY KEY, source VARCHAR(64) {_TEXT} NOT NULL, "
    f"node VARCHAR(64) {_TEXT} NOT NULL, done BOOLEAN NOT NULL, seen DATETIME(6) NOT NULL) ENGINE = InnoDB "
    "COMMENT 'copies of databases; seen: when the node that writes one was last at it'"
)

FRESH = 15
"""Seconds after which a node that was not at its copy is not at it any more."""


@dataclass(frozen=True)
class Copy:
    """A copy `name` of the database `source`: which node writes it, whether that is done, and how many seconds ago the
    node was at it."""

    name: str
    source: str
    node: str
    done: bool
    age: int

    def is_written_by_another(self, node: str) -> bool:
        """Is another node of the cluster at it?"""
        return not self.done and self.node != node and self.age < FRESH


class CopyTable:
    """The table on one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server) -> None:
        self._own = OwnTable(server, "dbhandler_copies", (_MAKE_TABLE,))

    def of(self, name: str) -> Copy | None:
        """What is known of a copy."""
        return next(iter(self._select("name = %s", name)), None)

    def of_source(self, source: str) -> list[Copy]:
        """The copies of a database that are there."""
        there = "name IN (SELECT SCHEMA_NAME FROM information_schema.SCHEMATA)"
        return self._select(f"source = %s AND {there}", source)

    def begin(self, name: str, source: str, node: str) -> None:
        """Notes that a node begins to write a copy."""
        self._own.execute(f"REPLACE INTO {_TABLE} VALUES (%s, %s, %s, FALSE, UTC_TIMESTAMP(6))", name, source, node)  # noqa: S608

    def at_it(self, name: str) -> None:
        """Notes that its node is at it."""
        self._own.execute(f"UPDATE {_TABLE} SET seen = UTC_TIMESTAMP(6) WHERE name = %s", name)  # noqa: S608

    def end(self, name: str) -> None:
        """Notes that a copy is whole."""
        self._own.execute(f"UPDATE {_TABLE} SET done = TRUE WHERE name = %s", name)  # noqa: S608

    def forget(self, name: str) -> None:
        """Forgets a database that was a copy, if it was one."""
        if self._own.is_there():
            self._own.execute(f"DELETE FROM {_TABLE} WHERE name = %s", name)  # noqa: S608

    def _select(self, where: str, *values: object) -> list[Copy]:
        if not self._own.is_there():
            return []
        columns = "name, source, node, done, TIMESTAMPDIFF(SECOND, seen, UTC_TIMESTAMP(6))"
        rows = self._own.execute(f"SELECT {columns} FROM {_TABLE} WHERE {where}", *values)  # noqa: S608
        return [
            Copy(str(name), str(source), str(node), bool(done), int(str(age)))
            for name, source, node, done, age in rows
        ]  # fmt: skip
