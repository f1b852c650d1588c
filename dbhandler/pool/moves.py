"""Pure: which databases should move where, and what is told of moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dbhandler.command import columns, size
from dbhandler.directory.move import Move, Step
from dbhandler.directory.placement import place, refusal
from dbhandler.directory.standing import Standing
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.log import shown
from dbhandler.requests.where import Where

HEADINGS = ("DATABASE", "FROM", "TO", "STEP", "DONE", "LEFT", "")
EVEN = 0.1
"""By how much of the mean servers may differ and are even."""


@dataclass(frozen=True)
class Wish:
    """A database that is to move."""

    name: str
    source: Standing
    target: Standing


def check(name: str, source: Standing, target: Standing) -> None:
    """Raises InvalidRequest where a database cannot move from one of these servers to the other."""
    if source.server == target.server:
        raise InvalidRequest(f"{shown(name)} is on {shown(target.node)} already")
    if source.engine != target.engine:
        raise InvalidRequest(
            f"{shown(name)} is on {shown(source.node)}, which is {source.engine}, and {shown(target.node)} is "
            f"{target.engine}: a database moves between servers of one engine"
        )
    if _release(target.version) < _release(source.version):
        raise InvalidRequest(
            f"{shown(target.node)} is {target.engine} {target.version}, older than {source.version} on "
            f"{shown(source.node)}: a database moves to the same release or a later one"
        )


def drained(names: Sequence[str], source: Standing, servers: Sequence[Standing], where: Where) -> list[Wish]:
    """Where the databases of a server go, of the others that are ready. Raises Denied where one has no place."""
    others, wishes = {one.server: one for one in servers if one.server != source.server}, list[Wish]()
    for name in names:
        fitting = [one for one in others.values() if _release(one.version) >= _release(source.version)]
        found = place(name, fitting, where)
        if found is None:
            raise Denied(refusal(fitting, where))
        wishes.append(Wish(name, source, found.server))
        others[found.server.server] = replace(found.server, names=found.server.names + 1)
    return wishes


def even(
    servers: Sequence[Standing], names: Mapping[str, Sequence[str]], movable: Collection[str], coming: Mapping[str, int]
) -> list[Wish]:
    """What moves until servers of one kind (engine, release, labels) have about as many databases each; from those
    in `movable` alone. names are those that may move, coming is how many others each server has, or will have."""
    kinds: dict[tuple[object, ...], list[Standing]] = {}
    for one in servers:
        kinds.setdefault((one.engine, _release(one.version), one.labels), []).append(one)
    return [wish for group in kinds.values() for wish in _even(group, names, movable, coming)]


def _even(
    group: Sequence[Standing], names: Mapping[str, Sequence[str]], movable: Collection[str], coming: Mapping[str, int]
) -> list[Wish]:
    has = {one.server: list(names.get(one.server, ())) for one in group}
    count = {server: len(found) + coming.get(server, 0) for server, found in has.items()}
    by_server = {one.server: one for one in group}
    slack = max(1.0, EVEN * sum(count.values()) / len(group))
    wishes = list[Wish]()
    while True:
        givers = [server for server in has if server in movable and has[server]]
        takers = [server for server in has if not by_server[server].refuses]
        if not givers or not takers:
            return wishes
        most, least = max(givers, key=count.__getitem__), min(takers, key=count.__getitem__)
        if count[most] - count[least] <= slack:
            return wishes
        wishes.append(Wish(has[most].pop(), by_server[most], by_server[least]))
        count[most], count[least] = count[most] - 1, count[least] + 1
        by_server[least] = replace(by_server[least], names=by_server[least].names + 1)


def table(moves: Sequence[Move], nodes: Mapping[str, str]) -> str:
    """One line each, for people, without an end of the last one; nodes has the names of servers."""
    rows = [(move.name, *_ends(move, nodes), move.step, *_progress(move), move.why) for move in moves]
    return "\n".join(columns([HEADINGS, *rows], frozenset({"DONE", "LEFT"})))


def as_objects(moves: Sequence[Move], nodes: Mapping[str, str]) -> list[dict[str, object]]:
    """For programs: sizes are bytes, times seconds; left is null where nobody can tell."""
    found = []
    for move in moves:
        source, target = _ends(move, nodes)
        found.append({
            "database": move.name, "from": source, "to": target, "step": move.step, "done": move.done,
            "total": move.total, "left": left(move), "why": move.why or None, "since": move.ago, "kept": _kept(move),
        })  # fmt: skip
    return found


def line(move: Move, nodes: Mapping[str, str]) -> str:
    """One move in a line of its own."""
    source, target = _ends(move, nodes)
    done, rest = _progress(move)
    parts = [done, f"{rest} left" if rest and move.step is Step.COPYING else rest, move.why]
    more = ", ".join(filter(None, parts))
    return f"{shown(move.name)} from {source} to {target}: {move.step}{f' ({more})' if more else ''}"


def left(move: Move) -> int | None:
    """In how many seconds all is copied, at the pace of before."""
    if move.step is not Step.COPYING or not move.done or move.done > move.total:
        return None
    return round(move.age * (move.total - move.done) / move.done)


def _kept(move: Move) -> int | None:
    return max(0, move.keep - move.age) if move.step is Step.SWITCHED else None


def _progress(move: Move) -> tuple[str, str]:
    if move.step is Step.SWITCHED:
        return "100 %", f"kept for {_kept(move)} s"
    if move.step is not Step.COPYING or not move.total:
        return "", ""
    rest = left(move)
    return f"{min(100, 100 * move.done // move.total)} % of {size(move.total)}", "" if rest is None else f"{rest} s"


def _ends(move: Move, nodes: Mapping[str, str]) -> tuple[str, str]:
    return nodes.get(move.source, move.source[:16]), nodes.get(move.target, move.target[:16])


def _release(version: str) -> tuple[int, ...]:
    """The first two numbers of a version: within them data go to and fro."""
    return tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
