"""The target's side of moves: takes one after another, in a thread of its own, and removes or finishes what a former
run has left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from dbhandler.directory.move import MOST_TRIES, UNDER_WAY, Move, Step
from dbhandler.directory.standing import by_identity
from dbhandler.distant.access import Access
from dbhandler.distant.changes import Changed
from dbhandler.distant.node import node_of
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown, told
from dbhandler.moving import scheduled
from dbhandler.moving.coming import Coming, GivenUp, Here
from dbhandler.moving.each import each
from dbhandler.provisioning.move_table import COMING, STOPPED, Marker, MoveTable
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two looks."""
PAUSE = 5
"""Seconds until a move is tried again, so many times as it was tried."""
LEFT = 120
"""Seconds without a word, after which a node of a cluster is not at a move any more."""


class Taking:
    """For one server. own is its identity in the directory, node its name in its cluster (empty: it is in none)."""

    def __init__(
        self, here: Here, access: Access, own: Callable[[], str], serves: Callable[[], bool], node: str
    ) -> None:
        self._here, self._access, self._own, self._serves, self._node = here, access, own, serves, node
        self._table = MoveTable(here.server)
        self._complaint = Complaint(logger.warning)

    def run(self, stop: threading.Event) -> None:
        """Takes what comes until `stop` is set."""
        has_taken = False
        while not stop.wait(0.0 if has_taken else INTERVAL):
            has_taken = self._serves() and self.look()

    def look(self) -> bool:
        """Finishes and undoes what is to be, then takes one that waits; returns whether there was one. Tells a failure
        once, until it changes."""
        try:
            has_taken = self._look()
        except DbHandlerError as error:
            self._complaint.say(f"moves wait: {error}")
            return False
        self._complaint.say("")
        return has_taken

    def _look(self) -> bool:
        own = self._own()
        rows = [
            move for move in self._here.link.ask(lambda directory: directory.moves.of_server(own)) if move.target == own
        ]
        markers = {marker.name: marker for marker in self._table.all()}
        work = [partial(self._settle, move, markers.get(move.name)) for move in rows]
        names = {move.name for move in rows}
        lost = [marker for marker in markers.values() if marker.side == COMING and marker.name not in names]
        each([*work, *(partial(self._forgotten, marker) for marker in lost)])
        if waiting := next((move for move in rows if _is_due(move)), None):
            self._take(waiting)
        return waiting is not None

    def _settle(self, move: Move, marker: Marker | None) -> None:
        if move.step in UNDER_WAY and self._is_left(move):
            self._give_up(move, "the agent that was at it has ended", is_final=False)
        elif move.step is Step.UNDOING and self._is_ours(move):
            self._undo(move, marker)
        elif move.step is Step.SWITCHED and marker and marker.side == COMING and self._is_ours(move):
            self._finish(marker)

    def _is_left(self, move: Move) -> bool:
        """Is nobody at it? This thread is at one alone, and not while it looks."""
        return move.node == self._node or move.beat > LEFT

    def _is_ours(self, move: Move) -> bool:
        return move.node in (self._node, "") or move.beat > LEFT

    def _take(self, move: Move) -> None:
        if not self._here.link.ask(lambda directory: directory.moves.begin(move, self._node)):
            return
        began = time.monotonic()
        try:
            self._coming(move).carry_out()
        except GivenUp as error:
            logger.warning("the move of %s was given up: %s", shown(move.name), error)
        except DbHandlerError as error:
            self._give_up(move, str(error), is_final=not isinstance(error, (Unavailable, Changed)))
        except Exception as error:
            self._give_up(move, f"a defect ({type(error).__name__}): {told(error)}", is_final=True)
        else:
            logger.info("%s has moved here (%.1f s)", shown(move.name), time.monotonic() - began)
        # Whatever became of it is to be done at once: applications wait.
        self._look_after(move.name)

    def _coming(self, move: Move) -> Coming:
        member = by_identity(self._here.link.believed()).get(move.source)
        if member is None or not member.is_ready:
            raise Unavailable("the server that has it is not ready")
        return Coming(move, self._here, self._access, node_of(member))

    def _look_after(self, name: str) -> None:
        row = self._here.link.ask(lambda directory: directory.moves.of(name))
        if row is not None:
            self._settle(row, self._table.of(name))

    def _give_up(self, move: Move, why: str, is_final: bool) -> None:
        logger.warning("the move of %s was given up: %s", shown(move.name), why)
        self._here.link.ask(lambda directory: directory.moves.cancel(move, why, is_final))
        self._look_after(move.name)

    def _undo(self, move: Move, marker: Marker | None) -> None:
        """Removes what came, and lets the move be tried again or fail."""
        # What was kept for a move back is of no use any more.
        if marker is not None and marker.side != STOPPED:
            self._remove(marker)
        if move.tries < MOST_TRIES:
            self._here.link.ask(lambda directory: directory.moves.again(move))
        else:
            self._here.link.ask(lambda directory: directory.moves.step(move, Step.FAILED, move.why, (Step.UNDOING,)))

    def _remove(self, marker: Marker) -> None:
        self._here.receiving.remove(marker.name, _users(marker))
        self._table.forget(marker.name)

    def _forgotten(self, marker: Marker) -> None:
        """The directory knows nothing of a move that this server has begun: its database is what the name says."""
        holder = self._here.link.ask(lambda directory: directory.holder(marker.name))
        if holder is not None and holder.server == self._own():
            self._finish(marker)
        elif holder is not None or "events" not in marker.kept:
            self._remove(marker)
        # Else it is whole, and may be the only one: it is kept until the name is somebody's.

    def _finish(self, marker: Marker) -> None:
        """The database is this server's: its accounts are let in, its events made."""
        self._here.receiving.open(_users(marker))
        for event in map(scheduled.of_json, marker.kept.get("events", [])):
            try:
                scheduled.make(self._here.server, marker.name, event)
            except DbHandlerError as error:
                logger.error("the event %s of %s was not made: %s", shown(event.name), shown(marker.name), error)
        self._table.forget(marker.name)


def _users(marker: Marker) -> Sequence[str]:
    return [str(user) for user in marker.kept.get("users", [])]


def _is_due(move: Move) -> bool:
    return move.step is Step.WAITING and move.age >= PAUSE * move.tries
