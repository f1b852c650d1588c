"""The requests that this server had last, in memory, for who has the pool's secret and asks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from dbhandler.audit.record import Audit, Entry
from dbhandler.audit.trail import trail_of
from dbhandler.errors import InvalidRequest
from dbhandler.requests import recent
from dbhandler.requests.recent import Asked
from dbhandler.settings.config import Config
from dbhandler.trust.safe import Safe

MOST = 50
"""That are remembered."""


class Recent:
    """To be told what its trail is, which is told as before. safe closes the answers; without one there are none. clock
    says the seconds since 1970. Any thread may tell or ask."""

    def __init__(self, audit: Audit, safe: Safe | None, clock: Callable[[], float] = time.time) -> None:
        self.trail, self._safe, self._clock = audit, safe, clock
        self._known: deque[Asked] = deque(maxlen=MOST)
        self._last, self._lock = 0, threading.Lock()

    def __call__(self, entry: Entry) -> None:
        self.trail(entry)
        now = self._clock()
        with self._lock:
            # By the time: whoever asks after a restart has a number of before.
            self._last = max(self._last + 1, int(now * 1000))
            self._known.append(Asked(
                self._last, int(now), entry.operation, entry.outcome, entry.database or "", entry.reason or ""
            ))  # fmt: skip

    def answer(self, payload: bytes) -> bytes:
        """What came after what the asker knows. Raises InvalidRequest."""
        if self._safe is None:
            raise InvalidRequest("this server has no pool's secret, so nobody could read what it was asked for")
        try:
            with self._lock:
                known = list(self._known)
            return recent.told(payload, known, self._safe)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error


def recent_of(config: Config) -> Recent:
    """Of this server, beside its trail."""
    return Recent(trail_of(config), Safe(config.pool_secrets) if config.pool_secrets else None)


def nobody(_payload: bytes) -> bytes:
    """Tells nothing."""
    raise InvalidRequest("this agent remembers no requests")
