"""What the agent knows of the server right now, and says of it in the node's Serf tags."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dbhandler.engine import group_sql, sql
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, Resting
from dbhandler.requests.vocabulary import ServerState
from dbhandler.serf.tags import Role, Tag

logger = logging.getLogger(__name__)

COUNT_INTERVAL = 15.0
"""Seconds between two counts of the databases, for who wants them counted."""

_REPLICA = "this server is a replica that nobody is to write to (read_only): ask its source"
_READ_ONLY = "nobody is to write to this server (read_only)"

INTERVAL, EAGER_INTERVAL = 1.0, 0.2
"""Seconds between two looks: at a server that is ready, at one that is not."""


@dataclass(frozen=True)
class Facts:
    """What a server says of itself."""

    version: str
    port: int


class ServerWatch:
    """Looks at the server from time to time; `state` is starting (until it has been ready once), ready, down, or
    replica: what it holds is another server's, and it is not written to.

    initialised says whether this start's accounts have been made: no server is ready before. `reason` says why it is
    not ready. `note` is told the reason whenever a server that was ready is down, unless it only rests. `databases` is
    their number while `counting` is set, None while it is unknown. check raises DbHandlerError while the server must
    not serve; prepare is called before it is ready. Only `tags`, and reading `databases`, is for other threads, too.
    """

    def __init__(
        self,
        server: Server,
        engine: str,
        initialised: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[str], None] | None = None,
        counting: bool = False,
        check: Callable[[], None] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._check, self._prepare = check, prepare
        self._server, self.engine, self._initialised, self._clock = server, engine, initialised, clock
        self._note, self._counting = note, counting
        self._next_look = self._next_count = 0.0
        self._facts: Facts | None = None
        self.state = ServerState.STARTING
        self._rests = False
        self._read_only: object = None
        self.outdated = False
        """Has the owner kept this server from being written to? Sessions that were opened before would write to it.
        Those that may not yet, when they may again, end at the first refusal (1792)."""
        self.reason: str | None = None
        self.databases: int | None = None

    @property
    def port(self) -> int | None:
        """The server's TCP port, None before the first contact."""
        return self._facts.port if self._facts else None

    @property
    def version(self) -> str | None:
        """The server's version as it says it, None before the first contact."""
        return self._facts.version if self._facts else None

    @property
    def is_replica(self) -> bool:
        """Are requests another server's to carry out?"""
        return self.state == ServerState.REPLICA

    @property
    def interval(self) -> float:
        """Seconds until the next look is due after the last."""
        return INTERVAL if self.state in (ServerState.READY, ServerState.REPLICA) else EAGER_INTERVAL

    def look(self) -> None:
        """Asks the server how it is, unless it was asked a moment ago."""
        if self._clock() < self._next_look:
            return
        state = self._ask()
        if state != self.state:
            # The end of a start is dbhandler-admin's to tell, as the last line of it.
            if self.state != ServerState.STARTING:
                logger.info("the database server is %s", state)
            self.state = state
            if state == ServerState.DOWN and self._note and not self._rests:
                self._note(self.reason or "")
        if self._counting:
            self._count()
        self._next_look = self._clock() + self.interval

    def tags(self) -> Mapping[str, str]:
        """The Serf tags that are true now."""
        tags: dict[str, str] = {Tag.MYSQL: self.state, Tag.ENGINE: self.engine}
        if self.is_replica:
            tags[Tag.ROLE] = Role.REPLICA
        if facts := self._facts:
            tags |= {Tag.VERSION: facts.version, Tag.PORT: str(facts.port)}
        return tags

    def _ask(self) -> ServerState:
        try:
            if self._check:
                self._check()
            [(version, port, read_only)] = self._server.execute(sql.server_facts())
            self._facts = Facts(str(version).partition(" ")[0], int(str(port)))
            self.outdated = bool(read_only) and self._read_only == 0
            self._read_only = read_only
            if read_only:
                return self._not_written_to()
            ready = self._initialised()
            if self._prepare and ready and self.state != ServerState.READY:
                self._prepare()
        except DbHandlerError as error:
            self.reason, self._rests = str(error), isinstance(error, Resting)
            return ServerState.STARTING if self.state == ServerState.STARTING else ServerState.DOWN
        self.reason = None if ready else "its accounts have not been made yet"
        return ServerState.READY if ready else ServerState.STARTING

    def _not_written_to(self) -> ServerState:
        """A server that its owner keeps from being written to: a replica, or one whose databases are missed then."""
        if self._server.execute(group_sql.sources(self.engine)):
            self.reason = _REPLICA
            return ServerState.REPLICA
        raise Resting(_READ_ONLY)

    def _count(self) -> None:
        if self.state != ServerState.READY:
            self.databases = None
        elif self._clock() >= self._next_count:
            with suppress(DbHandlerError):
                self.databases = len(self._server.execute(sql.databases()))
            self._next_count = self._clock() + COUNT_INTERVAL
