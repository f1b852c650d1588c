"""Which databases should move where, and what is told of moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.directory.move import Move, Step
from dbhandler.directory.standing import Standing
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.pool import moves
from dbhandler.requests.where import Where
from tests.support.directories import standing
from tests.support.moves import move

NODES = {"a": "node-a", "b": "node-b"}


def server(name: str, version: str = "11.8.3-MariaDB", **more: object) -> Standing:
    return standing(name, version=version, **more)


# --- from where to where ---


@pytest.mark.parametrize("version", ["11.8.3-MariaDB", "11.8.1", "11.8", "12.0.1", "12.10.0-log"])
def test_it_moves_to_the_same_release_or_a_later_one(version: str) -> None:
    moves.check("shop", server("a"), server("b", version))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (server("a"), "'shop' is on 'node-a' already"),
        (server("b", engine="mysql"), "between servers of one engine"),
        (server("b", "11.4.9-MariaDB"), "older than 11.8.3-MariaDB"),
        (server("b", "9.9.9"), "older than"),
        (server("b", ""), "older than"),
    ],
)
def test_it_moves_to_no_other(target: Standing, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        moves.check("shop", server("a"), target)


# --- all of one server ---


def test_what_is_drained_goes_to_those_that_may_have_it_as_evenly_as_new_ones() -> None:
    names = [f"n{number}" for number in range(40)]
    others = [server("b"), server("c"), server("old", "10.11.1"), server("other", engine="mysql")]
    wishes = moves.drained(names, server("a"), [server("a"), *others], Where(engine="mariadb"))
    assert [wish.name for wish in wishes] == names
    counts = Counter(wish.target.server for wish in wishes)
    assert counts.keys() == {"b", "c"} and abs(counts["b"] - counts["c"]) < 12


def test_what_has_no_place_is_told_and_nothing_moves() -> None:
    full = server("b", names=9, most=10)
    assert len(moves.drained(["x"], server("a"), [full], Where())) == 1
    with pytest.raises(Denied, match="allows 10"):
        moves.drained(["x", "y"], server("a"), [full], Where())
    with pytest.raises(Denied, match="ssd"):
        moves.drained(["x"], server("a"), [server("b")], Where(labels=frozenset({"ssd"})))
    assert moves.drained([], server("a"), [], Where()) == []


# --- even ---


def evened(servers: list[Standing], has: dict[str, int], movable: set[str], coming: dict[str, int]) -> dict[str, int]:
    names = {name: [f"{name}{number}" for number in range(count)] for name, count in has.items()}
    wishes = moves.even(servers, names, movable, coming)
    assert len({wish.name for wish in wishes}) == len(wishes)
    after = Counter(has)
    for wish in wishes:
        assert wish.name in names[wish.source.server] and wish.source.server in movable
        after[wish.source.server] -= 1
        after[wish.target.server] += 1
    return {name: after[name] + coming.get(name, 0) for name in has}


def test_servers_of_one_kind_get_about_as_many_each_with_as_few_moves_as_that_takes() -> None:
    servers = [server("a"), server("b"), server("c")]
    after = evened(servers, {"a": 30, "b": 0, "c": 0}, {"a", "b", "c"}, {})
    assert max(after.values()) - min(after.values()) <= 1
    assert moves.even(servers, {"a": ["x"], "b": [], "c": []}, {"a"}, {}) == []
    assert moves.even([], {}, set(), {}) == []


@pytest.mark.parametrize(
    "other", [server("b", engine="mysql"), server("b", "12.1.0"), server("b", labels=frozenset({"ssd"}))]
)
def test_nothing_moves_between_servers_of_several_kinds(other: Standing) -> None:
    assert moves.even([server("a"), other], {"a": ["x", "y", "z", "w"], "b": []}, {"a", "b"}, {}) == []


def test_what_is_on_its_way_counts_where_it_goes() -> None:
    assert evened([server("a"), server("b")], {"a": 6, "b": 2}, {"a", "b"}, {"b": 4}) == {"a": 6, "b": 6}


def test_nothing_goes_from_a_cluster_nor_to_who_takes_nothing() -> None:
    assert evened([server("a"), server("b")], {"a": 9, "b": 0}, {"b"}, {}) == {"a": 9, "b": 0}
    assert evened([server("a"), server("b", full="is full")], {"a": 9, "b": 0}, {"a", "b"}, {}) == {"a": 9, "b": 0}
    # Not more than it allows.
    assert evened([server("a"), server("b", names=1, most=3)], {"a": 9, "b": 1}, {"a", "b"}, {}) == {"a": 7, "b": 3}


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=6), st.lists(st.integers(0, 5), min_size=6, max_size=6),
    st.sets(st.integers(0, 5)),
)  # fmt: skip
def test_whatever_they_have_it_ends_and_is_never_less_even(
    counts: list[int], coming: list[int], single: set[int]
) -> None:
    names = [f"s{number}" for number in range(len(counts))]
    there = dict(zip(names, coming, strict=False))
    has = dict(zip(names, counts, strict=True))
    after = evened([server(name) for name in names], has, {f"s{number}" for number in single}, there)
    before = [has[name] + there[name] for name in names]
    assert sum(after.values()) == sum(before) and max(after.values()) <= max(before)
    assert min(after.values()) >= min(before)


# --- what is told ---


def test_how_long_it_takes_is_told_while_it_is_copied() -> None:
    copying = move(step=Step.COPYING, done=250, total=1000, age=30)
    assert moves.left(copying) == 90
    for nobody_knows in (
        replace(copying, done=0), replace(copying, done=1001), replace(copying, step=Step.FOLLOWING), move(),
    ):  # fmt: skip
        assert moves.left(nobody_knows) is None


SOME = [
    move(step=Step.COPYING, done=500, total=1000, age=10, ago=12),
    move(name="wiki", step=Step.SWITCHED, keep=60, age=20, target="k" * 44),
    move(name="blog", step=Step.FAILED, why="'x' has no room"),
]


def test_the_table_for_people() -> None:
    heading, first, second, third = moves.table(SOME, NODES).splitlines()
    assert heading.split() == ["DATABASE", "FROM", "TO", "STEP", "DONE", "LEFT"]
    assert first.split() == ["shop", "node-a", "node-b", "copying", "50", "%", "of", "1000", "B", "10", "s"]
    assert second.split()[:4] == ["wiki", "node-a", "k" * 16, "switched"] and second.endswith("kept for 40 s")
    assert third.endswith("'x' has no room")
    assert moves.table([], NODES) == "DATABASE  FROM  TO  STEP  DONE  LEFT"


def test_the_objects_for_programs() -> None:
    first, second, third = moves.as_objects(SOME, NODES)
    assert first == {
        "database": "shop", "from": "node-a", "to": "node-b", "step": "copying", "done": 500, "total": 1000, "left": 10,
        "why": None, "since": 12, "kept": None,
    }  # fmt: skip
    assert (second["kept"], second["left"], third["why"], third["kept"]) == (40, None, "'x' has no room", None)


def test_one_line() -> None:
    told = [moves.line(one, NODES) for one in SOME]
    assert told[0] == "'shop' from node-a to node-b: copying (50 % of 1000 B, 10 s left)"
    assert told[1] == f"'wiki' from node-a to {'k' * 16}: switched (100 %, kept for 40 s)"
    assert told[2] == "'blog' from node-a to node-b: failed ('x' has no room)"
    assert moves.line(move(), NODES) == "'shop' from node-a to node-b: waiting"
    kept: Move = move(step=Step.SWITCHED, keep=5, age=50)
    assert "kept for 0 s" in moves.line(kept, NODES)
