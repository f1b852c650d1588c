"""Tables of ours in the server's own schema: made when the first row comes, and nothing where there is no table."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement


def exists(name: str) -> Statement:
    """One row where the table is there."""
    return Statement(
        f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = '{name}'"  # noqa: S608
    )


class OwnTable:
    """A table mysql.NAME, which `makings` make, others before it. Every method raises Unavailable or ServerError when
    the server does."""

    def __init__(self, server: Server, name: str, makings: Sequence[Statement]) -> None:
        self._server, self._makings, self._there = server, makings, False
        self._exists = exists(name)

    def is_there(self) -> bool:
        """Has it been made?"""
        self._there = self._there or bool(self._server.execute(self._exists))
        return self._there

    def execute(self, text: str, *values: object) -> list[tuple[object, ...]]:
        """The rows of a statement about it, once it is there."""
        # In a cluster a statement that makes a table stops all nodes for a moment, needed or not.
        if not self.is_there():
            for making in self._makings:
                self._server.execute(making)
            self._there = True
        return self._server.execute(Statement(text, values))
