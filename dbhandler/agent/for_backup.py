"""What a backup needs of this server, made before the server is ready: an account that reads, and the server's key in
its data."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import told

logger = logging.getLogger(__name__)

TRIES = 3
"""A lock, or another node that does the same, passes. A server that may not be written to (a replica) stays so."""


class ForBackup:
    """Each of `parts` makes one thing as it should be, and may raise DbHandlerError."""

    def __init__(self, parts: Sequence[Callable[[], None]]) -> None:
        self._parts = tuple(parts)

    def look(self) -> None:
        """Makes everything as it should be. What cannot be made is told: applications are served all the same."""
        for part in self._parts:
            try:
                _tried(part)
            except DbHandlerError as error:
                logger.error("this server is not ready for a backup: %s", told(error))


def _tried(part: Callable[[], None]) -> None:
    for _ in range(TRIES - 1):
        try:
            return part()
        except Unavailable:
            continue
    return part()


def end_once(happened: Callable[[], bool], end: Callable[[], None], stop: threading.Event) -> None:
    """Calls `end` once that has happened. To be a thread: the agent of a server that was restored begins anew, as who
    that server was."""
    while not stop.wait(0.5):
        if happened():
            end()
            break
