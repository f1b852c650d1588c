"""What is done with a server so that it becomes, and stays, a member of its group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dbhandler.engine import group_sql, sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError, Unavailable
from dbhandler.group.replication.orders import Order, Orders
from dbhandler.group.replication.tender import MAX_CONNECTIONS, PATIENCE, PRIVILEGES, Tender
from dbhandler.provisioning import backup_sql
from dbhandler.trust.group import USER, account_password
from tests.support.fakes import Clock, FakeProcess, RecordingServer, Rows
from tests.support.group_nodes import HISTORY

SECRETS = (bytes(32), bytes([1]) * 32)
STARTS = [group_sql.start(USER, account_password(secret)) for secret in SECRETS]
ON, OFF = group_sql.bootstrap(on=True), group_sql.bootstrap(on=False)


def rows(state: str) -> Rows:
    return [("aa", state, "PRIMARY", 1, HISTORY)]


class FakeServer(RecordingServer):
    engine = "mysql"
    password = account_password(SECRETS[0])

    def accepts(self, user: str, password: str) -> bool:
        return (user, password) == (USER, self.password)


class Made:
    """The tender under test, and what it looks at."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock, self.orders, self.process = clock, Orders(folder), FakeProcess()
        self.server = FakeServer(
            {
                sql.account_exists(USER): [(1,)],
                backup_sql.requirements(USER): [("ANY", MAX_CONNECTIONS)],
                backup_sql.held_privileges(USER): [(name,) for name in PRIVILEGES],
                backup_sql.known_privileges(): [(name,) for name in PRIVILEGES],
            }
        )
        self.tender = Tender(self.server, self.orders, self.process, SECRETS, clock)  # type: ignore[arg-type]

    def looks(self, state: str | Exception) -> Sequence[Statement]:
        """Looks once at a server in that state; returns what it changes."""
        self.server.executed.clear()
        self.server.replies[group_sql.members()] = state if isinstance(state, Exception) else rows(state)
        self.tender.look()
        return [one for one in self.server.executed if not one.text.startswith(("SELECT", "SHOW"))]


@pytest.fixture
def made(tmp_path: Path, clock: Clock) -> Made:
    return Made(tmp_path, clock)


def test_it_begins_the_group_once(made: Made) -> None:
    made.orders.give(Order(begins=True))
    assert made.looks("OFFLINE") == [ON, STARTS[0], OFF]
    assert made.looks("OFFLINE") == []


def test_it_joins_with_the_password_that_the_others_take(made: Made) -> None:
    made.orders.give(Order(begins=False, password=1))
    assert made.looks("OFFLINE") == [STARTS[1]]


def test_a_beginning_that_fails_leaves_no_server_that_may_begin(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.orders.give(Order(begins=True))
    made.server.replies[STARTS[0]] = ServerError("the database server refused (error 3092)", 3092)
    assert made.looks("OFFLINE") == [ON, STARTS[0], OFF]
    assert "cannot begin its group: the database server refused (error 3092)" in caplog.text
    assert account_password(SECRETS[0]) not in caplog.text


def test_a_server_without_an_order_starts_anew_after_a_while(made: Made) -> None:
    for state in ("OFFLINE", "ERROR"):
        assert made.looks(state) == []
    assert made.process.ended == 0
    made.clock.advance(PATIENCE)
    made.looks("ERROR")
    assert made.process.ended == 1
    made.looks("OFFLINE")
    assert made.process.ended == 1


def test_one_that_joins_or_is_in_is_let_alone(made: Made) -> None:
    for state in ("RECOVERING", "ONLINE", "UNREACHABLE", "RECOVERING"):
        made.looks(state)
        made.clock.advance(PATIENCE)
    made.looks("OFFLINE")
    assert made.process.ended == 0


def test_a_new_life_of_the_server_has_its_patience_anew(made: Made) -> None:
    made.looks("OFFLINE")
    made.clock.advance(PATIENCE)
    made.looks(Unavailable("it does not answer"))
    made.looks("OFFLINE")
    assert made.process.ended == 0


def test_who_is_in_makes_the_account_that_others_join_by(made: Made) -> None:
    assert made.looks("ONLINE") == []
    made.server.replies[sql.account_exists(USER)] = []
    assert made.looks("ONLINE") == [], "it was right a moment ago"
    made.looks(Unavailable("another life"))
    made.server.replies[backup_sql.held_privileges(USER)] = []
    create, grant = made.looks("ONLINE")
    assert create.text.startswith("CREATE USER IF NOT EXISTS") and "REQUIRE SSL" in create.text
    assert create.values[0] == USER and account_password(SECRETS[0]) not in str(create.values)
    assert grant == backup_sql.grant(USER, sorted(PRIVILEGES))


def test_it_insists_on_an_end_that_was_asked_for(made: Made) -> None:
    made.looks("ONLINE")
    assert made.process.insisted == 1
