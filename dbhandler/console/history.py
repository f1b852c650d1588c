"""What was: a small file of SQLite with a value of each series for each moment, the older the coarser.

A value of a coarser level is the mean of those that fell into its time. Whatever is wrong with the file costs the past,
never the page.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dbhandler import files
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

FILE = "console.sqlite"
MOST_SERIES = 400
"""Series that are kept; of more the first ones to come."""
MOST_BYTES = 32 * 1024 * 1024
PRUNED = 600
"""Seconds between two times at which what is too old goes."""
_DAY = 86400


@dataclass(frozen=True)
class Level:
    """A value for each `step` seconds is kept for `kept` seconds."""

    step: int
    kept: int


LEVELS = (Level(15, 2 * 3600), Level(120, _DAY + 7200), Level(1800, 14 * _DAY + 3600))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS points (
    step INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, total REAL NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (step, series, at)
) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO points VALUES (?, ?, ?, ?, 1)
ON CONFLICT (step, series, at) DO UPDATE SET total = total + excluded.total, number = number + 1
"""
Point = tuple[int, float]
"""A moment (UTC seconds) and the value from then on."""


class History:
    """The file in a folder. Its methods are for any thread, and raise nothing for what is wrong with the file."""

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / FILE, threading.Lock()
        self._complaint = Complaint(partial(logger.error, "what was cannot be kept: %s"))
        self._ids: dict[str, int] = {}
        self._pruned = 0.0
        self._opened()

    def add(self, at: float, values: Mapping[str, float]) -> None:
        """Notes what is at a moment (UTC seconds)."""
        with self._lock:
            try:
                with closing(self._connect()) as connection, connection:
                    connection.executescript(_SCHEMA)
                    self._write(connection, int(at), values)
                self._complaint.say("")
            except (sqlite3.Error, OSError) as error:
                self._complaint.say(str(error))

    def read(self, names: Iterable[str], since: float, until: float) -> dict[str, list[Point]]:
        """What was of each series, as fine as it is kept for the whole time; of one that is not known nothing."""
        step = next((level.step for level in LEVELS if level.kept >= until - since), LEVELS[-1].step)
        with self._lock, suppress(sqlite3.Error, OSError), closing(self._connect()) as connection:
            return {name: self._points(connection, name, step, since, until) for name in names}
        return {name: [] for name in names}

    def names(self, beginning: str) -> list[str]:
        """The series whose names begin so."""
        return sorted(name for name in list(self._ids) if name.startswith(beginning))

    def _opened(self) -> None:
        try:
            self._made()
        except (sqlite3.OperationalError, OSError) as error:
            # No folder, no room, no right: it may be there later.
            self._complaint.say(str(error))
        except sqlite3.DatabaseError as error:
            logger.warning("%s is damaged, and set aside: %s", self._path, error)
            with suppress(OSError):
                files.set_aside(self._path)
            with suppress(sqlite3.Error):
                self._made()

    def _made(self) -> None:
        with closing(self._connect()) as connection, connection:
            connection.executescript(_SCHEMA)
            self._ids = {str(name): int(id) for id, name in connection.execute("SELECT id, name FROM series")}

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=5)
        connection.execute(f"PRAGMA max_page_count = {MOST_BYTES // 4096}")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _write(self, connection: sqlite3.Connection, at: int, values: Mapping[str, float]) -> None:
        if at - self._pruned >= PRUNED:
            self._prune(connection, at)
            self._pruned = at
        known = [(self._id(connection, name), value) for name, value in values.items()]
        rows = [
            (level.step, id, at // level.step * level.step, value)
            for id, value in known if id is not None for level in LEVELS
        ]  # fmt: skip
        connection.executemany(_ADD, rows)

    def _id(self, connection: sqlite3.Connection, name: str) -> int | None:
        if name not in self._ids and len(self._ids) < MOST_SERIES:
            made = connection.execute("INSERT INTO series (name) VALUES (?)", (name,)).lastrowid
            self._ids[name] = int(made or 0)
        return self._ids.get(name)

    def _prune(self, connection: sqlite3.Connection, now: int) -> None:
        for level in LEVELS:
            connection.execute("DELETE FROM points WHERE step = ? AND at < ?", (level.step, now - level.kept))
        connection.execute("DELETE FROM series WHERE id NOT IN (SELECT DISTINCT series FROM points)")
        self._ids = {str(name): int(id) for id, name in connection.execute("SELECT id, name FROM series")}

    def _points(self, connection: sqlite3.Connection, name: str, step: int, since: float, until: float) -> list[Point]:
        found = connection.execute(
            "SELECT at, total / number FROM points WHERE step = ? AND series = ? AND at BETWEEN ? AND ? ORDER BY at",
            (step, self._ids.get(name, -1), since, until),
        )
        return [(int(at), float(value)) for at, value in found]
