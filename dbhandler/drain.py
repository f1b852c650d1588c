"""From the spool to the worker: one event after another, in order of arrival, until each has been handled."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from dbhandler.errors import Unavailable
from dbhandler.queries import Worker
from dbhandler.spool import Entry, Spool

logger = logging.getLogger(__name__)

IDLE_WAIT = 1.0
"""Seconds between two looks at the spool when nobody pokes."""
RETRY_FIRST, RETRY_MOST = 0.1, 5.0
"""Seconds before the spool is tried again while the server is away; doubled each time."""


class SpoolDrain:
    """Takes events from the spool one by one; waits longer and longer while the server is away."""

    def __init__(self, spool: Spool, worker: Worker, clock: Callable[[], float] = time.monotonic) -> None:
        self._spool, self._worker, self._clock = spool, worker, clock
        self._entries: deque[Entry] = deque()
        self._not_before, self._delay = 0.0, RETRY_FIRST

    def step(self) -> bool:
        """Handles one entry; False when there is none or the server is away."""
        if self._clock() < self._not_before:
            return False
        try:
            if not self._entries:
                self._entries.extend(self._spool.entries())
            if not self._entries:
                self._worker.idle()
                return False
            self._handle(self._entries[0])
        except (Unavailable, OSError) as error:
            self._postpone(error)
            return False
        self._entries.popleft()
        self._delay = RETRY_FIRST
        return True

    def wait(self) -> float:
        """Seconds until the next step makes sense, if nothing happens before."""
        return min(IDLE_WAIT, max(0.0, self._not_before - self._clock()) or IDLE_WAIT)

    def _handle(self, entry: Entry) -> None:
        try:
            payload = self._spool.read(entry)
        except FileNotFoundError:
            return
        except PermissionError:
            self._set_aside(entry, "cannot be read")
            return
        try:
            self._worker.create(payload, f"event {entry.event} #{entry.ltime}:", entry.ltime)
        except (Unavailable, OSError):
            raise
        except Exception as error:
            # One event that trips over a defect of ours must not hold up all others.
            self._set_aside(entry, f"failed ({type(error).__name__})")
        else:
            self._spool.remove(entry)

    def _set_aside(self, entry: Entry, why: str) -> None:
        where = self._spool.set_aside(entry)
        logger.error("event %s %s, set aside as %s", entry.name, why, where)

    def _postpone(self, error: Exception) -> None:
        if self._delay == RETRY_FIRST:
            logger.warning("%d event(s) wait: %s", len(self._entries), error)
        self._not_before = self._clock() + self._delay
        self._delay = min(self._delay * 2, RETRY_MOST)
