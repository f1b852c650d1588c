"""Which members count as nodes: one that proves nothing may hold anything, and for a while only."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from dbhandler.group.decision import Action, decide
from dbhandler.group.node import Holds, Mode, Node
from dbhandler.group.trusted import MOST, PATIENCE, TrustedNodes
from dbhandler.serf.members import Member
from tests.support.fakes import Clock
from tests.support.pools import CHANGING, OURS, THEIRS, proven

UUID = "4ff1e6c6-e6f9-11f1-b5d2-7aa832857484"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def nodes(clock: Clock) -> TrustedNodes:
    return TrustedNodes("shop", [OURS.id], clock)


def node(name: str, mode: str = "synced", status: str = "alive", cluster: str = "shop") -> Member:
    tags = {"role": "db", "cluster": cluster, "galera": f"{mode} data {UUID}:7 {name}0/1 - -"}
    return Member(name, "10.0.0.1", 7946, status, tags)


def modes(found: Sequence[Node]) -> dict[str, str]:
    return {node.name: node.mode for node in found}


def test_who_proves_what_it_says_counts_at_once_and_for_good(nodes: TrustedNodes, clock: Clock) -> None:
    for pool in (OURS, CHANGING):
        [found] = nodes.of([proven(node("a"), pool)])
        assert (found.mode, found.id, found.uuid, found.serves) == ("synced", "a0", UUID, True)
        clock.advance(10 * PATIENCE)


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_who_proves_nothing_may_hold_anything_and_is_a_stranger_after_a_while(
    nodes: TrustedNodes, clock: Clock, pool: object
) -> None:
    shown = proven(node("a"), THEIRS) if pool else node("a")
    for _ in range(2):
        assert nodes.of([shown]) == [Node("(a)", Mode.UNKNOWN, Holds.FOREIGN, name="a", host="10.0.0.1")]
        clock.advance(PATIENCE - 0.1)
        assert modes(nodes.of([shown])) == {"a": "unknown"}
        clock.advance(0.1)
        assert nodes.of([shown]) == []
        # Serf has forgotten it: the next one of the name may be another.
        assert nodes.of([]) == []


def test_a_node_whose_proof_comes_late_counts_from_then_on(nodes: TrustedNodes, clock: Clock) -> None:
    assert modes(nodes.of([node("a")])) == {"a": "unknown"}
    clock.advance(2 * PATIENCE)
    assert nodes.of([node("a")]) == []
    assert modes(nodes.of([proven(node("a"))])) == {"a": "synced"}
    # A proof that it has lost may come again, too.
    assert modes(nodes.of([node("a")])) == {"a": "unknown"}


def test_each_has_its_own_patience(nodes: TrustedNodes, clock: Clock) -> None:
    nodes.of([node("a")])
    clock.advance(PATIENCE - 1)
    assert modes(nodes.of([node("a"), node("b"), proven(node("c"))])) == {"a": "unknown", "b": "unknown", "c": "synced"}
    clock.advance(1)
    assert modes(nodes.of([node("a"), node("b"), proven(node("c"))])) == {"b": "unknown", "c": "synced"}


def test_what_it_says_of_its_identity_does_not_count_either(nodes: TrustedNodes) -> None:
    """A rogue with the identity of a node would pass for its twin, which stops the decision."""
    me = Node("a0", Mode.WAITING, Holds.EMPTY, "1", name="me")
    others = nodes.of([node("a", "waiting")])
    assert "same identity" not in decide(me, others, 1).reason
    assert "same identity" in decide(me, nodes.of([proven(node("a", "waiting"))]), 1).reason


def test_a_dead_one_counts_by_what_it_once_proved(nodes: TrustedNodes, clock: Clock) -> None:
    dead = proven(node("a", status="failed"), OURS, lambda: time.time() - 10**6)
    assert modes(nodes.of([dead])) == {"a": "synced"}
    rogue = node("b", status="failed")
    [found] = nodes.of([rogue])
    assert (found.mode, found.alive) == ("unknown", False)
    clock.advance(PATIENCE)
    assert nodes.of([rogue]) == []


def test_other_clusters_nodes_are_none_of_this_one(nodes: TrustedNodes) -> None:
    assert nodes.of([node("a", cluster="blog"), proven(node("b", cluster="blog"))]) == []


def test_without_a_pool_everybody_counts(clock: Clock) -> None:
    assert modes(TrustedNodes("shop", [], clock).of([node("a"), proven(node("b"), THEIRS)])) == {
        "a": "synced", "b": "synced",
    }  # fmt: skip


def test_a_stranger_keeps_nobody_from_beginning_for_ever(nodes: TrustedNodes, clock: Clock) -> None:
    me = Node("aa", Mode.WAITING, Holds.EMPTY, "1", name="me")
    for rogue in (node("a"), node("a", "waiting"), node("a", status="failed")):
        first = decide(me, nodes.of([rogue]), 1)
        assert (first.action, first.vote) == (Action.WAIT, None)
        clock.advance(PATIENCE)
        decision = decide(me, nodes.of([rogue]), 1)
        assert decision.vote == me.ballot
        nodes.of([])


def test_whoever_takes_one_name_after_another_is_waited_for_no_longer(nodes: TrustedNodes, clock: Clock) -> None:
    for number in range(MOST):
        assert modes(nodes.of([node(f"n{number}")])) == {f"n{number}": "unknown"}
        clock.advance(1)
    assert nodes.of([node("one more")]) == []
    assert nodes.strangers == ["one more"]


def test_who_does_not_count_is_named(nodes: TrustedNodes, clock: Clock) -> None:
    strangers = [node("b"), node("a"), node("away", status="failed"), node("other", cluster="x")]
    members = [*strangers, proven(node("ours"), OURS)]
    nodes.of(members)
    assert nodes.strangers == []
    clock.advance(PATIENCE)
    nodes.of(members)
    assert nodes.strangers == ["a", "b"]
