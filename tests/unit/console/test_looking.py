"""Looking into servers, and at what moves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from dbhandler.console.inside import Moving
from dbhandler.console.looking import LOOKED, MOST, MOST_ROWS, Looking, shown_moves
from dbhandler.console.watch import Watch
from dbhandler.console.ways import Ways
from dbhandler.directory.move import Move, Step
from dbhandler.errors import Denied, Unavailable
from dbhandler.pool.moves import as_objects
from dbhandler.provisioning.overview import Row
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings
from tests.support.fakes import Clock
from tests.support.played_agent import PlayedAgent, record

ROW = Row("shop", "shop", "main", age=119, size=2048)


class PlayedWays:
    """Servers that hold rows, or refuse."""

    def __init__(self) -> None:
        self.held: Mapping[str, Any] = {"a": [ROW]}
        self.asked: list[str] = []

    def rows(self, member: Member) -> list[Row]:
        self.asked.append(member.name)
        found = self.held[member.name]
        if isinstance(found, Exception):
            raise found
        return list(found)


@pytest.fixture
def agent() -> Iterator[PlayedAgent]:
    with PlayedAgent(record("a"), record("b", "failed")) as played:
        yield played


@pytest.fixture
def watch(agent: PlayedAgent) -> Watch:
    made = Watch(lambda: Serf(agent.address), (), ConsoleSettings("127.0.0.1", 0))
    made.look()
    return made


@pytest.fixture
def ways() -> PlayedWays:
    return PlayedWays()


@pytest.fixture
def looking(watch: Watch, ways: PlayedWays, clock: Clock) -> Looking:
    return Looking(watch, cast(Ways, ways), None, None, clock)


def test_a_server_is_looked_into_once_somebody_looks_at_it(looking: Looking, watch: Watch, ways: PlayedWays) -> None:
    looking.look()
    assert ways.asked == []
    assert looking("a").rows is None and "Asking" in looking("a").note
    version = watch.version
    looking.look()
    assert watch.version == version + 1
    [row] = looking("a").rows or []
    assert (row.database, row.size, row.age) == ("shop", 2048, 60)
    looking.look()
    assert watch.version == version + 1, "nothing has changed"


def test_nobody_is_asked_for_a_page_that_is_closed(looking: Looking, ways: PlayedWays, clock: Clock) -> None:
    looking("a")
    clock.advance(LOOKED)
    looking.look()
    assert ways.asked == []


def test_pages_that_are_opened_by_thousands_cost_no_more_than_some(looking: Looking, ways: PlayedWays) -> None:
    for number in range(2000):
        looking(f"x{number}")
    looking.look()
    assert len(looking._wanted) == MOST and len(looking._known) == MOST


def test_a_server_that_cannot_be_looked_into_says_why(looking: Looking, ways: PlayedWays) -> None:
    for error in (Unavailable("it is\x1b away"), Denied("no"), OSError("broken")):
        ways.held = {"a": error}
        looking("a")
        looking.look()
        assert looking("a").trouble and "\x1b" not in looking("a").trouble
    looking("b")
    looking("nobody")
    looking.look()
    assert "does not serve" in looking("b").trouble and "does not serve" in looking("nobody").trouble


def test_of_very_many_rows_some_are_shown(looking: Looking, ways: PlayedWays) -> None:
    ways.held = {"a": [ROW] * (MOST_ROWS + 5)}
    looking("a")
    looking.look()
    assert (len(looking("a").rows or []), looking("a").more) == (MOST_ROWS, 5)


@pytest.mark.parametrize(
    ("line", "names", "more"),
    [
        ({"status": "ok", "count": 2, "databases": ["shop", "blog"]}, ["shop", "blog"], 0),
        ({"status": "ok", "count": 9, "databases": ["x\x1b" + "y" * 100, 5]}, ["x\\x1b" + "y" * 62 + "…"], 8),
        ({"status": "ok", "count": 10**30, "databases": []}, [], 1_000_000),
    ],
)  # fmt: skip
def test_without_the_secret_names_are_asked_for(
    agent: PlayedAgent, watch: Watch, line: Mapping[str, object], names: list[str], more: int
) -> None:
    agent.answers["a"] = line
    looking = Looking(watch, None, None)
    looking("a")
    looking.look()
    assert (looking("a").names, looking("a").more) == (names, more)
    assert "DBHANDLER_POOL_SECRET" in looking("a").note


@pytest.mark.parametrize("line", [{"status": "ok"}, {"status": "ok", "databases": "x", "count": 1}, {"status": "no"}])
def test_what_is_no_list_is_none(agent: PlayedAgent, watch: Watch, line: Mapping[str, object]) -> None:
    agent.answers["a"] = json.loads(json.dumps(line))
    looking = Looking(watch, None, None)
    looking("a")
    looking.look()
    assert looking("a").names is None and "has not answered" in looking("a").trouble


def test_moves_stand_on_the_pages_of_both_sides(watch: Watch, ways: PlayedWays, clock: Clock) -> None:
    under_way = [Moving("shop", "a", "z", "copying"), Moving("blog", "y", "z", "copying")]
    looking = Looking(watch, cast(Ways, ways), lambda: under_way, None, clock)
    looking("a")
    looking.look()
    assert list(looking("a").moves) == under_way[:1]


def test_a_directory_that_is_away_takes_nothing_else_away(watch: Watch, ways: PlayedWays) -> None:
    def away() -> list[Moving]:
        raise Unavailable("the directory is away")

    looking = Looking(watch, cast(Ways, ways), away)
    looking("a")
    looking.look()
    assert looking("a").rows and not looking("a").moves


def test_how_far_a_move_is() -> None:
    moves = [
        Move("shop", "s1", "s2", Step.COPYING, "x", done=50, total=200, age=10),
        Move("blog", "s1", "s2", Step.WAITING, "x", why="the target\x1b is full"),
    ]
    copying, waiting = shown_moves(as_objects(moves, {"s1": "a", "s2": "b"}))
    assert copying == Moving("shop", "a", "b", "copying", 25, 30)
    assert (waiting.done, waiting.left, "\x1b" in waiting.why) == (None, None, False)
