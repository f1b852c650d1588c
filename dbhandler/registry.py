"""What was made here on request, and what was dropped and must stay dropped: a small SQLite file in the state folder.

The server alone decides who owns what; this only lists and remembers, so losing it loses no right and no data.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Protocol

_SCHEMA = """
CREATE TABLE IF NOT EXISTS made (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped (name TEXT PRIMARY KEY, ltime INTEGER NOT NULL) WITHOUT ROWID;
"""


class Memory(Protocol):
    """What a registry does, wherever it keeps it."""

    def made(self, name: str) -> None: ...
    def dropped(self, name: str, ltime: int) -> None: ...
    def dropped_at(self, name: str) -> int | None: ...
    def names(self) -> list[str]: ...


class Registry:
    """The names of databases made on request, and tombstones of dropped ones. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        # One transaction per request may be forgotten in a power cut, never corrupt the file.
        self._database = sqlite3.connect(path, isolation_level=None, timeout=2.0)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)

    def made(self, name: str) -> None:
        """Notes that a database was made on request; a tombstone of that name is gone with it."""
        self._database.execute("INSERT OR IGNORE INTO made VALUES (?)", (name,))
        self._database.execute("DELETE FROM dropped WHERE name = ?", (name,))

    def dropped(self, name: str, ltime: int) -> None:
        """Notes, durably, that a database was dropped when Serf's event clock stood at `ltime`."""
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("INSERT OR REPLACE INTO dropped VALUES (?, ?)", (name, ltime))
        self._database.execute("DELETE FROM made WHERE name = ?", (name,))
        self._database.execute("PRAGMA synchronous = NORMAL")

    def dropped_at(self, name: str) -> int | None:
        """The Lamport time of a database's tombstone, or None."""
        row = self._database.execute("SELECT ltime FROM dropped WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else None

    def names(self) -> list[str]:
        """The databases made on request, sorted."""
        return [str(name) for (name,) in self._database.execute("SELECT name FROM made ORDER BY name")]
