"""Which sessions are ended: those that reach what is not theirs any more."""

from __future__ import annotations

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.sessions import Sessions
from tests.support.fakes import RecordingServer, Rows


def ended(server: RecordingServer) -> list[object]:
    return [statement.values[0] for statement in server.executed if statement.text.startswith("KILL")]


def session(number: int, user: str, database: str | None = "shop") -> tuple[object, ...]:
    """A row as the server shows it."""
    return (number, user, "10.0.0.1:4711", database, "Sleep", 0, "", None)


@pytest.fixture
def server() -> RecordingServer:
    sessions = [
        session(7, "eve"), session(8, "eve"), session(9, "root"), session(10, "app"), session(11, "bob", None),
        session(12, "ann", "SHOP"), session(1, "system user", None),
    ]  # fmt: skip
    server = RecordingServer({privilege_sql.sessions(): sessions, privilege_sql.reads_everything("root"): [(1,)]})
    server.replies.update({sql.hosts_of(user): [("%",)] for user in ("root", "app", "bob", "ann")})
    return server


@pytest.fixture
def sessions(server: RecordingServer) -> Sessions:
    return Sessions(server)  # type: ignore[arg-type]


def test_former_owners_are_sent_out_of_a_database(server: RecordingServer, sessions: Sessions) -> None:
    server.replies[privilege_sql.end_session(7)] = ServerError("it has just ended", 1094)
    sessions.end_in("shop", "app")
    assert ended(server) == [7, 8]


def test_a_session_that_cannot_be_ended_is_told(server: RecordingServer, sessions: Sessions) -> None:
    server.replies[privilege_sql.end_session(7)] = ServerError("may not", 1095)
    with pytest.raises(ServerError):
        sessions.end_in("shop", "app")


def test_sessions_of_accounts_that_are_no_more_are_ended(server: RecordingServer, sessions: Sessions) -> None:
    sessions.end_orphans()
    assert ended(server) == [7, 8]


@pytest.mark.parametrize(
    ("statement", "rows"),
    [(sql.hosts_of(""), [("%",)]), (sql.hosts_of("eve"), [("%",)])],
    ids=["anonymous", "there"],
)
def test_who_may_be_there_stays(server: RecordingServer, sessions: Sessions, statement: Statement, rows: Rows) -> None:
    server.replies[statement] = rows
    sessions.end_orphans()
    assert ended(server) == []


def test_a_former_account_is_not_the_next_one_of_that_name(server: RecordingServer, sessions: Sessions) -> None:
    sessions.end_of("eve")
    assert ended(server) == [7, 8]


def test_a_nodes_check_goes_on_when_they_cannot_be_seen(server: RecordingServer, sessions: Sessions) -> None:
    checked: list[int] = []
    check = sessions.kept(lambda: checked.append(1))
    check()
    server.replies[privilege_sql.sessions()] = ServerError("no", 1)
    check()
    assert (checked, ended(server)) == ([1, 1], [7, 8])
