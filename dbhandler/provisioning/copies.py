"""Writes copies of databases, one after another, in a thread of its own: what one moment of the original held, read
without stopping those who write to it, and loaded with the rights of the account that the copy is for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Busy, DbHandlerError, ServerError
from dbhandler.log import shown
from dbhandler.provisioning import drop_sql, privilege_sql
from dbhandler.provisioning.copy_table import CopyTable
from dbhandler.provisioning.definer import redefined
from dbhandler.provisioning.dump_lines import dump_lines
from dbhandler.provisioning.loading import Loading
from dbhandler.requests.box import Credentials

logger = logging.getLogger(__name__)

WAITING = 10
"""Copies that may wait for their turn."""
AGAIN = 1.0
"""Seconds until a copy that is being written is asked for again."""
PATIENCE = 0.5
"""Seconds for which the first question for a copy waits for it, where nothing is before it."""
STALE = 60.0
"""Seconds after which a copy that nobody has asked for again is not begun any more."""
BEAT = 3.0
"""Seconds between two looks after a copy that is being written."""


@dataclass
class _Job:
    copy: Credentials
    source: Credentials
    asked: float
    ended: threading.Event = field(default_factory=threading.Event)
    error: DbHandlerError | None = None


class Copies:
    """The copies that wait, and the one that is written. server is a connection of this thread's own; command makes the
    dump program's command line, connect opens a connection as an account; node is this node's identity in a cluster.
    `run` is the thread; the rest is for others."""

    def __init__(
        self,
        server: Server,
        command: Callable[[str], Sequence[str]],
        connect: Callable[[Credentials], Server],
        node: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._command, self._connect = server, command, connect
        self._node, self._clock, self._table = node, clock, CopyTable(server)
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._jobs: dict[str, _Job] = {}
        self._current: _Job | None = None
        self._beaten = 0.0

    def ask(self, copy: Credentials, source: Credentials) -> None:
        """Has the database of `copy` made what that of `source` is. Returns when it is whole; raises Busy until then
        (ask again), or what has prevented it."""
        with self._lock:
            job, is_first = self._entered(copy, source)
        self._wake.set()
        # Whoever asks the agent for something else waits as well, so only where it is likely to be worth it.
        if is_first:
            job.ended.wait(PATIENCE)
        with self._lock:
            if not job.ended.is_set():
                raise Busy(f"the database {shown(source.database)} is being copied: ask again", AGAIN)
            self._jobs.pop(copy.database, None)
        if job.error:
            raise job.error

    def run(self, stop: threading.Event) -> None:
        """Writes copies until `stop` is set."""
        while not stop.is_set():
            self.look()
            self._wake.wait(1.0)
            self._wake.clear()

    def look(self) -> None:
        """Writes every copy that waits."""
        while job := self._next():
            self._carry_out(job)

    def _entered(self, copy: Credentials, source: Credentials) -> tuple[_Job, bool]:
        """The job, and whether it is a new one that nothing is before."""
        now = self._clock()
        self._jobs = {name: job for name, job in self._jobs.items() if now - job.asked < STALE or job is self._current}
        job = self._jobs.get(copy.database)
        if job is not None:
            job.asked = now
            return job, False
        if len(self._jobs) >= WAITING:
            raise Busy(f"{len(self._jobs)} copies wait to be written: ask again", AGAIN)
        is_first = all(other.ended.is_set() for other in self._jobs.values())
        job = self._jobs[copy.database] = _Job(copy, source, now)
        return job, is_first

    def _next(self) -> _Job | None:
        with self._lock:
            waiting = (job for job in self._jobs.values() if not job.ended.is_set())
            self._current = next(waiting, None)
            return self._current

    def _carry_out(self, job: _Job) -> None:
        began = self._clock()
        names = f"the copy {shown(job.copy.database)} of {shown(job.source.database)}"
        try:
            self._write(job.copy, job.source)
            logger.info("%s is written (%.1f s)", names, self._clock() - began)
        except DbHandlerError as error:
            job.error = error
            logger.warning("%s failed: %s", names, error)
        except Exception as error:
            job.error = ServerError(f"{names} failed; the log says more")
            logger.error("%s failed (%s)", names, type(error).__name__)
        job.ended.set()

    def _write(self, copy: Credentials, source: Credentials) -> None:
        self._table.begin(copy.database, source.database, self._node)
        self._beaten = self._clock()
        # What a try before has left goes first.
        self._make_empty(copy.database, source.database)
        try:
            with dump_lines(self._command(source.database), source.database, self._clock) as dumped:
                lines = self._followed(dumped, copy.database)
                self._loading(copy, source.database).load(redefined(lines, copy.user, source.user))
        except DbHandlerError:
            # It may be what has filled the disk.
            with suppress(DbHandlerError):
                self._make_empty(copy.database, source.database)
            raise
        self._table.end(copy.database)

    def _loading(self, copy: Credentials, source: str) -> Loading:
        connect, beat = lambda: self._connect(copy), lambda: self._beat(copy.database)
        if self._node:
            # A statement that changes a table stops all nodes of a cluster while it works.
            return Loading(connect, beat=beat)
        rows = self._server.execute(privilege_sql.referenced_tables(source))
        return Loading(connect, referenced={str(name).encode() for (name,) in rows}, beat=beat)

    def _beat(self, copy: str) -> None:
        if self._clock() - self._beaten > BEAT:
            self._beaten = self._clock()
            self._table.at_it(copy)

    def _make_empty(self, database: str, source: str) -> None:
        [(charset, collation)] = self._server.execute(drop_sql.defaults(source))
        self._server.execute(sql.drop_database(database))
        self._server.execute(sql.create_missing_database(database, str(charset), str(collation)))

    def _followed(self, lines: Iterator[bytes], copy: str) -> Iterator[bytes]:
        for line in lines:
            yield line
            self._beat(copy)
