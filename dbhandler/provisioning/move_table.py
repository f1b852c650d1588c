"""The databases that go from this server to another one, or come: a table in the server, so that whatever is killed
nobody works on one meanwhile, and what was begun is found again.

In a cluster it is replicated, so that every node knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Busy, Elsewhere
from dbhandler.log import shown
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.own_table import OwnTable

_TABLE = "mysql.dbhandler_moves"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_MAKE_TABLE = Statement(
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (name VARCHAR(64) {_TEXT} PRIMARY KEY, side VARCHAR(8) NOT NULL, "
    f"attempt VARCHAR(32) NOT NULL, node VARCHAR(128) {_TEXT} NOT NULL, kept LONGTEXT {_TEXT} NOT NULL) "
    "ENGINE = InnoDB COMMENT 'databases that come from another server, or go there'"
)
COMING, STOPPED, GONE = "coming", "stopped", "gone"
"""It is being written here, and another server's still; it is here, and nobody writes to it for a moment; it is another
server's, and what is here is kept for a while."""
AGAIN = 0.3
"""Seconds until a request for a database that is being moved is tried again."""


@dataclass(frozen=True)
class Marker:
    """One database: side is COMING, STOPPED or GONE, node the name of the other server's member, kept what undoes or
    finishes it."""

    name: str
    side: str
    attempt: str
    node: str
    kept: Mapping[str, Any] = field(default_factory=dict)


class MoveTable:
    """The table on one server, which keeps names in the server's form (`Names.folded`). Every method raises Unavailable
    or ServerError when the server does; reading makes no table."""

    def __init__(self, server: Server) -> None:
        self._own, self._names = OwnTable(server, "dbhandler_moves", (_MAKE_TABLE,)), Names(server)

    def all(self) -> list[Marker]:
        """All of them."""
        if not self._own.is_there():
            return []
        rows = self._own.execute(f"SELECT name, side, attempt, node, kept FROM {_TABLE}")  # noqa: S608
        return [_marker(*map(str, row)) for row in rows]

    def of(self, name: str) -> Marker | None:
        """What is known of a database."""
        if not (markers := self.all()):
            return None
        name = self._names.folded(name)
        return next((marker for marker in markers if marker.name == name), None)

    def others(self) -> frozenset[str]:
        """The databases that are here, and another server's."""
        return frozenset(marker.name for marker in self.all() if marker.side != STOPPED)

    def put(self, marker: Marker) -> None:
        """Notes one, durably, in place of what was known of it."""
        values = (marker.name, marker.side, marker.attempt, marker.node, json.dumps(marker.kept))
        self._own.execute(f"REPLACE INTO {_TABLE} VALUES (%s, %s, %s, %s, %s)", *values)  # noqa: S608

    def forget(self, name: str) -> None:
        """Forgets one."""
        if self._own.is_there():
            self._own.execute(f"DELETE FROM {_TABLE} WHERE name = %s", name)  # noqa: S608

    def check_here(self, name: str) -> None:
        """Raises Busy while a database is being moved, Elsewhere where it is another server's now."""
        marker = self.of(name)
        if marker is None:
            return
        if marker.side == GONE:
            raise Elsewhere(f"the database {shown(name)} has moved to {shown(marker.node)}", marker.node)
        raise Busy(f"the database {shown(name)} is being moved: ask again", AGAIN)


def _marker(name: str, side: str, attempt: str, node: str, kept: str) -> Marker:
    return Marker(name, side, attempt, node, json.loads(kept))
