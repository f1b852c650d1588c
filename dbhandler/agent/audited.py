"""What the audit trail is told of requests: what has changed, what was refused, and what may have been done."""

from __future__ import annotations

from contextlib import AbstractContextManager

from dbhandler.audit.record import Audit, Entry
from dbhandler.audit.under_way import UNKNOWN, UnderWay
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.vocabulary import Status

_UNCHANGED = frozenset({
    Status.EXISTS, Status.ABSENT, Status.OK, Status.WORKING, Status.UNAVAILABLE, Status.ELSEWHERE,
    Status.PLACED,
    # The lane tells of it once, when it is done; asked again, that outcome is told again.
    Status.DROPPED,
})  # fmt: skip
_AGAIN = "it was there when it was tried again; the try before, which was cut short, may have made it"
MOST_CUT = 10_000
"""Names that are remembered because a try for them was cut short."""


class Audited:
    """Tells `audit` of requests, and notes in `under_way` what is being carried out."""

    def __init__(self, audit: Audit, under_way: UnderWay) -> None:
        self._audit, self._under_way = audit, under_way
        self._cut = dict[str, None]()

    def begun(self, origin: str, operation: str, name: str) -> AbstractContextManager[None]:
        """Notes what is carried out meanwhile."""
        return self._under_way.noted(Entry(operation, UNKNOWN, name, origin=_asked(origin)))

    def cut_short(self, name: str) -> None:
        """The server went away while it worked on this database: it may have done its work."""
        if len(self._cut) >= MOST_CUT:
            del self._cut[next(iter(self._cut))]
        self._cut[name] = None

    def told(self, origin: str, operation: str, outcome: Outcome) -> None:
        """Tells what became of a request."""
        was_cut = outcome.database in self._cut
        if was_cut:
            del self._cut[str(outcome.database)]
        reason = _AGAIN if was_cut and outcome.status == Status.EXISTS else outcome.reason
        if outcome.status not in _UNCHANGED or reason == _AGAIN:
            self._audit(Entry(
                operation, outcome.status, outcome.database, outcome.user, reason, _asked(origin), outcome.dump
            ))  # fmt: skip

    def left_out(self, number: int) -> None:
        """Tells how many more requests were refused than the trail has lines of: a flood must not fill its volume."""
        self._audit(Entry("requests", "refused", reason=f"{number} more, of which none has a line of its own"))


def _asked(origin: str) -> str:
    return origin.rstrip(":")
