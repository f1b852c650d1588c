"""Where one database is: asked of the server that has it, of the others where that one does not say so any more.

Only the server itself says that it has the database, and whether it lets anybody in; what another one says of it is the
way there, no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dbhandler.client.discovery import who_has_it
from dbhandler.client.servers import any_ready, distinct_servers
from dbhandler.errors import TryLater
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.requests.weight import weight
from dbhandler.serf.members import Member, named
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag

ANSWER_TIMEOUT = 1.0
"""Seconds for one question: what is not answered by then is asked again."""
MOST_HOPS = 3
"""Servers that are asked one after another, because the one before has named them."""


@dataclass(frozen=True)
class Found:
    """The server (one of its nodes) whose the database is. is_sure: it has said so itself; moving: it lets nobody in at
    this moment."""

    server: Member
    is_sure: bool
    moving: bool = False


class Finder:
    """Looks for one database, again and again, on the servers of these pools (on any where none is named)."""

    def __init__(self, database: str, pools: Collection[str]) -> None:
        self._database, self._pools = database, pools
        self._known: str | None = None
        self._silent: set[str] = set()

    def find(self, serf: Serf, members: Sequence[Member]) -> Found | None:
        """Where it is, of members that are believed; None where nobody has it. Raises TryLater where nobody says so for
        sure, Unavailable or Denied as Serf does."""
        asked, named_server = self._first(members), None
        self._known = None
        for _ in range(MOST_HOPS):
            told = self._ask(serf, asked)
            if holder := self._best(node for node, answer in told if answer.status == Status.EXISTS):
                self._known = holder.identity
                return Found(holder, True, any(answer.moving for node, answer in told if node == holder))
            if (server := _placed(members, told)) is None:
                return self._unplaced(asked, told, named_server)
            named_server, node = server, any_ready(members, server, ())
            asked = [node] if node else []
        return self._unplaced(asked, [], named_server)

    def _first(self, members: Sequence[Member]) -> list[Member]:
        """Whom to ask: the server that has had it, else one that knows of the directory, else all."""
        ready = [node for server in distinct_servers(members) if (node := any_ready(members, server, ()))]
        if known := [node for node in ready if node.identity == self._known]:
            return known
        knowing = [node for node in ready if Tag.DIRECTORY in node.tags]
        if not (untried := [node for node in knowing if node.name not in self._silent]):
            self._silent, untried = set(), knowing
        return [best] if (best := self._best(untried)) else ready

    def _best(self, nodes: Iterable[Member]) -> Member | None:
        # As applications choose, so that whoever asks gets the same.
        return max(nodes, key=lambda node: weight(str(node.identity), self._database), default=None)

    def _ask(self, serf: Serf, nodes: Sequence[Member]) -> Sequence[tuple[Member, Answer]]:
        if not nodes:
            return []
        waiting = {node.name: node for node in nodes}
        told = [*who_has_it(serf, waiting, self._database, self._pools, ANSWER_TIMEOUT, Query.WHERE)]
        # Whoever has not answered is not asked again before the others are.
        self._silent = {*self._silent, *waiting} if waiting else set()
        return told

    def _unplaced(
        self, asked: Sequence[Member], told: Sequence[tuple[Member, Answer]], server: Member | None
    ) -> Found | None:
        """What is known when nobody of those who were asked last has it, or names another one; server is the one that
        was named before."""
        if server is not None:
            return Found(server, False)
        if silent := [node for node in asked if node not in [one for one, _ in told]]:
            raise TryLater(f"{', '.join(shown(node.name) for node in silent)} did not say where it is")
        if not asked:
            raise TryLater("no server of the pool is ready")
        return None


def _placed(members: Sequence[Member], told: Sequence[tuple[Member, Answer]]) -> Member | None:
    """The server that one of the answers names. Raises TryLater where that is nobody who is believed."""
    name = next((answer.server for _, answer in told if answer.status == Status.PLACED and answer.server), None)
    if name is None:
        return None
    server = named(members, name)
    if server is None or not server.is_database:
        raise TryLater(f"the server {shown(name)}, which has it, is not in the Serf cluster, or not believed")
    return server
