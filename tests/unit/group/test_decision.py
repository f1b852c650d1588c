"""Who begins a cluster: a table of cases, then random outages in which every node sees something else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.group.decision import Action, Decision, before, decide, stranded
from dbhandler.group.node import Ballot, Holds, Mode, Node
from dbhandler.group.transactions import Transactions

WAITING, BEGINNING, JOINING, SYNCED, DONOR, SECONDARY, NONPRIMARY, UNKNOWN = Mode
EMPTY, DATA, FOREIGN, LEFT = Holds
BEGIN, JOIN, WAIT, REFUSE = Action

UUID, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
ABC = frozenset("abc")


def node(name: str, holds: Holds = EMPTY, seqno: int = -1, vote: str = "", **more: object) -> Node:
    """A waiting node whose identity is its name; vote names another one, in its run 0."""
    ballot = Ballot(vote, "0") if vote else None
    uuid = UUID if holds == DATA else ""
    has = Transactions.up_to(seqno) if seqno >= 0 else None
    made = Node(name, WAITING, holds, "0", uuid, has, vote=ballot, name=f"db-{name}", host=f"10.0.0.{ord(name)}")
    return replace(made, **more)  # type: ignore[arg-type]


def data(name: str, seqno: int, view: str = "abc", vote: str = "", **more: object) -> Node:
    return node(name, DATA, seqno, vote, view=frozenset(view), **more)


def dead(found: Node) -> Node:
    return replace(found, alive=False)


EMPTY_CASES = [
    ("alone", node("a"), [], WAIT, "2 more empty nodes"),
    ("one is missing", node("a", vote="a"), [node("b", vote="a")], WAIT, "1 more empty nodes"),
    (
        "a dead one does not count",
        node("a", vote="a"),
        [node("b", vote="a"), dead(node("c", vote="a"))],
        WAIT,
        "1 more",
    ),
    ("no votes yet", node("a", vote="a"), [node("b"), node("c")], WAIT, "votes of 'db-b', 'db-c'"),
    ("one vote is missing", node("a", vote="a"), [node("b", vote="a"), node("c")], WAIT, "votes of 'db-c'"),
    ("all votes", node("a", vote="a"), [node("b", vote="a"), node("c", vote="a")], BEGIN, "votes of"),
    ("four with all votes", node("a", vote="a"), [node(name, vote="a") for name in "bcd"], BEGIN, "votes of"),
    (
        "a fourth that has not voted",
        node("a", vote="a"),
        [*(node(n, vote="a") for n in "bc"), node("d")],
        WAIT,
        "'db-d'",
    ),
    ("its own vote has to be out", node("a"), [node("b", vote="a"), node("c", vote="a")], WAIT, "'db-a' to begin"),
    (
        "votes for another run of it",
        node("a", vote="a", nonce="1"),
        [node("b", vote="a"), node("c", vote="a")],
        WAIT,
        "to begin",
    ),
    ("not the lowest name", node("b", vote="b"), [node("a", vote="b"), node("c", vote="b")], WAIT, "to begin"),
    ("one serves", node("a"), [node("b", DATA, 0, mode=SYNCED)], JOIN, "joining 'db-b'"),
    ("a secondary is in the group", node("a"), [node("b", DATA, 0, mode=SECONDARY)], JOIN, "joining 'db-b'"),
    ("one serves and sends", node("a"), [node("b", DATA, 0, mode=DONOR)], JOIN, "joining 'db-b'"),
    ("one is dead and said it served", node("a"), [dead(node("b", DATA, 0, mode=SYNCED))], WAIT, "may be data"),
    ("one begins", node("a", vote="a"), [node("b", vote="a"), node("c", mode=BEGINNING)], WAIT, "'db-c', which begins"),
    ("one has not spoken", node("a"), [node("b"), node("c"), node("d", mode=UNKNOWN)], WAIT, "has not said"),
    ("a dead one never spoke", node("a"), [node("b"), node("c"), dead(node("d", mode=UNKNOWN))], WAIT, "may be data"),
    ("a dead one had data", node("a"), [node("b"), node("c"), dead(data("d", 5))], WAIT, "may be data"),
    ("one lost its data", node("a"), [node("b"), node("c", view=ABC)], WAIT, "'db-c' served in this cluster before"),
    ("it lost its own data", node("a", view=ABC), [node("b"), node("c")], WAIT, "'db-a' served in this cluster before"),
    ("one has foreign data", node("a"), [node("b"), node("c"), node("d", FOREIGN)], WAIT, "outside any cluster"),
    ("one left and came back", node("a"), [node("b"), node("c"), node("d", LEFT)], WAIT, "used outside of it"),
    ("one of those is dead", node("a"), [node("b"), node("c"), dead(node("d", LEFT))], WAIT, "used outside of it"),
    ("twins", node("a"), [node("b"), replace(node("b"), name="other")], WAIT, "same identity"),
    ("its own twin", node("a"), [replace(node("a"), name="other"), node("c")], WAIT, "same identity"),
    ("its candidate is gone", node("b", vote="a"), [node("c"), node("d")], WAIT, "it may have begun"),
    ("one has data", node("a"), [node("b"), node("c"), data("d", 5, "dx")], WAIT, "waiting for 'x'"),
]
DATA_CASES = [
    ("all there, all votes", data("b", 9, vote="b"), [data("a", 5, vote="b"), data("c", 7, vote="b")], BEGIN, "votes"),
    ("the most advanced waits for votes", data("b", 9, vote="b"), [data("a", 5), data("c", 7)], WAIT, "the votes of"),
    ("one is ahead", data("a", 5, vote="a"), [data("b", 9, vote="a"), data("c", 7, vote="a")], WAIT, "to begin"),
    ("one of its view is missing", data("b", 9, vote="b"), [data("a", 5, vote="b")], WAIT, "waiting for 'c'"),
    ("it is dead", data("b", 9), [data("a", 5), dead(data("c", 7))], WAIT, "waiting for 'db-c'"),
    ("the last view was its own", data("b", 9, "b", vote="b"), [], BEGIN, "votes"),
    ("the last view was smaller", data("b", 9, "ab", vote="b"), [data("a", 5, vote="b")], BEGIN, "votes"),
    ("a stale view of one behind", data("b", 9, "ab", vote="b"), [data("a", 5, "abcd", vote="b")], BEGIN, "votes"),
    ("an equal one saw a larger view", data("b", 9, "ab"), [data("a", 9, "abx")], WAIT, "waiting for 'x'"),
    ("an unknown view", data("b", 9, ""), [data("a", 5)], WAIT, "with whom 'db-b' served last is not known"),
    ("an unknown position", data("b", 9), [data("a", -1), data("c", 7)], WAIT, "position of 'db-a'"),
    ("one lost its data", data("b", 9, vote="b"), [node("a", vote="b"), data("c", 7, vote="b")], BEGIN, "votes"),
    ("an empty newcomer", data("b", 9, "b", vote="b"), [node("z", vote="b")], BEGIN, "votes"),
    ("one runs without a quorum", data("b", 9), [data("a", 9, mode=NONPRIMARY), data("c", 7)], WAIT, "has no quorum"),
    ("one is joining", data("b", 9), [data("a", 9, mode=JOINING), data("c", 7)], WAIT, "is joining"),
    ("its cluster serves", data("b", 9), [data("a", 0, mode=SYNCED)], JOIN, "joining 'db-a'"),
    ("another cluster serves", data("b", 9), [data("a", 0, mode=SYNCED, uuid=OTHER)], REFUSE, f"cluster {UUID}"),
    ("another cluster waits", data("b", 9), [data("a", 9, uuid=OTHER)], REFUSE, "different clusters"),
    ("two serve", data("b", 9), [data("a", 0, mode=SYNCED), data("c", 0, mode=SYNCED, uuid=OTHER)], REFUSE, "hold"),
    ("it left, nobody serves", node("a", LEFT), [data("b", 9), data("c", 7)], WAIT, "used outside of the cluster"),
    ("it left, one serves", node("a", LEFT), [data("b", 0, mode=SYNCED)], JOIN, "joining 'db-b'"),
    ("one that left has no voice", data("b", 9, "b", vote="b"), [node("a", LEFT)], BEGIN, "votes"),
    ("but it may be missed", data("b", 9, "ab", vote="b"), [node("a", LEFT)], WAIT, "waiting for 'db-a'"),
    ("foreign data, nobody serves", node("a", FOREIGN), [node("b"), node("c")], REFUSE, "outside any cluster"),
    ("foreign data, one serves", node("a", FOREIGN), [data("b", 0, mode=SYNCED)], REFUSE, "outside the cluster"),
]  # fmt: skip


LEFT_HALF, RIGHT_HALF = Transactions(((1, 8),)), Transactions(((1, 6), (8, 9)))


def test_more_transactions_are_not_those_of_the_others() -> None:
    me, other = data("a", 0, has=LEFT_HALF), data("b", 0, has=RIGHT_HALF)
    decision = decide(me, [other, data("c", 6)], 3)
    assert decision.action == REFUSE
    assert decision.reason.startswith("each has what another one has not")
    assert f"'db-a' holds {UUID}:8" in decision.reason and f"'db-b' holds {UUID}:1-6.8-9" in decision.reason
    whole = data("c", 9, vote="c")
    assert decide(replace(me, vote=whole.ballot), [other, whole], 3).reason.startswith("waiting for 'db-c' to begin")


@pytest.mark.parametrize(("what", "me", "others", "action", "reason"), EMPTY_CASES + DATA_CASES)
def test_decisions(what: str, me: Node, others: list[Node], action: str, reason: str) -> None:
    decision = decide(me, others, 3)
    assert decision.action == action, decision
    assert reason in decision.reason


def test_who_is_missed_has_a_name_even_when_serf_has_forgotten_it() -> None:
    known = decide(data("a", 5), [data("b", 5)], 3, {"c": "db-of-old"})
    assert known.reason.startswith("waiting for 'db-of-old', of the last component")


def test_whom_to_join() -> None:
    synced, donor = data("b", 0, mode=SYNCED), data("d", 0, mode=DONOR)
    decision = decide(node("a"), [synced, node("c"), donor], 3)
    assert decision == Decision(JOIN, "joining 'db-b', 'db-d'", None, (synced, donor))


VOTES = [
    ("none yet: the lowest name", node("b"), [node("a"), node("c")], "a"),
    ("none yet: the most advanced", data("b", 5), [data("a", 7), data("c", 9)], "c"),
    ("kept while too few are there", node("b", vote="c"), [node("c")], "c"),
    ("kept for one that is gone", node("b", vote="x"), [node("a"), node("c")], "x"),
    ("kept for one that has not voted", node("b", vote="c"), [node("a"), node("c")], "c"),
    ("kept for a candidate with a higher name", node("a", vote="c"), [node("b"), node("c", vote="c")], "c"),
    ("follows one that gave way", node("c", vote="b"), [node("b", vote="a"), node("a", vote="a")], "a"),
    ("follows nobody to one that is gone", node("c", vote="b"), [node("b", vote="x"), node("a")], "b"),
    ("a candidate gives way to a better one", node("b", vote="b"), [node("a", vote="a"), node("c", vote="b")], "a"),
    ("and to nobody who does not stand", node("b", vote="b"), [node("a"), node("c", vote="b")], "b"),
    ("data go before emptiness", node("a", vote="a"), [data("b", 5, "b", vote="b"), node("c", vote="a")], "b"),
]


@pytest.mark.parametrize(("what", "me", "others", "vote"), VOTES)
def test_votes(what: str, me: Node, others: list[Node], vote: str) -> None:
    decision = decide(me, others, 3)
    assert decision.vote is not None
    assert decision.vote.id == vote


def test_a_vote_follows_its_candidate_into_a_new_run() -> None:
    decision = decide(node("b", vote="a"), [node("a", vote="a", nonce="7"), node("c")], 3)
    assert decision.vote == Ballot("a", "7")


TURNS = [
    ("nobody else", [], ""),
    ("a lower name", [node("a")], "a"),
    ("a higher name", [node("c")], ""),
    ("a higher name that has begun to join", [node("c", mode=JOINING)], "c"),
    ("a lower name in the group already", [node("a", mode=JOINING, id="t")], ""),
    ("a dead one", [dead(node("a"))], ""),
    ("one with what the cluster holds", [data("a", 5)], "a"),
    ("one that will be refused", [data("a", 5, uuid=OTHER), node("a", FOREIGN)], ""),
    ("one that says nothing", [node("a", mode=UNKNOWN)], ""),
]


@pytest.mark.parametrize(("what", "others", "first"), TURNS)
def test_who_joins_before_this_node_does(what: str, others: list[Node], first: str) -> None:
    serving = [data("s", 0, "st", mode=SYNCED)]
    assert "".join(other.id for other in before(node("b"), [*others, *serving], serving)) == first


STRANDED = [
    ("nobody is seen", [], None),
    ("others have no quorum either", [data("b", 0, mode=NONPRIMARY)], None),
    ("one of the last view has ended", [data("b", 5)], "'db-b' had to end"),
    ("one that was not in it waits", [data("x", 5)], None),
    ("the cluster goes on", [data("b", 0, mode=SYNCED)], "goes on without it, at 'db-b'"),
    ("another cluster goes on", [data("b", 0, mode=SYNCED, uuid=OTHER)], None),
    ("a dead one", [dead(data("b", 5))], None),
]


@pytest.mark.parametrize(("what", "others", "reason"), STRANDED)
def test_when_a_server_without_quorum_starts_anew(what: str, others: list[Node], reason: str | None) -> None:
    found = stranded(ABC, UUID, others)
    assert found is None if reason is None else reason in str(found)


@dataclass
class Outage:
    """Nodes whose servers do not run, each with its own, possibly old, sight of what the others say."""

    nodes: dict[str, Node]
    size: int
    rng: random.Random
    sights: dict[str, dict[str, Node]] = field(default_factory=dict)
    said: dict[str, list[Node]] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    joined: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sights = {id: {} for id in self.nodes}
        self.said = {id: [found] for id, found in self.nodes.items()}

    def hear(self, id: str, of: str, any_old: bool) -> None:
        """One learns what another said, something old perhaps, but never older than what it has learnt before."""
        known = self.sights[id].get(of)
        history = self.said[of]
        first = history.index(known) if known else 0
        self.sights[id][of] = self.rng.choice(history[first:]) if any_old else history[-1]

    def act(self, id: str) -> None:
        me = self.nodes[id]
        if me.mode != WAITING:
            return
        decision = decide(me, list(self.sights[id].values()), self.size)
        mode = {BEGIN: SYNCED, JOIN: SYNCED}.get(decision.action, WAITING)
        if decision.action == BEGIN:
            self.begun.append(id)
        uuid = self.nodes[id].uuid or UUID
        after = replace(me, vote=decision.vote, mode=mode)
        self.say(id, replace(after, holds=DATA, uuid=uuid) if mode == SYNCED else after)

    def restart(self, id: str) -> None:
        """Its start program dies and runs anew: the vote is kept, all else that it knows is gone."""
        if self.nodes[id].mode == WAITING:
            self.say(id, replace(self.nodes[id], nonce=f"{self.rng.randrange(1 << 16):x}"))
            self.sights[id] = {}

    def say(self, id: str, found: Node) -> None:
        self.nodes[id] = found
        if found != self.said[id][-1]:
            self.said[id].append(found)

    def run(self, steps: int) -> None:
        ids = sorted(self.nodes)
        for _ in range(steps):
            one, two = self.rng.choice(ids), self.rng.choice(ids)
            chance = self.rng.random()
            if chance < 0.5 and one != two:
                self.hear(one, two, any_old=chance < 0.4)
            elif chance < 0.9:
                self.act(one)
            else:
                self.restart(one)

    def settle(self) -> None:
        """Everybody hears everything, and acts, until all is calm."""
        for _ in range(4 * len(self.nodes)):
            for id in self.nodes:
                for other in self.nodes:
                    if other != id:
                        self.hear(id, other, any_old=False)
                self.act(id)


SEEDS = st.integers(0, 1 << 32)


@given(st.integers(3, 5), st.integers(0, 300), SEEDS)
def test_a_new_cluster_is_begun_once_whoever_sees_what(count: int, steps: int, seed: int) -> None:
    # With twice the expected size two halves could each be a whole cluster: no rule helps against that.
    outage = Outage({name: node(name) for name in "abcdefgh"[:count]}, 3, random.Random(seed))
    outage.run(steps)
    assert len(outage.begun) <= 1
    outage.settle()
    assert len(outage.begun) == 1
    assert {found.mode for found in outage.nodes.values()} == {SYNCED}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(0, 300), SEEDS)
def test_the_most_advanced_begins_once_and_only_with_all_others_there(seqnos: list[int], steps: int, seed: int) -> None:
    names = "abcdefgh"[: len(seqnos)]
    nodes = {name: data(name, seqno, names) for name, seqno in zip(names, seqnos, strict=True)}
    outage = Outage(nodes, 3, random.Random(seed))
    outage.run(steps)
    assert len(outage.begun) <= 1
    outage.settle()
    [beginner] = outage.begun
    assert nodes[beginner].has == Transactions.up_to(max(seqnos))
    assert {found.mode for found in outage.nodes.values()} == {SYNCED}


@given(st.lists(st.integers(0, 3), min_size=2, max_size=5), st.integers(0, 300), SEEDS)
def test_nobody_begins_while_one_of_the_last_view_is_away(seqnos: list[int], steps: int, seed: int) -> None:
    names = "abcdefgh"[: len(seqnos)]
    nodes = {name: data(name, seqno, names) for name, seqno in zip(names, seqnos, strict=True)}
    away = nodes.popitem()[0]
    outage = Outage(nodes, 3, random.Random(seed))
    outage.run(steps)
    outage.settle()
    assert outage.begun == []
    assert away not in outage.nodes


KINDS = st.sampled_from([EMPTY, DATA, FOREIGN, LEFT])
MODES = st.sampled_from([WAITING, WAITING, WAITING, BEGINNING, JOINING, SYNCED, DONOR, NONPRIMARY, UNKNOWN])


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    holds, seqno = draw(KINDS), draw(st.integers(-1, 4))
    view = draw(st.sets(st.sampled_from("abcdef")))
    vote = draw(st.sampled_from(["", "a", "b", "c", "x"]))
    made = data(name, seqno, "", vote) if holds == DATA else node(name, holds, vote=vote)
    uuid = draw(st.sampled_from([UUID, UUID, UUID, OTHER])) if holds == DATA else ""
    return replace(
        made, mode=draw(MODES), alive=draw(st.sampled_from([True, True, False])), view=frozenset(view), uuid=uuid
    )


@given(nodes("a"), st.lists(st.sampled_from("bcdef"), unique=True).flatmap(lambda n: st.tuples(*map(nodes, n))))
def test_no_view_at_all_lets_one_begin_against_the_rules(me: Node, others: tuple[Node, ...]) -> None:
    me = replace(me, mode=WAITING, alive=True)
    if decide(me, list(others), 3).action != BEGIN:
        return
    assert me.holds != LEFT
    alive = [found for found in others if found.alive and found.holds != LEFT]
    assert all(found.mode == WAITING and found.vote == me.ballot == me.vote for found in alive)
    assert all(found.holds != FOREIGN for found in alive)
    if me.holds == EMPTY:
        assert len(alive) >= 2
        assert not [found for found in others if found.holds in (DATA, LEFT)]
    else:
        assert me.view <= {me.id, *(found.id for found in alive)}
        assert all(me.covers(found) and found.uuid == me.uuid for found in alive if found.holds == DATA)
