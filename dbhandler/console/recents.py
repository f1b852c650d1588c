"""What servers were asked for and what they refused, as it comes: for who has the pool's secret."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from dbhandler.requests.question import new_nonce
from dbhandler.requests.recent import Asked, heard, question
from dbhandler.requests.vocabulary import Query
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from dbhandler.trust.safe import Safe

TIMEOUT = 2.0
"""Seconds for an answer."""
MOST, MOST_SERVERS, ROUNDS = 50, 64, 6
"""Requests that are kept of a server, servers of which they are, and questions to one at a time."""


class Recents:
    """Of the pool whose secrets these are the safe's. For one thread."""

    def __init__(self, safe: Safe) -> None:
        self._safe = safe
        self._known: OrderedDict[str, list[Asked]] = OrderedDict()

    def look(self, serf: Serf, member: Member) -> Sequence[Asked]:
        """The last requests of a server, the newest first; what was known before where it does not answer. Raises
        Unavailable or Denied as the Serf agent does."""
        known = self._known.pop(member.name, [])
        for _ in range(ROUNDS):
            if not (more := self._asked(serf, member.name, known[-1].number if known else 0)):
                break
            known = [*known, *more][-MOST:]
        self._known[member.name] = known
        while len(self._known) > MOST_SERVERS:
            self._known.popitem(last=False)
        return known[::-1]

    def _asked(self, serf: Serf, node: str, after: int) -> list[Asked]:
        word = new_nonce()
        for name, line in serf.query(Query.RECENT, question(word, after), TIMEOUT, nodes=[node]):
            # An agent of before says something else, and so does whoever answers under this name.
            with suppress(ValueError):
                if name == node:
                    return [one for one in heard(line, word, self._safe) if one.number > after]
        return []
