"""The agent's loop: one thing at a time, and nobody waits for more than one thing of somebody else's."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler.agent.drain import SpoolDrain
from dbhandler.agent.queries import Queries
from dbhandler.agent.watch import ServerWatch
from dbhandler.spool import MAX_PAYLOAD

logger = logging.getLogger(__name__)

HANDOVER_TIMEOUT = 1.0
"""Seconds for a local process to hand over its query; it sends it in one go."""


class Agent:
    """The loop: a query, then one name from each spool, then a look at the server."""

    def __init__(
        self, drains: Sequence[SpoolDrain], queries: Queries, watch: ServerWatch, fifo: str, socket_path: str
    ) -> None:
        self._drains, self._queries, self._watch = drains, queries, watch
        self._stopping = False
        self._wake = _open_fifo(fifo)
        self._listener = _listen(socket_path)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, self._drain_pokes)
        self._selector.register(self._listener, selectors.EVENT_READ, self._serve_query)

    def stop(self, *_: object) -> None:
        """Ends `run` after what it is doing; usable as a signal handler."""
        self._stopping = True
        os.write(self._wake, b"\n")

    def run(self) -> None:
        """Works until `stop` is called."""
        while not self._stopping:
            self._watch.look()
            # Every spool has its turn, however full another is.
            busy = sum(drain.step() for drain in self._drains) > 0
            wait = 0 if busy else min(self._watch.interval, *(drain.wait() for drain in self._drains))
            for key, _ in self._selector.select(wait):
                key.data()

    def _drain_pokes(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 65536)

    def _serve_query(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            try:
                name, _, payload = _read_all(connection).partition(b"\n")
                connection.settimeout(HANDOVER_TIMEOUT)
                connection.sendall(self._queries.answer(name.decode("ascii", "replace"), payload))
            except OSError as error:
                logger.warning("a query went away before its answer: %s", error)


def _read_all(connection: socket.socket) -> bytes:
    chunks, room, end = [], MAX_PAYLOAD + 256, time.monotonic() + HANDOVER_TIMEOUT
    while room > 0:
        # For all of it: who drips a byte now and then must not hold the others up.
        if (left := end - time.monotonic()) <= 0:
            raise TimeoutError("it takes too long")
        connection.settimeout(left)
        if not (chunk := connection.recv(room)):
            break
        chunks.append(chunk)
        room -= len(chunk)
    return b"".join(chunks)


def _open_fifo(path: str) -> int:
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    # Open for writing too, so that the last writer's end is never an end of file.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _listen(path: str) -> socket.socket:
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o600)
    listener.listen(64)
    return listener
