"""What the agent knows of the server."""

from __future__ import annotations

import pytest
from fakes import Clock, RecordingServer

from dbhandler import sql
from dbhandler.errors import ServerError, Unavailable
from dbhandler.watch import DOWN, READY, STARTING, ServerWatch


@pytest.fixture
def server() -> RecordingServer:
    return RecordingServer({sql.server_facts(): [("10.11.1-MariaDB", 3306)]})


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
    assert watch.tags() == {"mysql": STARTING, "engine": "mariadb"}
    assert (watch.port, watch.version) == (None, None)


def test_a_server_with_its_accounts_is_ready(watch: ServerWatch) -> None:
    watch.look()
    tags = {"mysql": READY, "engine": "mariadb", "version": "10.11.1-MariaDB", "port": "3306"}
    assert watch.tags() == tags
    assert (watch.port, watch.version) == (3306, "10.11.1-MariaDB")


def test_a_server_without_its_accounts_is_starting(watch: ServerWatch, accounts: set[str], clock: Clock) -> None:
    accounts.clear()
    assert later(watch, clock) == STARTING
    accounts.add("admin")
    assert later(watch, clock) == READY


def test_a_server_that_served_is_down_when_away_and_ready_when_back(
    server: RecordingServer, watch: ServerWatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    facts = server.replies[sql.server_facts()]
    assert later(watch, clock) == READY
    for error in (Unavailable("away"), ServerError("no", 1)):
        server.replies[sql.server_facts()] = error
        assert later(watch, clock) == DOWN
        assert later(watch, clock) == DOWN
        server.replies[sql.server_facts()] = facts
        assert later(watch, clock) == READY
    assert caplog.messages == [f"the database server is {state}" for state in (READY, DOWN, READY, DOWN, READY)]


def test_a_server_that_never_answered_is_starting_not_down(
    server: RecordingServer, watch: ServerWatch, clock: Clock
) -> None:
    server.replies[sql.server_facts()] = Unavailable("away")
    assert later(watch, clock) == STARTING


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
