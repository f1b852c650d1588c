"""The registry of version 0.1, a small SQLite file in the state folder: moved into the server's table, once."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from dbhandler.log import shown

logger = logging.getLogger(__name__)

_AT_ONCE = 500
"""Entries for one statement."""

Entries = Sequence[tuple[str, int | None]]
"""Names of databases made on request, each with the Lamport time of its tombstone or None."""


class OldRegistry:
    """The file, which is gone after `move`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def move(self, store: Callable[[Entries], object]) -> None:
        """Hands all entries to `store`, then removes the file; one that cannot be read is set aside. Raises only what
        `store` does: asked again after that, or after a kill, it begins anew."""
        try:
            if not self._path.exists():
                return
            entries = self._read()
        except (OSError, sqlite3.Error, ValueError) as error:
            self._set_aside(error)
            return
        for start in range(0, len(entries), _AT_ONCE):
            store(entries[start : start + _AT_ONCE])
        logger.info("%d names of %s stand in the server's own table now", len(entries), self._path)
        self._remove()

    def _read(self) -> Entries:
        with closing(sqlite3.connect(self._path, timeout=2.0)) as database:
            made = database.execute("SELECT name, NULL FROM made")
            dropped = database.execute("SELECT name, ltime FROM dropped")
            return [(str(name), None if ltime is None else int(ltime)) for name, ltime in (*dropped, *made)]

    def _set_aside(self, error: Exception) -> None:
        aside = self._path.with_name(self._path.name + ".broken")
        logger.warning(
            "%s cannot be read (%s): it is set aside as %s; nothing is lost but a list of databases",
            self._path, shown(str(error)), aside.name,
        )  # fmt: skip
        with suppress(OSError):
            self._path.rename(aside)

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            # What cannot be removed is moved again at the next start, which changes nothing.
            with suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
