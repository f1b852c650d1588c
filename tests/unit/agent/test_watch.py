"""What the agent knows of the server."""

from __future__ import annotations

import pytest

from dbhandler.agent.watch import COUNT_INTERVAL, ServerWatch
from dbhandler.engine import group_sql, sql
from dbhandler.errors import Resting, ServerError, Unavailable
from dbhandler.requests.vocabulary import ServerState
from tests.support.fakes import Clock, RecordingServer


@pytest.fixture
def server() -> RecordingServer:
    return RecordingServer({sql.server_facts(): [("10.11.1-MariaDB", 3306, 0)]})


@pytest.fixture
def accounts() -> set[str]:
    """Holds something once the accounts are made."""
    return {"admin"}


@pytest.fixture
def watch(server: RecordingServer, accounts: set[str], clock: Clock) -> ServerWatch:
    return ServerWatch(server, "mariadb", lambda: bool(accounts), clock)  # type: ignore[arg-type]


def later(watch: ServerWatch, clock: Clock) -> str:
    """The state after the next look."""
    clock.advance(10)
    watch.look()
    return watch.state


def test_before_the_first_look_the_server_is_starting(watch: ServerWatch) -> None:
    assert watch.tags() == {"mysql": ServerState.STARTING, "engine": "mariadb"}
    assert (watch.port, watch.version) == (None, None)


def test_a_server_with_its_accounts_is_ready(watch: ServerWatch) -> None:
    watch.look()
    tags = {"mysql": ServerState.READY, "engine": "mariadb", "version": "10.11.1-MariaDB", "port": "3306"}
    assert watch.tags() == tags
    assert (watch.port, watch.version) == (3306, "10.11.1-MariaDB")


def test_a_server_without_its_accounts_is_starting(watch: ServerWatch, accounts: set[str], clock: Clock) -> None:
    accounts.clear()
    assert later(watch, clock) == ServerState.STARTING
    accounts.add("admin")
    assert later(watch, clock) == ServerState.READY


