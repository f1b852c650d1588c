"""A lane of its own for drops: a thread that carries one out after another, so that no lock, no long dump and no flood
of them holds the agent's loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from dbhandler.audit.record import Audit, Entry, unaudited
from dbhandler.engine.server import agent_server
from dbhandler.errors import Busy, DbHandlerError, ServerError
from dbhandler.inventory import InState
from dbhandler.log import shown
from dbhandler.provisioning.drop_table import AGAIN, being_dropped
from dbhandler.provisioning.drops import Drops
from dbhandler.provisioning.dump import dump_command
from dbhandler.provisioning.provision import Outcome
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.trash import Trash
from dbhandler.requests.box import LIFETIME, Credentials
from dbhandler.requests.vocabulary import Status
from dbhandler.settings.config import Config

logger = logging.getLogger(__name__)

WAITING = 20
"""Drops that may wait for their turn."""
PATIENCE = 1.0
"""Seconds for which the first query of a drop waits for it, where nothing is before it and it has not failed before."""
STALE = 30.0
"""Seconds after which a drop that nobody has asked for again is not begun any more."""
REMEMBERED = 600.0
"""Seconds for which the reason of a failure waits for the one who asked."""
INTERVAL = 1.0
"""Seconds between two looks at what is left, and at the drops of other nodes."""
STATEMENT_TIMEOUT = 3600.0
"""Seconds for one statement: the largest database takes a while to go."""
EXPIRY_INTERVAL = 600.0
"""Seconds between two looks at the age of dumps."""


@dataclass
class _Job:
    asker: Credentials
    ltime: int
    asked: float
    is_over: bool = False
    """Its time is over, so that nobody has to prove anything."""
    boxes: set[bytes] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None
    error: DbHandlerError | None = None


class Lane:
    """The drops that wait, the one that runs, and what became of them. `run` is the thread; the rest is for others."""

    def __init__(self, drops: Drops, clock: Callable[[], float] = time.monotonic, audit: Audit = unaudited) -> None:
        self._drops, self._clock, self._audit = drops, clock, audit
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._jobs: dict[str, _Job] = {}
        self._used: dict[bytes, tuple[float, Outcome]] = {}
        self._failed: dict[str, float] = {}
        self._unsettled, self._next_expiry = True, 0.0

    def ask(self, asker: Credentials, ltime: int, box: bytes) -> Outcome:
        """Has the asker's database dropped; box is the digest of the box that proved the asker to own it.

        Raises Busy until it is done (ask again), or what has prevented it.
        """
        with self._lock:
            job, first = self._enter(asker, ltime)
            job.boxes.add(box)
        self._wake.set()
        # Whoever asks the agent for something else waits as well, so only where it is likely to be worth it.
        if first:
            job.ended.wait(PATIENCE)
        with self._lock:
            return self._result(job)

    def end(self, database: str, account: str, ltime: int) -> Outcome:
        """Has a database dropped whose time is over. Raises as ask does, without waiting."""
        with self._lock:
            job, _ = self._enter(Credentials(database, account, ""), ltime)
            job.is_over = True
        self._wake.set()
        with self._lock:
            return self._result(job)

    def used(self, box: bytes) -> Outcome | None:
        """What a box was used for: it is good for one drop, whoever sends it again."""
        with self._lock:
            now = self._clock()
            self._used = {box: (until, outcome) for box, (until, outcome) in self._used.items() if until > now}
            found = self._used.get(box)
            return found[1] if found else None

    def note(self, database: str, box: bytes) -> None:
        """Notes that a box asks for the drop that is under way, if any."""
        with self._lock:
            if job := self._jobs.get(database):
                job.boxes.add(box)

    def dump_of(self, database: str) -> str | None:
        """The newest dump of a database, if one is kept."""
        return next((kept.path.name for kept in self._drops.trash.dumps(database)), None)

    def run(self, stop: threading.Event) -> None:
        """Carries out drops until `stop` is set."""
        while not stop.is_set():
            self.look()
            self._wake.wait(INTERVAL)
            self._wake.clear()

    def look(self) -> None:
        """Settles and expires what is due, then carries out every drop that waits."""
        # While the server is away, others tell it.
        with suppress(DbHandlerError, OSError):
            self._tidy()
        while job := self._next():
            self._carry_out(job)

    def _tidy(self) -> None:
        if self._unsettled or self._drops.node:
            self._unsettled = not self._drops.look_after()
        if self._clock() >= self._next_expiry:
            for dump in self._drops.trash.expire(self._drops.dumps_in_use()):
                self._audit(Entry("expire", "expired", origin="trash", dump=dump))
            self._next_expiry = self._clock() + EXPIRY_INTERVAL

    def _enter(self, asker: Credentials, ltime: int) -> tuple[_Job, bool]:
        now = self._clock()
        self._jobs = {name: job for name, job in self._jobs.items() if now - job.asked < REMEMBERED}
        job = self._jobs.get(asker.database)
        if job is not None:
            job.asker, job.asked = asker, now
            return job, False
        waiting = [job for job in self._jobs.values() if not job.ended.is_set()]
        if len(waiting) > WAITING:
            raise Busy(f"{len(waiting)} databases wait to be dropped: ask again", AGAIN)
        self._jobs[asker.database] = job = _Job(asker, ltime, now)
        self._failed = {name: when for name, when in self._failed.items() if now - when < REMEMBERED}
        return job, not waiting and asker.database not in self._failed

    def _result(self, job: _Job) -> Outcome:
        if not job.ended.is_set():
            raise being_dropped(job.asker.database)
        if self._jobs.get(job.asker.database) is job:
            del self._jobs[job.asker.database]
        if job.outcome is None:
            raise job.error or ServerError("the drop failed; the log says more")
        return job.outcome

    def _next(self) -> _Job | None:
        with self._lock:
            fresh = self._clock() - STALE
            return next((job for job in self._jobs.values() if not job.ended.is_set() and job.asked > fresh), None)

    def _carry_out(self, job: _Job) -> None:
        asker = job.asker
        try:
            if job.is_over:
                dump = self._drops.drop(asker.database, asker.user, job.ltime)
            else:
                dump = self._drops.carry_out(asker, job.ltime)
            if self._drops.trash.days == 0:
                self._next_expiry, dump = 0.0, None
            job.outcome = Outcome(Status.DROPPED, asker.database, asker.user, dump=dump)
        except DbHandlerError as error:
            job.error = error
        except Exception as error:
            logger.error("the drop of %s failed (%s)", shown(asker.database), type(error).__name__)
        self._close(job)

    def _close(self, job: _Job) -> None:
        with self._lock:
            self._unsettled = self._unsettled or job.outcome is None
            if job.outcome:
                until = self._clock() + 20 * LIFETIME
                self._used |= dict.fromkeys(job.boxes, (until, job.outcome))
                # Asked again, the database is gone; under its name another one may be by then.
                self._jobs.pop(job.asker.database, None)
            else:
                self._failed[job.asker.database] = self._clock()
            job.ended.set()


def trash_of(config: Config) -> Trash:
    """The trash in the state folder."""
    command = dump_command(config.engine, config.socket, config.socket_user)
    return Trash(config.state_dir / InState.TRASH, command, config.trash_days)


def drop_lane(config: Config, node: str, audit: Audit = unaudited) -> Lane:
    """The lane of this container's server; node is its identity in a cluster, empty where it is in none. audit
    is told what is dropped, and which dumps are removed.

    Raises DbHandlerError or OSError.
    """
    # A connection is one thread's, and a drop takes as long as it takes.
    server = agent_server(config, timeout=STATEMENT_TIMEOUT)
    drops = Drops(server, config.engine, Registry(server), trash_of(config), node, audit=audit)
    return Lane(drops, audit=audit)
