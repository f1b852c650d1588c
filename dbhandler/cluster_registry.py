"""The registry of a Galera cluster: in a replicated table, because the same old event comes to every node again."""

from __future__ import annotations

from dbhandler.server import Server
from dbhandler.sql import Statement

_TABLE = "mysql.dbhandler_registry"
_MAKE_TABLE = Statement(
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, "
    "dropped BIGINT NULL) ENGINE = InnoDB COMMENT 'databases made on request; dropped: when, in Serf''s Lamport time'"
)


class ClusterRegistry:
    """As Registry, for all nodes together. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server) -> None:
        self._server, self._there = server, False

    def made(self, name: str) -> None:
        """Notes that a database was made on request; a tombstone of that name is gone with it."""
        rows = self._row(name)
        if not rows:
            self._server.execute(Statement(f"INSERT IGNORE INTO {_TABLE} VALUES (%s, NULL)", (name,)))  # noqa: S608
        elif rows[0][0] is not None:
            self._server.execute(Statement(f"UPDATE {_TABLE} SET dropped = NULL WHERE name = %s", (name,)))  # noqa: S608

    def dropped(self, name: str, ltime: int) -> None:
        """Notes, durably, that a database was dropped when Serf's event clock stood at `ltime`."""
        self._ensure_table()
        self._server.execute(Statement(f"REPLACE INTO {_TABLE} VALUES (%s, %s)", (name, ltime)))  # noqa: S608

    def dropped_at(self, name: str) -> int | None:
        """The Lamport time of a database's tombstone, or None."""
        rows = self._row(name)
        return int(str(rows[0][0])) if rows and rows[0][0] is not None else None

    def names(self) -> list[str]:
        """The databases made on request, sorted."""
        self._ensure_table()
        statement = Statement(f"SELECT name FROM {_TABLE} WHERE dropped IS NULL ORDER BY name")  # noqa: S608
        return [str(name) for (name,) in self._server.execute(statement)]

    def _row(self, name: str) -> list[tuple[object, ...]]:
        self._ensure_table()
        return self._server.execute(Statement(f"SELECT dropped FROM {_TABLE} WHERE name = %s", (name,)))  # noqa: S608

    def _ensure_table(self) -> None:
        if not self._there:
            self._server.execute(_MAKE_TABLE)
            self._there = True