def test_a_server_that_served_is_down_when_away_and_ready_when_back(
    server: RecordingServer, watch: ServerWatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    facts = server.replies[sql.server_facts()]
    assert later(watch, clock) == ServerState.READY
    for error in (Unavailable("away"), ServerError("no", 1)):
        server.replies[sql.server_facts()] = error
        assert later(watch, clock) == ServerState.DOWN
        assert later(watch, clock) == ServerState.DOWN
        server.replies[sql.server_facts()] = facts
        assert later(watch, clock) == ServerState.READY
    assert caplog.messages == [f"the database server is {state}" for state in [ServerState.DOWN, ServerState.READY] * 2]


def test_a_server_that_never_answered_is_starting_not_down(
    server: RecordingServer, watch: ServerWatch, clock: Clock
) -> None:
    server.replies[sql.server_facts()] = Unavailable("away")
    assert later(watch, clock) == ServerState.STARTING


def test_the_server_is_asked_no_more_often_than_the_interval_says(
    server: RecordingServer, watch: ServerWatch, clock: Clock
) -> None:
    watch.look()
    asked = len(server.executed)
    clock.advance(watch.interval * 0.9)
    watch.look()
    assert len(server.executed) == asked
    clock.advance(watch.interval * 0.2)
    watch.look()
    assert len(server.executed) == 2 * asked


def test_the_reason_is_known_while_the_server_is_not_ready(
    server: RecordingServer, watch: ServerWatch, accounts: set[str], clock: Clock
) -> None:
    facts = server.replies[sql.server_facts()]
    accounts.clear()
    assert (later(watch, clock), watch.reason) == (ServerState.STARTING, "its accounts have not been made yet")
    server.replies[sql.server_facts()] = Unavailable("it does not answer")
    assert (later(watch, clock), watch.reason) == (ServerState.STARTING, "it does not answer")
    server.replies[sql.server_facts()] = facts
    accounts.add("admin")
    assert (later(watch, clock), watch.reason) == (ServerState.READY, None)


def test_a_server_that_goes_down_is_noted_once_a_start_is_not(server: RecordingServer, clock: Clock) -> None:
    noted: list[str] = []
    watch = ServerWatch(server, "mariadb", lambda: True, clock, noted.append)  # type: ignore[arg-type]
    facts = server.replies[sql.server_facts()]
    for reply in (Unavailable("not yet"), facts, Unavailable("away"), Unavailable("still away"), facts):
        server.replies[sql.server_facts()] = reply
        later(watch, clock)
    assert noted == ["away"]


def test_databases_are_counted_now_and_then_by_who_wants_it(server: RecordingServer, clock: Clock) -> None:
    watch = ServerWatch(server, "mariadb", lambda: True, clock, counting=True)  # type: ignore[arg-type]
    server.replies[sql.databases()] = [("a",), ("b",)]
    watch.look()
    assert watch.databases == 2
    server.replies[sql.databases()] = []
    clock.advance(COUNT_INTERVAL - 1)
    watch.look()
    assert watch.databases == 2
    clock.advance(1)
    watch.look()
    assert watch.databases == 0
    server.replies[sql.server_facts()] = Unavailable("away")
    assert later(watch, clock) == ServerState.DOWN
    databases: int | None = watch.databases
    assert databases is None


def test_databases_are_not_counted_unasked(server: RecordingServer, watch: ServerWatch) -> None:
    watch.look()
    assert watch.databases is None
    assert sql.databases() not in server.executed


def test_a_server_that_rests_is_down_and_no_error(server: RecordingServer, clock: Clock) -> None:
    noted: list[str] = []
    watch = ServerWatch(server, "mariadb", lambda: True, clock, noted.append)  # type: ignore[arg-type]
    watch.look()
    server.replies[sql.server_facts()] = Resting("others serve meanwhile")
    assert later(watch, clock) == ServerState.DOWN
    assert (watch.reason, noted) == ("others serve meanwhile", [])


def test_a_server_that_must_not_serve_is_asked_nothing_and_not_ready(server: RecordingServer, clock: Clock) -> None:
    forbidden = [Unavailable("it is behind the others")]

    def check() -> None:
        if forbidden:
            raise forbidden[0]

    watch = ServerWatch(server, "mariadb", lambda: True, clock, check=check)  # type: ignore[arg-type]
    assert (later(watch, clock), watch.reason, server.executed) == (
        ServerState.STARTING, "it is behind the others", [],
    )  # fmt: skip
    allowed = forbidden.pop()
    assert (later(watch, clock), watch.reason) == (ServerState.READY, None)
    forbidden.append(allowed)
    assert (later(watch, clock), watch.reason) == (ServerState.DOWN, "it is behind the others")


def test_it_is_prepared_once_before_it_is_ready(server: RecordingServer, accounts: set[str], clock: Clock) -> None:
    states: list[ServerState] = []

    def prepare() -> None:
        states.append(built.state)

    built = ServerWatch(server, "mariadb", lambda: bool(accounts), clock, prepare=prepare)  # type: ignore[arg-type]
    accounts.clear()
    later(built, clock)
    assert states == []
    accounts.add("admin")
    for _ in range(3):
        later(built, clock)
    assert states == [ServerState.STARTING]


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_replica_is_no_server_that_requests_are_for(clock: Clock, engine: str) -> None:
    server = RecordingServer({sql.server_facts(): [("9.7.4", 3306, 1)], group_sql.sources(engine): [("db1",)]})
    watch = ServerWatch(server, engine, lambda: True, clock)  # type: ignore[arg-type]
    assert later(watch, clock) == ServerState.REPLICA
    assert watch.is_replica and watch.reason and "ask its source" in watch.reason
    assert watch.tags() == {"role": "replica", "mysql": "replica", "engine": engine, "version": "9.7.4", "port": "3306"}
    assert not watch.outdated
    # Promoted by its owner, it is a server like any other; its sessions learn it by a refusal.
    server.replies[sql.server_facts()] = [("9.7.4", 3306, 0)]
    assert later(watch, clock) == ServerState.READY
    assert not watch.outdated
    assert "role" not in watch.tags() and watch.reason is None
    server.replies[sql.server_facts()] = [("9.7.4", 3306, 1)]
    later(watch, clock)
    assert watch.outdated


def test_a_replica_that_is_not_initialised_prepares_nothing(server: RecordingServer, clock: Clock) -> None:
    prepared: list[None] = []
    built = ServerWatch(server, "mariadb", lambda: True, clock, prepare=lambda: prepared.append(None))  # type: ignore[arg-type]
    server.replies |= {sql.server_facts(): [("11.8", 3306, 1)], group_sql.sources("mariadb"): [("db1",)]}
    assert later(built, clock) == ServerState.REPLICA
    assert prepared == []


def test_a_server_that_its_owner_keeps_from_being_written_to_is_waited_for(
    server: RecordingServer, watch: ServerWatch, clock: Clock
) -> None:
    watch.look()
    server.replies[sql.server_facts()] = [("11.8", 3306, 1)]
    assert later(watch, clock) == ServerState.DOWN
    # It holds what no other server does: it stays a database server, which is missed.
    assert "role" not in watch.tags()
    assert watch.reason == "nobody is to write to this server (read_only)"
