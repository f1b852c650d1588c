"""Whom a failure makes wait: the one request that met it, not all others. Shared by events and queries."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dbhandler.errors import Busy
from dbhandler.log import shown

FIRST, MOST = 0.1, 10.0
"""Seconds before a name is tried again after its first failure; doubled with each further one, up to the second."""
SLOW = 0.5
"""A try that failed after so many seconds waited for something that somebody holds on this name. Until the next one
nobody's request for it is tried; a failure at once costs nothing, and may be the asker's own."""
REMEMBERED = 10_000
"""Names that are remembered at most. Forgetting one costs a try."""


@dataclass(frozen=True)
class _Failure:
    until: float
    pause: float
    was_slow: bool
    reason: str


class Backoff:
    """The names whose last try failed for a reason of their own, and when each may be tried again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, _Failure] = {}

    def check(self, name: str) -> None:
        """Raises Busy while it is too early for another try of `name`."""
        failure = self._failures.get(name)
        if failure and failure.was_slow and (wait := failure.until - self._clock()) > 0:
            raise Busy(f"the request for {shown(name)} could not be carried out a moment ago: {failure.reason}", wait)

    def failed(self, name: str, reason: str, seconds: float) -> Busy:
        """Notes a try that took so many seconds for nothing; returns the error that says when the next may be."""
        last, slow = self._failures.pop(name, None), seconds >= SLOW
        pause = MOST if slow else min(MOST, 2 * last.pause if last else FIRST)
        if len(self._failures) >= REMEMBERED:
            del self._failures[next(iter(self._failures))]
        self._failures[name] = _Failure(self._clock() + pause, pause, slow, reason)
        return Busy(reason, pause)

    def succeeded(self, name: str) -> None:
        """Forgets the failures of a name that has been served."""
        self._failures.pop(name, None)
