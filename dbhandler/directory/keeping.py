"""Keeps true what the directory says of one server: which names are its, and what it carries."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from dbhandler.directory.directory import Directory
from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.standing import Standing
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.engine.sql import SYSTEM_SCHEMAS, Statement
from dbhandler.errors import DbHandlerError
from dbhandler.log import shown
from dbhandler.requests.box import fingerprint
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two looks at the server."""
FULL_INTERVAL = 60.0
"""Seconds after which everything is compared and told again, changed or not; so often sizes are measured."""
UNMADE = 60
"""Seconds after which a name without a database is given up, once it was taken: the database was dropped."""
MOST_TOLD = 5
"""Names that a log line has room for."""

_BYTES = Statement(
    "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES "  # noqa: S608
    f"WHERE LOWER(TABLE_SCHEMA) NOT IN {SYSTEM_SCHEMAS}"
)
_CONNECTIONS = Statement("SHOW GLOBAL STATUS LIKE 'Threads_connected'")


class Keeping:
    """One look after another at the server, on a connection of its own.

    begin says who this server is, max_bytes how much its tables may take before it gets no new database (0: no limit);
    was are the fingerprints of the keys that its data were served with before; serves says whether it is ready; prepare
    makes the directory itself, where it is here; others are the databases that are here and another server's, because
    they move. `reached`: the last look went well.
    """

    def __init__(
        self,
        server: Server,
        link: DirectoryLink,
        begin: Callable[[], Standing],
        was: Callable[[], Collection[str]],
        max_bytes: int,
        serves: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        prepare: Callable[[], None] = lambda: None,
        others: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._prepare, self._others = prepare, others
        self._server, self._link, self._begin, self._was = server, link, begin, was
        self._max_bytes, self._serves, self._clock = max_bytes, serves, clock
        self._complaint, self._difference = Complaint(logger.warning), Complaint(logger.error)
        self._doubles = frozenset[str]()
        self._names: frozenset[str] | None = None
        self._told: Standing | None = None
        self._next_full = self._next_size = 0.0
        self._bytes = 0
        self.reached = False

    def standing(self) -> Standing:
        """How this server stands, as it was seen last; of others' threads, too."""
        return self._told or self._begin()

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(INTERVAL)
        self._server.close()
        self._link.close()

    def look(self) -> None:
        """Tells the directory what has changed; logs a failure once, until it changes."""
        if not self._serves():
            return
        try:
            self._look()
        except DbHandlerError as error:
            self._complaint.say(str(error))
            self._names, self.reached = None, False
        else:
            self._complaint.say("")
            self.reached = True

    def _look(self) -> None:
        is_full = self._clock() >= self._next_full or self._names is None
        names = frozenset(str(name) for (name,) in self._server.execute(sql.databases())) - set(self._others())
        if is_full:
            self._prepare()
        if self._clock() >= self._next_size:
            # Slow where there are many tables, and so not once for each try while the directory is away.
            [(size,)] = self._server.execute(_BYTES)
            self._bytes, self._next_size = int(str(size)), self._clock() + FULL_INTERVAL
        standing = self._measured(len(names))
        if is_full or names != self._names or _differs(standing, self._told):
            self._link.ask(lambda directory: self._tell(directory, standing, names, is_full))
            self._names, self._told = names, standing
        if is_full:
            self._next_full = self._clock() + FULL_INTERVAL

    def _measured(self, number: int) -> Standing:
        [(_, connections)] = self._server.execute(_CONNECTIONS)
        most = self._max_bytes
        full = f"holds {self._bytes} bytes and allows {most} (DBHANDLER_MAX_BYTES)" if 0 < most <= self._bytes else ""
        return replace(
            self._begin(), names=number, bytes=self._bytes, connections=int(str(connections)), full=full
        )  # fmt: skip

    def _tell(self, directory: Directory, standing: Standing, names: frozenset[str], is_full: bool) -> None:
        own = standing.server
        if is_full:
            self._inherit(directory, own)
        new = names if is_full else names - (self._names or frozenset())
        doubles = directory.fill(new, own) | (self._doubles & (names - new))
        if is_full or doubles != self._doubles:
            self._note_doubles(directory, own, doubles)
        listed = frozenset(directory.names_of(own))
        directory.release(listed - names, own, UNMADE)
        # What is claimed and not made yet counts, too.
        directory.tell(replace(standing, names=len(listed | names)))

    def _inherit(self, directory: Directory, own: str) -> None:
        was = set(self._was())
        for other in directory.standings():
            if other.server != own and fingerprint(other.server) in was:
                directory.inherit(other.server, own)
                logger.info("what the directory says of %s is this server's now", shown(other.node))

    def _note_doubles(self, directory: Directory, own: str, doubles: frozenset[str]) -> None:
        directory.note_doubles(doubles, own)
        self._doubles = doubles
        told = ", ".join(map(shown, sorted(doubles)[:MOST_TOLD]))
        more = f" and {len(doubles) - MOST_TOLD} more" if len(doubles) > MOST_TOLD else ""
        self._difference.say(
            f"the directory knows other servers for databases that are here, too: {told}{more} "
            "(dbhandler-pool check tells which)" if doubles else ""
        )  # fmt: skip


def _differs(standing: Standing, told: Standing | None) -> bool:
    """Is it worth telling: another word, or a figure that is another by a tenth?"""
    if told is None or replace(standing, names=0, connections=0) != replace(told, names=0, connections=0):
        return True
    return abs(standing.connections - told.connections) * 10 > told.connections + 20
