"""One log line per request, but no flood of them: of refusals beyond a measure only the number is told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dbhandler.log import shown
from dbhandler.provision import Outcome

logger = logging.getLogger(__name__)

BURST, WINDOW = 50, 10.0
"""Refusals told in full within so many seconds."""


class OutcomeLog:
    """Writes what became of requests; counts the refusals of a window and tells the rest as a number."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._began = clock, clock()
        self._refused = 0

    def write(self, origin: str, outcome: Outcome, milliseconds: float) -> None:
        """Logs one outcome: what was asked, what happened, how long it took."""
        self.flush()
        if outcome.status in ("invalid", "denied"):
            self._refused += 1
            if self._refused > BURST:
                return
        _log(origin, outcome, milliseconds)

    def flush(self) -> None:
        """Ends the window when its time is over; tells how many refusals it has kept back."""
        if self._clock() - self._began < WINDOW:
            return
        if self._refused > BURST:
            logger.warning("%d more requests were refused within %.0f s", self._refused - BURST, WINDOW)
        self._began, self._refused = self._clock(), 0


def _log(origin: str, outcome: Outcome, milliseconds: float) -> None:
    level = logging.ERROR if outcome.status == "failed" else logging.WARNING if outcome.reason else logging.INFO
    name = shown(outcome.database) + " " if outcome.database is not None else ""
    user = f" for account {shown(outcome.user)}" if outcome.user else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    fields = {"origin": origin.rstrip(":"), **vars(outcome), "milliseconds": round(milliseconds, 1)}
    extra = {"fields": {key: value for key, value in fields.items() if value is not None}}
    logger.log(level, "%s %s%s%s in %.1f ms%s", origin, name, outcome.status, user, milliseconds, reason, extra=extra)
