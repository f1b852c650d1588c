"""One log line per request, but no flood of them: of refusals and delays beyond a measure only the number is told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from dbhandler.log import shown
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.vocabulary import Status

logger = logging.getLogger(__name__)

BURST, WINDOW = 50, 10.0
"""Refusals, and delays, told in full within so many seconds."""
_REFUSED = "were refused"


class OutcomeLog:
    """Writes what became of requests; counts the refusals and delays of a window and tells the rest as a number.

    left_out is told how many refusals that were.
    """

    def __init__(self, clock: Callable[[], float], left_out: Callable[[int], None] = lambda _: None) -> None:
        self._clock, self._began, self._left_out = clock, clock(), left_out
        self._counts = Counter[str]()

    def write(self, origin: str, outcome: Outcome, milliseconds: float) -> bool:
        """Logs one outcome: what was asked, what happened, how long it took. False where it is only counted."""
        self.flush()
        if outcome.status in (Status.INVALID, Status.DENIED) and not self._has_room(_REFUSED):
            return False
        _log(origin, outcome, milliseconds)
        return True

    def write_delay(self, origin: str, database: str, reason: str) -> None:
        """Logs that a request could not be carried out now, and waits."""
        self.flush()
        if self._has_room("wait"):
            logger.warning("%s %s waits: %s", origin, shown(database), reason)

    def flush(self) -> None:
        """Ends the window when its time is over; tells how many lines it has kept back."""
        if self._clock() - self._began < WINDOW:
            return
        for what, number in self._counts.items():
            if number > BURST:
                logger.warning("%d more requests %s within %.0f s", number - BURST, what, WINDOW)
                if what == _REFUSED:
                    self._left_out(number - BURST)
        self._began, self._counts = self._clock(), Counter()

    def _has_room(self, what: str) -> bool:
        self._counts[what] += 1
        return self._counts[what] <= BURST


def _log(origin: str, outcome: Outcome, milliseconds: float) -> None:
    is_refusal = outcome.reason and outcome.status not in (Status.CREATED, Status.PLACED)
    level = logging.ERROR if outcome.status == Status.FAILED else logging.WARNING if is_refusal else logging.INFO
    name = shown(outcome.database) + " " if outcome.database is not None else ""
    user = f" for account {shown(outcome.user)}" if outcome.user else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    fields = {"origin": origin.rstrip(":"), **vars(outcome), "milliseconds": round(milliseconds, 1)}
    extra = {"fields": {key: value for key, value in fields.items() if value is not None}}
    logger.log(level, "%s %s%s%s in %.1f ms%s", origin, name, outcome.status, user, milliseconds, reason, extra=extra)
