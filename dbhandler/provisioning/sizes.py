"""How much of the disk each database takes: its files, without the room in them that new rows take first.

The engines' own estimates (DATA_LENGTH) are late by ten seconds and more. The files are what fills a disk; they never
shrink when rows are deleted, but then have room that counts as free.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.provisioning import drop_sql, overview_sql, quota_sql

_NOT_ITS_OWN = ("#sql", "db.opt")
"""A table that is being rebuilt, for that time beside the one whose place it takes, which no table's name begins with;
MariaDB's note of a database."""
SHARED_AT_FIRST = 12 * 2**20
"""Bytes of the file that tables may share, before any is there."""


class Sizes:
    """Of the databases of one server, whose data directory is here, too."""

    def __init__(self, server: Server, data_dir: Path) -> None:
        self._server, self._data_dir = server, data_dir
        self._sharing, self._shared = frozenset[str](), SHARED_AT_FIRST

    def measured(self, least: int, most_free: int) -> Mapping[str, int]:
        """The bytes of each database; free room is looked up for those whose files have more than `least`, and counts
        up to `most_free`. Raises Unavailable or ServerError."""
        self._look_at_shared()
        names = [str(name) for (name,) in self._server.execute(sql.databases())]
        return {name: self._measured(name, least, most_free) for name in names}

    def _measured(self, name: str, least: int, most_free: int) -> int:
        taken = self._files(name)
        if folder(name) in self._sharing:
            # How large its part is could be kept from the engine, too (STATS_AUTO_RECALC=0): it has all of it.
            return taken + self._shared - SHARED_AT_FIRST
        if taken <= least:
            return taken
        # Without a bound, one table after another could be filled and emptied until the disk is full.
        return max(0, taken - min(self._free(name), most_free))

    def _files(self, name: str) -> int:
        """The bytes of a database's files; none where it is gone meanwhile."""
        total = 0
        if not name.isascii():
            # Its folder has a name by a table of the engine's own: that has to tell.
            return self._number(overview_sql.sizes_of(name), column=1)
        with suppress(FileNotFoundError), os.scandir(self._data_dir / folder(name)) as entries:
            for entry in entries:
                if not entry.name.startswith(_NOT_ITS_OWN):
                    with suppress(FileNotFoundError):
                        total += entry.stat().st_size
        return total

    def _free(self, name: str) -> int:
        return self._number(quota_sql.free(name)) if name.isascii() else 0

    def _look_at_shared(self) -> None:
        """Which databases, by their folders, have tables in the file that all share. In MySQL an application may put
        them there (TABLESPACE innodb_system), in MariaDB nobody but the server's owner."""
        if self._server.engine != "mysql":
            return
        size = sum(path.stat().st_size for path in self._data_dir.glob("ibdata*"))
        # It takes a millisecond for each table that there is.
        if size != self._shared or self._sharing:
            self._sharing = frozenset(str(name) for (name,) in self._server.execute(quota_sql.sharing()))
            self._shared = size

    def _number(self, statement: sql.Statement, column: int = 0) -> int:
        if self._server.engine == "mysql":
            self._server.execute(drop_sql.fresh_times())
        [row] = self._server.execute(statement)
        return int(str(row[column]))


def folder(name: str) -> str:
    """The folder of a database whose name is ASCII. Source: MySQL 8.4 Reference Manual, 11.2.4."""
    return re.sub(r"[^0-9A-Za-z_]", lambda match: f"@{ord(match[0]):04x}", name)
