"""The agent's loop: one thing at a time, and nobody waits for more than one thing of somebody else's."""

from __future__ import annotations

import logging
import os
import selectors
from collections.abc import Sequence
from contextlib import suppress

from dbhandler.agent.drain import SpoolDrain
from dbhandler.agent.queries import Queries
from dbhandler.agent.watch import ServerWatch
from dbhandler.requests import door

logger = logging.getLogger(__name__)


class Agent:
    """The loop: a query, then one name from each spool, then a look at the server."""

    def __init__(
        self, drains: Sequence[SpoolDrain], queries: Queries, watch: ServerWatch, fifo: str, socket_path: str
    ) -> None:
        self._drains, self._queries, self._watch = drains, queries, watch
        self._stopping = False
        self._wake = _open_fifo(fifo)
        self._listener = door.listen(socket_path)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, self._drain_pokes)
        self._selector.register(self._listener, selectors.EVENT_READ, self._serve_query)

    def stop(self, *_: object) -> None:
        """Ends `run` after what it is doing; usable as a signal handler."""
        self._stopping = True
        os.write(self._wake, b"\n")

    def run(self) -> None:
        """Works until `stop` is called, or the sessions that are open may write and are not to any more: all of them,
        also those of other threads, are opened anew by the next agent."""
        while not self._stopping:
            self._watch.look()
            if self._watch.outdated:
                logger.info("nobody is to write to this server any more (read_only): beginning anew")
                return
            # Every spool has its turn, however full another is.
            busy = sum(drain.step() for drain in self._drains) > 0
            wait = 0 if busy else min(self._watch.interval, *(drain.wait() for drain in self._drains))
            for key, _ in self._selector.select(wait):
                key.data()

    def _drain_pokes(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 65536)

    def _serve_query(self) -> None:
        door.serve_one(self._listener, self._queries.answer)


def _open_fifo(path: str) -> int:
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    # Open for writing too, so that the last writer's end is never an end of file.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)
