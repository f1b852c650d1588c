"""Keeps databases within their quota, in a thread of its own: over it their accounts read and delete, and write no
more, until there is room again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dbhandler.audit.record import Audit, Entry, unaudited
from dbhandler.engine import group_sql
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown
from dbhandler.provisioning.quota_rights import QuotaRights
from dbhandler.provisioning.quota_sessions import QuotaSessions
from dbhandler.provisioning.quota_table import Reduced
from dbhandler.provisioning.registry import Memory, Registry
from dbhandler.provisioning.sizes import Sizes
from dbhandler.settings.config import Config

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks."""
SHARE = 10
"""So many times as long as a look has taken there is none: measuring takes a tenth of a processor at most."""
STATEMENT_TIMEOUT = 600.0
"""Seconds for one statement: some look at each table of a database, or of the server."""
ROOM = 0.95
"""Of the quota: below this a database is written to again, so that it does not change from one moment to the next."""


@dataclass(frozen=True)
class Reading:
    """What was measured last: the databases over the quota, by name, and how many bytes the largest one takes."""

    limit: int
    over: frozenset[str] = field(default_factory=frozenset)
    largest: int = 0


class Quota:
    """On one server. limit is in bytes, None: there is none any more, and what was taken is given back. in_group: other
    nodes of a cluster have the same accounts, and one of them decides. lock is held against whoever gives or takes
    accounts. `run` is the thread; `reading` and `told` are for others."""

    def __init__(
        self,
        limit: int | None,
        server: Server,
        registry: Memory,
        data_dir: Path,
        lock: threading.Lock,
        in_group: bool = False,
        audit: Audit = unaudited,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._server, self._in_group, self._lock = limit, server, in_group, lock
        self._audit, self._clock = audit, clock
        self._sizes, self._rights = Sizes(server, data_dir), QuotaRights(server, registry)
        self._sessions = QuotaSessions(server)
        self._rows: list[Reduced] | None = None
        self._over = frozenset[str]()
        self._complaints: dict[str, str] = {}
        self.reading: Reading | None = None

    def told(self, database: str) -> str | None:
        """What is said to the owner of a database (in the server's form) over its quota; None of any other one."""
        reading = self.reading
        if reading is None or database not in reading.over:
            return None
        return (
            f"the database {shown(database)} is over its quota of {reading.limit} bytes (DBHANDLER_QUOTA_BYTES): "
            "it may be read and made smaller, not written to"
        )

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set; without a limit until nothing is left to be given back."""
        while not stop.wait(self.look()):
            if self._limit is None and self._rows == []:
                break
        self._server.close()

    def look(self) -> float:
        """Measures, takes and gives back; returns after how many seconds to look again."""
        began = self._clock()
        self._tried("the databases", self._look)
        return max(INTERVAL, SHARE * (self._clock() - began))

    def _look(self) -> None:
        self._rows = self._rights.table.all()
        sizes = {} if self._limit is None else self._sizes.measured(int(self._limit * ROOM), self._limit)
        noted = frozenset(row.name for row in self._rows if row.is_over)
        if self._decides():
            self._decide(sizes, noted)
            self._rows = self._rights.table.all() if self._rows or self._over else self._rows
        else:
            self._over = noted
        # Of what is being loaded the session that loads is none of them.
        self._sessions.look([row for row in self._rows if not self._rights.is_left_alone(row.name)])
        if self._limit is not None:
            self.reading = Reading(self._limit, self._over, max(sizes.values(), default=0))

    def _decide(self, sizes: Mapping[str, int], noted: frozenset[str]) -> None:
        before = self._over | noted
        over = {name: size for name, size in sizes.items() if self._is_over(name, size, before)}
        for name in over:
            self._tried(shown(name), partial(self._take, name))
        for row in self._rows or ():
            if row.name not in over:
                self._tried(shown(row.name), partial(self._give_back, row))
        self._over = frozenset(over)
        # One that was dropped has been told of; without a limit nothing is measured.
        self._tell(over, before, before if self._limit is None else frozenset(sizes))

    def _is_over(self, name: str, size: int, before: frozenset[str]) -> bool:
        limit = self._limit or 0
        return size > limit or (size > limit * ROOM and name in before)

    def _take(self, name: str) -> None:
        if not self._rights.is_left_alone(name):
            with self._lock:
                self._rights.take(name, {row.user: row for row in self._rows or ()})

    def _give_back(self, row: Reduced) -> None:
        if not self._rights.is_left_alone(row.name):
            with self._lock:
                self._rights.give_back(row)

    def _tried(self, what: str, work: Callable[[], None]) -> None:
        """Works; what fails is told once, and keeps no other database from it."""
        try:
            work()
            self._complaints.pop(what, None)
        except Unavailable:
            # While the server is away, others tell it.
            pass
        except (DbHandlerError, OSError) as error:
            if self._complaints.get(what) != str(error):
                logger.warning("%s cannot be kept within the quota: %s", what, error)
            self._complaints[what] = str(error)

    def _tell(self, over: Mapping[str, int], before: frozenset[str], present: frozenset[str]) -> None:
        for name in sorted(over.keys() - before):
            logger.warning(
                "the database %s is over its quota: it takes %d bytes of %d (DBHANDLER_QUOTA_BYTES); its accounts may "
                "read and delete, and write no more", shown(name), over[name], self._limit,
            )  # fmt: skip
            self._audit(Entry("quota", "over", name, origin="quota"))
        for name in sorted(before & present - over.keys()):
            logger.info("the database %s is within its quota again: its accounts may write as before", shown(name))
            self._audit(Entry("quota", "within", name, origin="quota"))

    def _decides(self) -> bool:
        if not self._in_group:
            return True
        # There is one 0, and none without a quorum.
        rows = self._server.execute(group_sql.place(self._server.engine))
        return [str(place) for _, place in rows] == ["0"]


def quota_of(config: Config, lock: threading.Lock, audit: Audit = unaudited) -> Quota:
    """That of this container's server; lock and audit are as in Quota."""
    # A connection is one thread's.
    server = agent_server(config, timeout=STATEMENT_TIMEOUT)
    in_group, limit = config.group is not None, config.policy.quota_bytes
    return Quota(limit, server, Registry(server), config.data_dir, lock, in_group, audit)
