"""Taking the measure of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from dbhandler.console.history import History
from dbhandler.console.measuring import SIZES, Measured, Measuring, values
from dbhandler.console.scraped import Counted, Counts
from dbhandler.console.sight import ServerView, Sight
from dbhandler.console.watch import Watch
from dbhandler.console.ways import Ways
from dbhandler.errors import Unavailable
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings
from dbhandler.status.servers import ServerStatus
from tests.support.fakes import Clock
from tests.support.played_agent import PlayedAgent, record

NOW = 1_800_000_000.0


def view(node: str, databases: int = 2, state: str = "ready", believed: bool = True) -> ServerView:
    status = ServerStatus(node, True, state, databases=databases, spool=1)
    return ServerView(node, state, True, status=status, believed=believed)


def counts(created: float, denied: float, seconds: float = 0.0, timed: float = 0.0) -> Counts:
    requests = (Counted("create_db", "created", created), Counted("drop_db", "denied", denied))
    return Counts(requests, seconds, timed)


def test_what_is_there_of_each_and_of_all() -> None:
    sight = Sight((view("a"), view("b", 3, "down"), view("x", 99, believed=False)))
    found = values(sight, {}, {"a": Measured(NOW, {"Threads_connected": 5.0}, 2048.0)})
    assert found["total/servers"] == 3 and found["total/ready"] == 2
    assert found["total/databases"] == 5 and found["server/b/databases"] == 3
    assert found["total/bytes"] == 2048 and found["server/a/connections"] == 5
    assert not [name for name in found if "/x/" in name]


def test_what_grows_is_told_by_the_second() -> None:
    before = Measured(
        NOW, {"Questions": 100.0, "Slow_queries": 5.0, "wsrep_flow_control_paused_ns": 0.0}, None, counts(10, 1)
    )
    now = Measured(
        NOW + 10, {"Questions": 150.0, "Slow_queries": 4.0, "wsrep_flow_control_paused_ns": 5e9}, None,
        counts(30, 2, 4.0, 8.0),
    )  # fmt: skip
    found = values(Sight((view("a"),)), {"a": before}, {"a": now})
    assert found["server/a/queries"] == 5.0 and found["server/a/pause"] == 0.5
    assert found["server/a/slow"] == 0.0, "it has started anew"
    assert (found["total/requests/created"], found["total/requests/denied"]) == (2.0, 0.1)
    assert found["total/latency"] == 0.5 and "total/taken" not in found and "total/timed" not in found


def test_a_first_measurement_tells_nothing_of_what_grows() -> None:
    found = values(Sight((view("a"),)), {}, {"a": Measured(NOW, {"Questions": 5.0}, None, counts(1, 1))})
    assert not [name for name in found if "queries" in name or "requests" in name or "latency" in name]


class PlayedWays:
    """Servers that tell figures, or do not."""

    def __init__(self) -> None:
        self.away, self.sized = False, 0

    def figures(self, member: Member) -> Mapping[str, float]:
        if self.away:
            raise Unavailable("it is away")
        return {"Questions": 5.0}

    def size(self, member: Member) -> int:
        self.sized += 1
        return 100 * self.sized


@pytest.fixture
def watch() -> Iterator[Watch]:
    with PlayedAgent(record("a"), record("b", "failed")) as agent:
        made = Watch(lambda: Serf(agent.address), (), ConsoleSettings("127.0.0.1", 0))
        made.look()
        made.ask()
        yield made


def test_it_is_noted_and_sizes_seldom(watch: Watch, tmp_path: Path) -> None:
    clock, history, ways = Clock(NOW), History(tmp_path), PlayedWays()
    measuring = Measuring(watch, history, cast(Ways, ways), None, None, clock)
    for _ in range(SIZES + 1):
        measuring.measure()
        clock.advance(15)
    assert ways.sized == 2
    assert [value for _, value in history.read(["total/bytes"], NOW, NOW + 3600)["total/bytes"]][-2:] == [100.0, 200.0]
    ways.away = True
    measuring.measure()
    assert measuring.counts("a") is None and measuring.counts("nobody") is None


def test_before_anything_is_seen_nothing_is_noted(tmp_path: Path) -> None:
    with PlayedAgent() as agent:
        watch = Watch(lambda: Serf(agent.address), (), ConsoleSettings("127.0.0.1", 0))
        Measuring(watch, History(tmp_path), None, None, None).measure()
    assert History(tmp_path).names("") == []
