"""What the agent knows of the server right now, and says of it in the node's Serf tags."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbhandler import sql
from dbhandler.errors import DbHandlerError
from dbhandler.server import Server

logger = logging.getLogger(__name__)

INTERVAL, EAGER_INTERVAL = 1.0, 0.2
"""Seconds between two looks: at a server that is ready, at one that is not."""

STARTING, READY, DOWN = "starting", "ready", "down"


@dataclass(frozen=True)
class Facts:
    """What a server says of itself."""

    version: str
    port: int


class ServerWatch:
    """Looks at the server from time to time; `state` is starting (until it has been ready once), ready or down.

    initialised says whether this start's accounts have been made: no server is ready before. Only `tags` may be
    called from another thread.
    """

    def __init__(
        self, server: Server, engine: str, initialised: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._server, self.engine, self._initialised, self._clock = server, engine, initialised, clock
        self._next_look = 0.0
        self._facts: Facts | None = None
        self.state = STARTING

    @property
    def port(self) -> int | None:
        """The server's TCP port, None before the first contact."""
        return self._facts.port if self._facts else None

    @property
    def version(self) -> str | None:
        """The server's version as it says it, None before the first contact."""
        return self._facts.version if self._facts else None

    @property
    def interval(self) -> float:
        """Seconds until the next look is due after the last."""
        return INTERVAL if self.state == READY else EAGER_INTERVAL

    def look(self) -> None:
        """Asks the server how it is, unless it was asked a moment ago."""
        if self._clock() < self._next_look:
            return
        state = self._ask()
        if state != self.state:
            logger.info("the database server is %s", state)
            self.state = state
        self._next_look = self._clock() + self.interval

    def tags(self) -> Mapping[str, str]:
        """The Serf tags that are true now."""
        tags = {"mysql": self.state, "engine": self.engine}
        if facts := self._facts:
            tags |= {"version": facts.version, "port": str(facts.port)}
        return tags

    def _ask(self) -> str:
        try:
            [(version, port)] = self._server.execute(sql.server_facts())
        except DbHandlerError:
            return STARTING if self.state == STARTING else DOWN
        self._facts = Facts(str(version).partition(" ")[0], int(str(port)))
        return READY if self._initialised() else STARTING
