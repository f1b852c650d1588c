"""The source's side of moves: lets nobody write when the target is near, in again when it was given up, and keeps for a
while what is another server's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.move import OPEN, Move, Step
from dbhandler.directory.standing import by_identity
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown
from dbhandler.moving.belongings import Receiving, belongings
from dbhandler.moving.each import each
from dbhandler.moving.holding import position_of
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.eviction import Eviction
from dbhandler.provisioning.move_table import COMING, GONE, STOPPED, Marker, MoveTable
from dbhandler.provisioning.names import Names
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

INTERVAL, COPIED, SOON = 2.0, 0.3, 0.05
"""Seconds between two looks, while something is copied from here, and while a target is near."""
GRACE = 1.5
"""Seconds between the word that a database goes and the moment from which nobody writes: within them every proxy has
asked."""
MOST_STOPPED = 10
"""Seconds for which nobody writes, at most: a target that has not switched by then has failed."""
_NEAR = (Step.FOLLOWING, Step.STOPPING, Step.STOPPED)


class Giving:
    """For one server, on a connection that nobody else uses. own is its identity in the directory."""

    def __init__(
        self,
        server: Server,
        link: DirectoryLink,
        receiving: Receiving,
        own: Callable[[], str],
        serves: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._server, self._link, self._receiving, self._own, self._serves = server, link, receiving, own, serves
        self._table, self._eviction = MoveTable(server), Eviction(server, server.engine)
        self._accounts, self._names = AccountTable(server), Names(server)
        self._complaint = Complaint(logger.warning)
        self.still: int | None = None
        """Seconds since the last progress of all that is to move from here; None while nothing is."""

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        wait = INTERVAL
        while not stop.wait(wait):
            wait = self.look() if self._serves() else INTERVAL

    def look(self) -> float:
        """Does what is to be done; returns after how many seconds to look again. Tells a failure once, until it
        changes."""
        try:
            wait = self._look()
        except DbHandlerError as error:
            self._complaint.say(f"moves wait: {error}")
            return INTERVAL
        self._complaint.say("")
        return wait

    def _look(self) -> float:
        own = self._own()
        found = self._link.ask(lambda directory: directory.moves.of_server(own))
        rows = [move for move in found if move.source == own]
        self.still = min((min(move.age, move.beat) for move in rows if move.step in OPEN), default=None)
        markers = {marker.name: marker for marker in self._table.all()}
        work = [partial(self._tidy, marker, [move for move in found if move.name == name])
                for name, marker in markers.items()]  # fmt: skip
        each([*work, *(partial(self._settle, move, markers.get(move.name)) for move in rows)])
        if any(move.step in _NEAR for move in rows) or any(marker.side == STOPPED for marker in markers.values()):
            return SOON
        return COPIED if any(move.step is Step.COPYING for move in rows) else INTERVAL

    def _tidy(self, marker: Marker, moves: Sequence[Move]) -> None:
        """Ends what was noted of a move that is not under way any more; moves has what else is of that name."""
        if marker.side == STOPPED and not any(_keeps_stopped(move, marker) for move in moves):
            if self._is_anothers(marker.name):
                self._gone(marker)
            else:
                self._let_in(marker)
        elif marker.side == GONE and not moves and self._is_anothers(marker.name):
            self._remove(marker)

    def _is_anothers(self, name: str) -> bool:
        holder = self._link.ask(lambda directory: directory.holder(name))
        return holder is not None and holder.server != self._own()

    def _settle(self, move: Move, marker: Marker | None) -> None:
        match move.step:
            case Step.STOPPING:
                self._stop(move)
            case Step.STOPPED if move.age > MOST_STOPPED:
                why = f"the other server has not switched within {MOST_STOPPED} s"
                self._link.ask(lambda directory: directory.moves.cancel(move, why, False))
            case Step.SWITCHED:
                self._keep(move, marker)

    def _stop(self, move: Move) -> None:
        """Nobody writes from here on, and nobody is let in."""
        goods = belongings(self._server, move.name)
        pattern = self._names.pattern(move.name)
        before = self._taken_before(move.name)
        taken = {
            user: tuple(dict.fromkeys((*before.get(user, ()), *self._eviction.takes(user, pattern))))
            for user in goods.users
        }
        self._table.put(Marker(move.name, STOPPED, move.attempt, self._name_of(move), {"taken": taken}))
        # Who reads where the database is hears of it, and holds what comes; what runs comes to an end.
        self._sleep(GRACE)
        for user, privileges in taken.items():
            self._eviction.shut_out(user, privileges, pattern)
        for user in taken:
            self._eviction.end_sessions(user)
        if belongings(self._server, move.name).users != goods.users:
            raise Unavailable(f"{shown(move.name)} was given an account just now: it is looked at again")
        position = position_of(self._server)
        if self._link.ask(lambda directory: directory.moves.stopped(move, position)):
            logger.info("nobody writes to %s: it moves to %s", shown(move.name), shown(self._name_of(move)))

    def _taken_before(self, name: str) -> Mapping[str, Sequence[str]]:
        """What a stop that was cut short has taken: that stands there alone."""
        marker = self._table.of(name)
        if marker is not None and marker.side == COMING:
            raise Unavailable(f"{shown(name)} has come here just now, and is to be opened first")
        return marker.kept["taken"] if marker is not None and marker.side == STOPPED else {}

    def _let_in(self, marker: Marker) -> None:
        """Undoes a stop."""
        pattern = self._names.pattern(marker.name)
        for user, taken in marker.kept.get("taken", {}).items():
            self._eviction.let_in(user, tuple(taken), pattern)
        self._table.forget(marker.name)
        logger.warning("%s has not moved: all is as before", shown(marker.name))

    def _keep(self, move: Move, marker: Marker | None) -> None:
        """What is here is another server's now: for as long as was asked it is kept, then removed."""
        if marker is None:
            # There is nothing to be kept.
            self._link.ask(lambda directory: directory.moves.step(move, Step.DONE, "", (Step.SWITCHED,)))
            return
        if marker.side == STOPPED:
            marker = self._gone(marker)
        if marker.side == GONE and move.age >= move.keep:
            self._remove(marker)
            self._link.ask(lambda directory: directory.moves.step(move, Step.DONE, "", (Step.SWITCHED,)))

    def _gone(self, marker: Marker) -> Marker:
        gone = replace(marker, side=GONE, kept={"users": list(marker.kept.get("taken", {}))})
        self._table.put(gone)
        # Nothing of it ends here any more: the other server has the same rows.
        self._accounts.forget_all(marker.name)
        return gone

    def _remove(self, marker: Marker) -> None:
        self._receiving.remove(marker.name, [str(user) for user in marker.kept.get("users", [])])
        self._table.forget(marker.name)
        logger.info("what was here of %s, which has moved to %s, is removed", shown(marker.name), shown(marker.node))

    def _name_of(self, move: Move) -> str:
        member = by_identity(self._link.believed()).get(move.target)
        return member.name if member else move.target[:16]


def _keeps_stopped(move: Move, marker: Marker) -> bool:
    return (
        move.name == marker.name
        and move.attempt == marker.attempt
        and move.step in (Step.STOPPING, Step.STOPPED, Step.SWITCHED)
    )
