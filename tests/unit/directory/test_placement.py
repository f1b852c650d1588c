"""Where a new database goes: evenly, whoever asks, and first to whom applications ask first."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from dbhandler.directory.placement import EMPTY, MOST_TOLD, place, refusal
from dbhandler.directory.standing import Standing
from dbhandler.requests.weight import weight
from dbhandler.requests.where import Where
from tests.support.directories import standing

SERVERS = [standing(f"key{number}") for number in range(20)]
NAMES = [f"shop{number}" for number in range(300)]
ANYWHERE = Where()


def placed(name: str, servers: list[Standing], where: Where = ANYWHERE) -> str:
    found = place(name, servers, where)
    assert found is not None
    return found.server.server


def first_of(name: str, servers: list[Standing]) -> str:
    """Whom an application asks first."""
    return max((one.server for one in servers), key=lambda server: weight(server, name))


def test_ten_thousand_databases_are_even_and_mostly_where_they_are_asked_for_first() -> None:
    servers, at_first = {one.server: one for one in SERVERS}, 0
    for number in range(10_000):
        name = f"shop{number}"
        chosen = placed(name, list(servers.values()))
        servers[chosen] = replace(servers[chosen], names=servers[chosen].names + 1)
        at_first += chosen == first_of(name, SERVERS)
    counts = [one.names for one in servers.values()]
    assert sum(counts) == 10_000
    assert all(450 <= count <= 550 for count in counts), counts
    assert at_first > 9_000


def test_everybody_chooses_the_same_whatever_the_order() -> None:
    loaded = [replace(one, names=7 * number % 50) for number, one in enumerate(SERVERS)]
    for name in NAMES:
        assert place(name, loaded, ANYWHERE) == place(name, loaded[::-1], ANYWHERE)
    assert len({placed(name, loaded) for name in NAMES}) > 10


@pytest.mark.parametrize(
    "change",
    [{"full": "holds too much"}, {"most": 5, "names": 5}, {"most": 5, "names": 6}, {"labels": frozenset({"hdd"})},
     {"engine": "mysql"}],
)  # fmt: skip
def test_who_takes_none_or_is_none_of_those_gets_none(change: dict[str, object]) -> None:
    where = Where(frozenset({"ssd"}), "mariadb")
    fit = [replace(one, labels=frozenset({"ssd", "eu"})) for one in SERVERS[:4]]
    wrong = replace(fit[0], **change)  # type: ignore[arg-type]
    assert wrong.server in {placed(name, fit, where) for name in NAMES}
    assert {placed(name, [wrong, *fit[1:]], where) for name in NAMES} == {one.server for one in fit[1:]}
    assert place("shop", [wrong], where) is None


def test_below_its_limit_a_server_takes_one() -> None:
    assert placed("shop", [replace(SERVERS[0], most=5, names=4)]) == "key0"


@pytest.mark.parametrize(
    ("figure", "much"), [("names", 100), ("bytes", 10**10), ("connections", 100)], ids=["names", "bytes", "connections"]
)
def test_of_two_the_more_loaded_one_loses(figure: str, much: int) -> None:
    loaded, other = replace(SERVERS[0], **{figure: much}), SERVERS[1]  # type: ignore[arg-type]
    for name in NAMES:
        found = place(name, [loaded, other], ANYWHERE)
        assert found is not None and found.server == other
        assert found.why.startswith("it is not more" if first_of(name, SERVERS[:2]) == "key1" else "it is less")


def test_a_difference_that_is_none_leaves_it_to_who_is_asked_first() -> None:
    slightly = [replace(SERVERS[0], names=1), SERVERS[1]]
    empty = [replace(SERVERS[0], bytes=EMPTY[1] // 50), SERVERS[1]]
    for servers in (slightly, empty, SERVERS[:2]):
        assert [placed(name, servers) for name in NAMES] == [first_of(name, SERVERS[:2]) for name in NAMES]


def test_a_choice_says_why_with_the_figures_of_both() -> None:
    servers = [standing("a", names=40, bytes=2_500_000, connections=3), standing("b", names=2, node="b\n")]
    name = next(name for name in NAMES if first_of(name, servers) == "a")
    found = place(name, servers, ANYWHERE)
    assert found is not None and found.why == (
        "it is less loaded than 'node-a' (2 databases, 0 MB, 0 connections against 40 databases, 2 MB, 3 connections)"
    )
    even = place(name, [standing("a"), servers[1]], ANYWHERE)
    assert even is not None and even.why == (
        "it is not more loaded than 'b\\n' (0 databases, 0 MB, 0 connections against 2 databases, 0 MB, 0 connections)"
    )
    alone = place(name, servers[:1], ANYWHERE)
    assert alone is not None and alone.why == "it is the only one that takes it"


def test_a_server_that_is_added_gets_its_share_and_changes_nothing_else() -> None:
    names = [f"shop{number}" for number in range(2000)]
    before = {name: placed(name, SERVERS) for name in names}
    after = {name: placed(name, [*SERVERS, standing("new")]) for name in names}
    moved = [name for name in names if before[name] != after[name]]
    assert {after[name] for name in moved} == {"new"}
    assert 75 <= len(moved) <= 115


def test_an_empty_server_that_is_added_to_loaded_ones_gets_twice_its_share() -> None:
    loaded = [replace(one, names=1000, bytes=10**10, connections=200) for one in SERVERS]
    before = Counter(placed(name, loaded) for name in NAMES)
    after = Counter(placed(name, [*loaded, standing("new")]) for name in NAMES)
    # It wins against whoever is drawn with it, and it is one of two among 21 servers.
    assert 15 <= after["new"] <= 45
    assert all(after[one.server] <= before[one.server] + after["new"] for one in SERVERS)


def test_it_is_told_why_nobody_gets_it() -> None:
    full = [standing(f"s{number}", full="holds 9 bytes and allows 8 (X)") for number in range(MOST_TOLD + 2)]
    assert refusal([], ANYWHERE) == "no server of the pool is ready"
    assert refusal(full, Where(frozenset({"ssd", "eu"}), "mysql")) == (
        "no server of the pool that is ready now has 'eu', 'ssd', 'engine=mysql'"
    )
    assert refusal([standing("a", most=3, names=3), full[0]], ANYWHERE) == (
        "no server of the pool has room: 'node-a' holds 3 databases and allows 3; 'node-s0' holds 9 bytes and allows 8 "
        "(X)"
    )
    many = refusal(full, ANYWHERE)
    assert "'node-s4' holds" in many and "'node-s5'" not in many and many.endswith("; 2 more are full, too")
    assert "more are full" not in refusal(full[:MOST_TOLD], ANYWHERE)
    # Who has not the labels is not told of.
    labelled = standing("l", labels=frozenset({"ssd"}), full="is full")
    assert refusal([*full, labelled], Where(frozenset({"ssd"}))) == "no server of the pool has room: 'node-l' is full"
