"""The moves in the directory: of two who would take a step in one row, one does."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dbhandler.directory import moves_sql
from dbhandler.directory.move import OPEN, UNDER_WAY, Move, Step
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from dbhandler.log import shown

REMEMBERED = 86400
"""Seconds for which it is told of a move that is over."""


class Moves:
    """The table on the server that holds the directory. Every method raises Unavailable or ServerError when the server
    does."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def all(self) -> list[Move]:
        """All of them, the oldest first."""
        return self._select(moves_sql.select())

    def of(self, name: str) -> Move | None:
        """The one of a name."""
        return next(iter(self._select(moves_sql.of(name))), None)

    def of_server(self, server: str) -> list[Move]:
        """Those in which a server has, or will have, something to do."""
        return self._select(moves_sql.of_server(server))

    def ask(self, move: Move) -> None:
        """Asks for one. Raises Denied where the name has another one that is not over."""
        self._server.execute(moves_sql.forget_old(REMEMBERED))
        self._server.execute(moves_sql.forget_over(move.name))
        former = self.of(move.name)
        if former is not None and former.step is Step.SWITCHED and move.is_back:
            self._server.execute(moves_sql.replace(move, former.attempt))
        else:
            self._server.execute(moves_sql.ask(move))
        present = self.of(move.name)
        if present is None or present.attempt != move.attempt:
            step = present.step if present else "gone"
            raise Denied(f"the database {shown(move.name)} has a move already, which is {step}")

    def begin(self, move: Move, node: str) -> bool:
        """The target's server `node` begins one that waits; False where another one does."""
        present = self._taken(moves_sql.begin(move, node), move, Step.COPYING)
        return present is not None and present.node == node

    def step(self, move: Move, to: Step, why: str = "", since: Sequence[Step] = UNDER_WAY) -> bool:
        """Takes a step, from one of these; False where the move is elsewhere by now."""
        return self._taken(moves_sql.step(move, to, why, since), move, to) is not None

    def cancel(self, move: Move, why: str, is_final: bool) -> bool:
        """Gives one up that is not switched yet; it is tried anew, unless that is final."""
        if is_final:
            self._server.execute(moves_sql.try_no_more(move))
        return self.step(move, Step.UNDOING, why, OPEN)

    def again(self, move: Move) -> None:
        """One that is undone waits for its next try. Who was at the former one, and lives on, takes no step in it."""
        self._server.execute(moves_sql.again(move, os.urandom(8).hex()))

    def stopped(self, move: Move, position: str) -> bool:
        """Nobody writes at the source any more, whose log stands there."""
        return self._taken(moves_sql.stopped(move, position), move, Step.STOPPED) is not None

    def switch(self, move: Move, position: str) -> bool:
        """The name becomes the target's, whose log stands there; False where it was given up before."""
        return self._taken(moves_sql.switch(move, position), move, Step.SWITCHED) is not None

    def progress(self, move: Move, done: int, total: int, why: str) -> None:
        """Says how far the target is, in bytes, and what it does."""
        self._server.execute(moves_sql.progress(move, done, total, why))

    def _taken(self, statement: Statement, move: Move, step: Step) -> Move | None:
        """Runs what takes a step; returns the row where this move is at that step then."""
        self._server.execute(statement)
        present = self.of(move.name)
        return present if present and present.attempt == move.attempt and present.step is step else None

    def _select(self, statement: Statement) -> list[Move]:
        return [_move(row) for row in self._server.execute(statement)]


def _move(row: Sequence[object]) -> Move:
    name, source, target, step, attempt, keep, node, done, total, position, is_back, tries, why, *ages = map(str, row)
    beat, age, ago = map(int, ages)
    return Move(
        name, source, target, Step(step), attempt, int(keep), node, beat, int(done), int(total), position,
        bool(int(is_back)), int(tries), why, age, ago,
    )  # fmt: skip
