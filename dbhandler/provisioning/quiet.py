"""Does anybody write to a database while it is dumped?"""

from __future__ import annotations

import time
from collections.abc import Callable

from dbhandler.engine.server import Server
from dbhandler.errors import ServerError
from dbhandler.log import shown
from dbhandler.provisioning import drop_sql
from dbhandler.provisioning.dump import Header
from dbhandler.provisioning.trash import Trash

DUMPS = 3
"""Dumps that are written before a database that somebody writes to all the time is left alone."""
LOOKS = 15
"""Looks until its last change is a second old."""
PAUSE = 0.2
"""Seconds between two of them."""

Changes = frozenset[tuple[object, ...]]


class Quiet:
    """Looks at databases of one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server, engine: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._server, self._engine, self._sleep = server, engine, sleep

    def header(self, database: str, account: str) -> Header:
        """What its dump is of."""
        [(charset, collation)] = self._server.execute(drop_sql.defaults(database))
        return Header(database, account, str(charset), str(collation), self._engine)

    def dumped(
        self, database: str, account: str, trash: Trash, attempt: str, is_quiet: Callable[[Changes], bool]
    ) -> tuple[str, Changes]:
        """Writes a dump into the trash while which, as is_quiet says, nothing has changed; returns its name, and the
        last changes in it. Raises ServerError, too, where somebody writes all the time."""
        header = self.header(database, account)
        for _ in range(DUMPS):
            seen = self.steady(database)
            dump = trash.keep(header, attempt)
            if is_quiet(seen):
                return dump, seen
            trash.remove(dump)
        raise disturbed(database)

    def steady(self, database: str) -> Changes:
        """The last changes, once they are so old that the next one would have another time."""
        for _ in range(LOOKS):
            [(now,)] = self._server.execute(drop_sql.now())
            changes = self.changes(database)
            if all(str(time) < str(now) for _, _, *times in changes for time in times if time is not None):
                return changes
            self._sleep(PAUSE)
        raise disturbed(database)

    def changes(self, database: str) -> Changes:
        """When everything in it was made, and changed last."""
        if self._engine == "mysql":
            self._server.execute(drop_sql.fresh_times())
        return frozenset(self._server.execute(drop_sql.changes(database)))


def disturbed(database: str) -> ServerError:
    """The error where somebody does."""
    return ServerError(f"somebody else, such as an administrator, writes to {shown(database)} meanwhile")
