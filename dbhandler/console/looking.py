"""Looks into servers while somebody looks at their pages: their databases, and what moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dbhandler.console.inside import Inside, Moving
from dbhandler.console.recents import Recents
from dbhandler.console.watch import Watch
from dbhandler.errors import DbHandlerError
from dbhandler.log import printable, told
from dbhandler.requests.answer import decode
from dbhandler.requests.recent import Asked
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.serf.members import Member

if TYPE_CHECKING:
    from dbhandler.console.ways import Ways

PAUSE = 2.0
"""Seconds between two looks."""
LOOKED, MOST = 30.0, 16
"""Seconds after which a server's page is not looked at any more, and servers that are looked into at a time."""
MOST_ROWS = 500
ANSWER_TIMEOUT = 3.0
NOTE = "Sizes, accounts and leases are told to who has the pool's secret (DBHANDLER_POOL_SECRET)."


class Looking:
    """Called with a server's name it gives what is known of its inside, and has it looked into from now on.

    ways leads into servers, None without the pool's secret; moving tells what moves in the pool, None where it has no
    directory; recents what servers were asked for, None without the secret. Names that are asked for by gossip are
    nobody's word: list_db has no answer that could be proved.
    """

    def __init__(
        self,
        watch: Watch,
        ways: Ways | None,
        moving: Callable[[], Sequence[Moving]] | None,
        recents: Recents | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch, self._ways, self._recents = watch, ways, recents
        self._moving, self._clock = moving, clock
        self._wanted: dict[str, float] = {}
        self._known: dict[str, Inside] = {}
        self._woken = threading.Event()

    def __call__(self, node: str) -> Inside:
        is_new = node not in self._wanted
        self._wanted[node] = self._clock()
        if is_new:
            self._woken.set()
        return self._known.get(node, Inside(note="Asking the server…"))

    def run(self) -> None:
        """Looks again and again. To be a thread."""
        while True:
            self._woken.wait(PAUSE)
            self._woken.clear()
            self.look()

    def look(self) -> None:
        """Looks once into each server that somebody looks at."""
        self._forget()
        if not self._wanted:
            return
        under_way = self._under_way()
        seen = {node: self._with_moves(self._inside(node), node, under_way) for node in list(self._wanted)}
        if seen != self._known:
            self._known = seen
            self._watch.touch()

    def _forget(self) -> None:
        now = self._clock()
        recent = sorted(self._wanted.items(), key=lambda item: -item[1])[:MOST]
        self._wanted = {node: at for node, at in recent if now - at < LOOKED}

    def _inside(self, node: str) -> Inside:
        member = self._watch.member(node)
        if member is None or not member.alive:
            return Inside(trouble="It does not serve: what it holds cannot be told now.")
        try:
            found = self._by_secret(member) if self._ways else self._by_asking(member)
            return replace(found, recent=self._recent(member))
        except (DbHandlerError, OSError) as error:
            return Inside(trouble=printable(told(error), 300))

    def _by_secret(self, member: Member) -> Inside:
        assert self._ways is not None  # noqa: S101
        rows = self._ways.rows(member)
        # How long something is there changes all the time: to the minute is enough.
        shown = [replace(row, age=None if row.age is None else row.age // 60 * 60) for row in rows[:MOST_ROWS]]
        return Inside(rows=shown, more=len(rows) - len(shown))

    def _recent(self, member: Member) -> Sequence[Asked] | None:
        if self._recents is None:
            return None
        with self._watch.connect() as serf:
            return self._recents.look(serf, member)

    def _by_asking(self, member: Member) -> Inside:
        """The names alone, which every member may ask for."""
        with self._watch.connect() as serf:
            for node, line in serf.query(Query.LIST, b"", ANSWER_TIMEOUT, nodes=[member.name]):
                if node == member.name and (names := _names(line)) is not None:
                    return Inside(names=names[0], more=max(0, names[1] - len(names[0])), note=NOTE)
        return Inside(trouble=f"it has not answered within {ANSWER_TIMEOUT:.0f} s")

    def _under_way(self) -> Sequence[Moving]:
        try:
            return self._moving() if self._moving else ()
        except (DbHandlerError, OSError):
            return ()

    def _with_moves(self, inside: Inside, node: str, under_way: Sequence[Moving]) -> Inside:
        server = self._watch.sight.named(node)
        names = {node, server.group if server else None}
        return replace(inside, moves=tuple(one for one in under_way if {one.source, one.target} & names))


def shown_moves(found: Sequence[Mapping[str, object]]) -> list[Moving]:
    """Moves as pool/moves.py tells them to programs, for the page."""
    return [_moving(one) for one in found]


def _moving(move: Mapping[str, object]) -> Moving:
    done, total, left = int(str(move["done"])), int(str(move["total"])), move["left"]
    return Moving(
        str(move["database"]), str(move["from"]), str(move["to"]), str(move["step"]),
        min(100, 100 * done // total) if total else None, None if left is None else int(str(left)),
        printable(str(move["why"] or ""), 300),
    )  # fmt: skip


def _names(line: bytes) -> tuple[list[str], int] | None:
    """The names in an answer to list_db, and how many there are; None for what is none."""
    values = decode(line)
    names, count = values.get("databases"), values.get("count")
    if values.get("status") != Status.OK or not isinstance(names, list) or type(count) is not int:
        return None
    return [printable(name, 64) for name in names if isinstance(name, str)], max(len(names), min(count, 1_000_000))
