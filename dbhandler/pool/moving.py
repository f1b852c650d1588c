"""What the operator asks of the directory about moves: that databases go to other servers, and how far they are."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from dbhandler.directory.directory import Directory
from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.move import OPEN, OVER, Move, Step
from dbhandler.directory.standing import Standing, by_identity
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.log import shown
from dbhandler.pool import moves
from dbhandler.pool.moves import Wish
from dbhandler.requests.where import Where

LOOK = 0.5
"""Seconds between two looks at moves that are waited for."""


class PoolMoves:
    """The moves of one pool. Its methods raise DbHandlerError."""

    def __init__(self, link: DirectoryLink) -> None:
        self._link, self._members = link, by_identity(link.believed())
        self._known = {one.server: one for one in link.ask(lambda directory: directory.standings())}
        self.nodes: Mapping[str, str] = {server: one.node for server, one in self._known.items()}

    def all(self) -> list[Move]:
        """Those that are under way, and for a day those that are over."""
        return self._link.ask(lambda directory: directory.moves.all())

    def move(self, name: str, node: str, keep: int) -> list[str]:
        """Asks for one move; returns the names that move."""
        holder = self._link.ask(lambda directory: directory.holder(name))
        if holder is None:
            raise InvalidRequest(f"there is no database {shown(name)} in the directory")
        target = self._server(node)
        source = self._server(holder.server)
        moves.check(name, source, target)
        if not self._is_ready(target):
            raise Unavailable(f"{shown(node)} is not ready: nothing moves there")
        return self._ask([Wish(name, source, target)], keep)

    def drain(self, node: str, where: Where | None, keep: int) -> list[str]:
        """Keeps new databases from a server, and asks for all of its databases to be moved; returns their names."""
        source = self._server(node)
        self._check_single(source)
        self._link.ask(lambda directory: directory.drain(source.server, True))
        names = self._link.ask(lambda directory: directory.names_of(source.server))
        # Asked for before, and cut short.
        asked = {move.name for move in self.all() if move.step in OPEN and move.source == source.server}
        wanted = replace(where or Where(labels=source.labels), engine=source.engine)
        rest = [name for name in names if name not in asked]
        return sorted(asked) + self._ask(moves.drained(rest, source, self._ready(), wanted), keep)

    def end_drain(self, node: str) -> None:
        """The server gets new databases again; what has moved stays where it is."""
        server = self._server(node).server
        self._link.ask(lambda directory: directory.drain(server, False))

    def rebalance(self, keep: int) -> list[str]:
        """Asks for moves until servers of one kind have about as many databases each; returns the names that move."""
        ready = self._ready()
        names = self._link.ask(lambda directory: {one.server: directory.names_of(one.server) for one in ready})
        busy = {move.name: move.target for move in self.all() if move.step not in OVER}
        free = {server: [name for name in found if name not in busy] for server, found in names.items()}
        single = {one.server for one in ready if not self._is_cluster(one)}
        return self._ask(moves.even(ready, free, single, Counter(busy.values())), keep)

    def cancel(self, name: str) -> None:
        """Gives a move up that is not switched yet."""
        move = self._link.ask(lambda directory: directory.moves.of(name))
        if move is None or move.step not in OPEN:
            raise InvalidRequest(f"nothing moves {shown(name)}{f': that is {move.step}' if move else ''}")
        if not self._link.ask(lambda directory: directory.moves.cancel(move, "the operator has given it up", True)):
            raise Denied(f"{shown(name)} has moved just now")

    def waited(self, names: Sequence[str], tell: Callable[[str], None]) -> int:
        """Waits until all of them have moved, and tells what happens; returns an exit status."""
        told: dict[str, str] = {}
        while True:
            found = {move.name: move for move in self.all() if move.name in names}
            for name, move in found.items():
                line = moves.line(move, self.nodes)
                if told.get(name) != line:
                    tell(line)
                    told[name] = line
            # One that nobody knows any more was forgotten with its server.
            steps = [found[name].step if name in found else Step.FAILED for name in names]
            if all(step in (*OVER, Step.SWITCHED) for step in steps):
                return os.EX_UNAVAILABLE if Step.FAILED in steps else os.EX_OK
            time.sleep(LOOK)

    def _ask(self, wishes: Sequence[Wish], keep: int) -> list[str]:
        for wish in wishes:
            self._check_single(wish.source)
        former = {move.name: move for move in self.all()}
        # All of them first: where one may not go, none does.
        for move in [self._wanted(wish, former.get(wish.name), keep) for wish in wishes]:
            self._link.ask(partial(_asked, move))
        return [wish.name for wish in wishes]

    def _wanted(self, wish: Wish, former: Move | None, keep: int) -> Move:
        is_back = former is not None and former.step is Step.SWITCHED
        if former is not None and is_back and former.source != wish.target.server:
            raise Denied(
                f"{shown(wish.name)} has moved just now, and {self.nodes.get(former.source, 'its former server')} "
                f"keeps what it had for {max(0, former.keep - former.age)} s more: until then it can only go back there"
            )
        position = former.position if former and is_back else ""
        return Move(
            wish.name, wish.source.server, wish.target.server, Step.WAITING, os.urandom(8).hex(), keep,
            position=position, is_back=is_back,
        )  # fmt: skip

    def _server(self, node: str) -> Standing:
        for server, one in self._known.items():
            member = self._members.get(server)
            if node in (one.node, server, member.name if member else None):
                return one
        raise InvalidRequest(f"the directory knows no server {shown(node)} (dbhandler-pool status lists them)")

    def _check_single(self, source: Standing) -> None:
        if self._is_cluster(source):
            raise InvalidRequest(f"{shown(source.node)} is a node of a cluster: databases move there, not from there")

    def _is_cluster(self, one: Standing) -> bool:
        member = self._members.get(one.server)
        return member is not None and member.group is not None

    def _is_ready(self, one: Standing) -> bool:
        member = self._members.get(one.server)
        return member is not None and member.is_ready

    def _ready(self) -> list[Standing]:
        return [one for one in self._known.values() if self._is_ready(one)]


def _asked(move: Move, directory: Directory) -> None:
    directory.moves.ask(move)
