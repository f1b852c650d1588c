"""Pure: who begins a cluster, who joins it, and who waits for whom.

A server that begins although another one is ahead of it loses data, so the absence of an answer is never taken for an
empty cluster, and nobody begins on what it alone sees. A node begins only when

- no node of the cluster serves, and every living one waits, its position standing still;
- either all are empty, and as many as the owner expects; or it holds all that any of them holds, and all nodes of the
  last primary component that those with as much were in are there;
- every one of them has voted for it, in this run of it. A vote is kept over restarts, and withdrawn only when the
  candidate itself has given way to another: so two nodes that see different things cannot both have all votes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from dbhandler.group.node import Ballot, Holds, Mode, Node, names_of
from dbhandler.log import shown


class Action(StrEnum):
    """What a node does next."""

    BEGIN = "begin"
    JOIN = "join"
    WAIT = "wait"
    REFUSE = "refuse"
    """It waits for the operator."""


_DOINGS = {
    Mode.BEGINNING: "begins",
    Mode.JOINING: "is joining",
    Mode.NONPRIMARY: "has no quorum",
    Mode.UNKNOWN: "has not said what it holds",
}


@dataclass(frozen=True)
class Decision:
    """action is begin, join, wait, or refuse (which waits for the operator); reason is a sentence's end for the log,
    vote what this node has to say from now on, peers the nodes to join."""

    action: Action
    reason: str
    vote: Ballot | None = None
    peers: tuple[Node, ...] = ()


def decide(me: Node, others: Sequence[Node], size: int, names: Mapping[str, str] = MappingProxyType({})) -> Decision:
    """What this node, whose server does not run, does next. others are all other nodes of the cluster that Serf
    knows, size is how many empty nodes begin a new one, names are those by which this node knew others (by identity):
    Serf forgets them."""
    alive = [node for node in others if node.alive]
    ids = [me.id, *(node.id for node in alive)]
    if twins := [node for node in [me, *alive] if ids.count(node.id) > 1]:
        return _wait(me, f"{names_of(twins)} have the same identity: their state volumes are copies of each other")
    if serving := [node for node in alive if node.serves]:
        return _join(me, serving)
    if me.holds == Holds.FOREIGN:
        return _refuse(me, "it holds the data of a server outside any cluster")
    if me.holds == Holds.LEFT:
        return _wait(me, "waiting for a node that serves: this one's data were used outside of the cluster")
    # Whoever can only join has no voice.
    alive = [node for node in alive if node.holds != Holds.LEFT]
    if busy := [node for node in alive if node.mode != Mode.WAITING]:
        return _wait(me, f"waiting for {_doings(busy)}")
    if outsiders := [node for node in alive if node.holds == Holds.FOREIGN]:
        return _wait(me, f"waiting for {names_of(outsiders)}: there is data of a server outside any cluster")
    return _ballot(me, [me, *alive], others, size, names)


def before(me: Node, others: Iterable[Node], serving: Sequence[Node]) -> list[Node]:
    """The nodes that join those that serve before this one does.

    A server that reaches the group while it takes in another one may break it apart (Galera 26.4.23: one is taken in,
    the other "forgotten", and at that one's next attempt the first component finds no common view any more).
    """
    inside = frozenset().union(*(node.view for node in serving))
    outside = [node for node in others if node.alive and node.id not in inside and not node.serves]
    earlier = [node for node in outside if node.name < me.name and _will_join(node, serving)]
    return [node for node in outside if node.mode is Mode.JOINING or node in earlier]


def stranded(view: frozenset[str], uuid: str, others: Iterable[Node]) -> str | None:
    """Why a server that runs without a quorum has to start anew to get one, None where it can still hope.

    view and uuid are those of its last primary component.
    """
    alive = [node for node in others if node.alive]
    if serving := [node for node in alive if node.serves and node.uuid == uuid]:
        return f"the cluster goes on without it, at {names_of(serving)}"
    # The quorum counts servers of the last component by what they had in memory: one that has ended never comes back.
    if waiting := [node for node in alive if node.id in view and node.mode == Mode.WAITING]:
        return f"{names_of(waiting)} had to end, so the last component cannot meet again"
    return None


def _join(me: Node, serving: Sequence[Node]) -> Decision:
    if len({node.uuid for node in serving}) > 1:
        return _refuse(me, f"{names_of(serving)} serve under this cluster's name and hold different data")
    if me.holds == Holds.FOREIGN:
        return _refuse(me, f"it holds the data of a server outside the cluster that {names_of(serving)} serve")
    if me.holds == Holds.DATA and me.uuid != serving[0].uuid:
        return _refuse(me, f"it holds the data of cluster {me.uuid}, and {names_of(serving)} serve {serving[0].uuid}")
    return Decision(Action.JOIN, f"joining {names_of(serving)}", None, tuple(serving))


def _will_join(node: Node, serving: Sequence[Node]) -> bool:
    return node.mode == Mode.WAITING and _join(node, serving).action == Action.JOIN


def _ballot(me: Node, voters: list[Node], others: Sequence[Node], size: int, names: Mapping[str, str]) -> Decision:
    holders = [node for node in voters if node.holds == Holds.DATA]
    if len({node.uuid for node in holders}) > 1:
        return _refuse(me, f"{names_of(holders)} hold the data of different clusters")
    leaders = _leaders(holders) if holders else voters
    known = {**names, **{node.id: node.name for node in others}}
    obstacle = _unknown_ahead(holders, leaders, voters, known) if holders else _not_new(voters, others, size)
    if obstacle:
        return _wait(me, obstacle)
    if not leaders:
        return _refuse(me, f"each has what another one has not: {_holdings(holders)}")
    return _vote(me, voters, _best(leaders, voters))


def _leaders(holders: list[Node]) -> list[Node]:
    """Those that hold all that any of them holds."""
    return [node for node in holders if all(node.covers(other) for other in holders)]


def _holdings(nodes: Iterable[Node]) -> str:
    return ", ".join(f"{shown(node.name)} holds {node.uuid}:{node.has}" for node in nodes)


def _unknown_ahead(
    holders: list[Node], leaders: list[Node], voters: list[Node], names: Mapping[str, str]
) -> str | None:
    """Why one might be ahead of the most advanced ones that are there, None where that cannot be."""
    if unknown := [node for node in holders if node.has is None]:
        return f"waiting for the operator: the position of {names_of(unknown)} could not be recovered"
    if unknown := [node for node in leaders if not node.view]:
        return f"waiting for the operator: with whom {names_of(unknown)} served last is not known"
    there = {node.id for node in voters}
    missing = sorted(set().union(*(node.view for node in leaders)) - there)
    if not missing:
        return None
    absent = ", ".join(shown(names.get(id, id)) for id in missing)
    return f"waiting for {absent}, of the last component: more may have happened there than here"


def _not_new(voters: list[Node], others: Sequence[Node], size: int) -> str | None:
    """Why this may not be a new cluster, or not yet, None where it is one."""
    if away := [node for node in others if not node.alive and (node.holds == Holds.DATA or node.mode == Mode.UNKNOWN)]:
        return f"waiting for {names_of(away)}: there may be data of this cluster"
    if left := [node for node in others if node.holds == Holds.LEFT]:
        return f"waiting for data: {names_of(left)} has this cluster's, but they were used outside of it"
    if wiped := [node for node in voters if node.view]:
        return f"waiting for data: {names_of(wiped)} served in this cluster before and have lost theirs"
    if len(voters) < size:
        return (
            f"waiting for {size - len(voters)} more empty nodes: {len(voters)} of {size} are there, {names_of(voters)}"
        )
    return None


def _vote(me: Node, voters: list[Node], natural: Node) -> Decision:
    vote = _next_vote(me, voters, natural)
    if vote is None:
        return _wait(me, f"waiting for {_name_of(me.vote, voters)}, for which this node has voted: it may have begun")
    # Published before it counts: the others have to be able to see it.
    if vote == me.vote == me.ballot and natural is me:
        missing = [node for node in voters if node.vote != vote]
        if not missing:
            return Decision(Action.BEGIN, f"beginning with the votes of {names_of(voters)}", vote)
        return Decision(Action.WAIT, f"waiting for the votes of {names_of(missing)}", vote)
    return Decision(Action.WAIT, f"waiting for {_name_of(vote, voters)} to begin", vote)


def _next_vote(me: Node, voters: list[Node], natural: Node) -> Ballot | None:
    """The vote to have from now on, None for the present one, for a node that is not there."""
    if me.vote is None:
        return natural.ballot
    by_id = {node.id: node for node in voters}
    chosen = by_id.get(me.vote.id)
    if chosen is None:
        return None
    if chosen is me:
        return _best([me, *(node for node in voters if node.is_candidate)], voters).ballot
    if chosen.vote is None or chosen.is_candidate:
        return chosen.ballot
    # It has given way, and so will never begin on this vote.
    successor = by_id.get(chosen.vote.id)
    return successor.ballot if successor else None


def _best(nodes: Sequence[Node], voters: Sequence[Node]) -> Node:
    """The one with most of the voters behind it; of equals the one with the lowest name."""

    def rank(node: Node) -> tuple[int, str, str]:
        return -sum(map(node.covers, voters)), node.name, node.id

    return min(nodes, key=rank)


def _wait(me: Node, reason: str) -> Decision:
    return Decision(Action.WAIT, reason, me.vote)


def _refuse(me: Node, reason: str) -> Decision:
    return Decision(Action.REFUSE, reason, me.vote)


def _doings(nodes: Iterable[Node]) -> str:
    return ", ".join(f"{shown(node.name)}, which {_DOINGS[node.mode]}" for node in nodes)


def _name_of(ballot: Ballot | None, voters: Iterable[Node]) -> str:
    id = ballot.id if ballot else ""
    return shown(next((node.name for node in voters if node.id == id), id))
