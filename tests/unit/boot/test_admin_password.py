"""Another password for the administrator: which one is valid for how long, and that no database ends with it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.boot.admin import PASSWORD_LENGTH
from dbhandler.boot.admin_password import LEAST_KEPT, AdminPassword
from dbhandler.engine import sql
from dbhandler.engine.password_hash import Way, matches, stored
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater
from dbhandler.provisioning import own_table
from dbhandler.provisioning.account_table import ADMIN, MAIN, Account, AccountTable
from dbhandler.provisioning.passwords import Passwords
from tests.support.fakes import RecordingServer, Rows

NOW = 1_000_000_000
FORMER = "the former password"
PLUGINS = {"mariadb": "mysql_native_password", "mysql": "caching_sha2_password"}


class Server(RecordingServer):
    """Knows one account by how it logs in, and the rows of the table of accounts."""

    def __init__(self, engine: str = "mariadb") -> None:
        super().__init__({own_table.exists("dbhandler_boxes"): [(1,)]})
        self.engine = engine
        self.kept = [Way(PLUGINS[engine], stored(FORMER, engine), False)]
        self.rows: dict[str, tuple[object, ...]] = {}
        self.somebody_else = False

    def ways(self, user: str) -> list[Way]:
        return list(self.kept) if user == "admin" else []

    def accepts(self, user: str, password: str) -> bool:
        return user == "admin" and any(matches(password, way) for way in self.kept)

    def execute(self, statement: Statement) -> Rows:
        text, values = statement.text, statement.values
        if text.startswith("ALTER USER"):
            self._alter(text, values)
        elif text.startswith("REPLACE INTO mysql.dbhandler_accounts"):
            self.rows[str(values[0])] = values
        elif text.startswith("INSERT INTO mysql.dbhandler_accounts"):
            user, name, role, until, _ = values
            before = self.rows.get(str(user), (user, name, role, None))
            self.rows[str(user)] = (*before[:4], until)
        elif text.startswith("UPDATE mysql.dbhandler_accounts SET old_until = NULL"):
            self.rows = {user: (*row[:4], None) if row[4] == values[1] else row for user, row in self.rows.items()}
        elif text.startswith("DELETE FROM mysql.dbhandler_accounts WHERE user = %s AND role IN (%s, %s)"):
            user, *roles = values
            row = self.rows.get(str(user))
            if row and row[2] in roles and row[3:] == (None, None):
                del self.rows[str(user)]
        elif text.startswith("DELETE FROM mysql.dbhandler_accounts WHERE user = %s"):
            self.rows.pop(str(values[0]), None)
        elif text.startswith("SELECT user, name"):
            return [self.rows[str(values[0])]] if values and values[0] in self.rows else []
        return super().execute(statement)

    def _alter(self, text: str, values: tuple[object, ...]) -> None:
        [present, *former] = self.kept
        made = [replace(present, stored=str(value)) for value in values[2:]]
        if self.somebody_else:
            self.kept = [replace(present, stored=stored("somebody else's password", self.engine))]
        elif text.endswith("RETAIN CURRENT PASSWORD"):
            self.kept = [*made, present]
        elif text.endswith("DISCARD OLD PASSWORD"):
            self.kept = [present]
        else:
            # MySQL keeps a former password with a new one.
            self.kept = [*made, *former] if self.engine == "mysql" else made

    @property
    def row(self) -> Account | None:
        return AccountTable(self).of("admin")  # type: ignore[arg-type]


@pytest.fixture(params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server(request.param)


def change(server: Server, keep_old: int, user: str = "admin", now: int = NOW, pending: Path = Path("/none")) -> str:
    return AdminPassword(server, user, lambda: now, pending).change(keep_old)  # type: ignore[arg-type]


def test_the_former_password_is_valid_beside_the_new_one_and_then_no_more(server: Server) -> None:
    password = change(server, 600)
    assert len(password) == PASSWORD_LENGTH
    assert server.accepts("admin", password) and server.accepts("admin", FORMER)
    assert server.row == Account("admin", "", ADMIN, None, NOW + 600_000)
    # As the agent does when its time has come.
    Passwords(server, lambda: NOW + 600_000, threading.Lock()).end_former(server.row)  # type: ignore[arg-type]
    assert server.accepts("admin", password) and not server.accepts("admin", FORMER)
    assert server.row is None


def test_it_is_noted_before_there_are_two(server: Server) -> None:
    server.rows["admin"] = ("admin", "", ADMIN, None, None)
    change(server, 600)
    texts = [statement.text.split()[0] for statement in server.executed]
    assert texts.index("REPLACE") < texts.index("ALTER")


def test_at_once_there_is_one_password_and_nothing_is_left_to_end(server: Server) -> None:
    change(server, 600)
    password = change(server, 0)
    assert [matches(password, way) for way in server.kept] == [True]
    assert server.row is None


def test_of_three_passwords_the_first_is_gone(server: Server) -> None:
    second, third = change(server, 600), change(server, 1200)
    assert [server.accepts("admin", password) for password in (FORMER, second, third)] == [False, True, True]
    assert server.row == Account("admin", "", ADMIN, None, NOW + 1_200_000)


def test_nobody_takes_its_row_for_a_databases_account() -> None:
    row = Account("admin", "", ADMIN, None, NOW)
    assert not row.is_granted
    assert row.role != MAIN and row.ends is None


def test_the_row_of_a_database_is_not_forgotten_with_its_former_password() -> None:
    server = Server()
    server.rows["clerk"] = ("clerk", "shop", MAIN, 5, NOW)
    AccountTable(server).forget_old(Account("clerk", "shop", MAIN, 5, NOW))  # type: ignore[arg-type]
    assert server.rows == {"clerk": ("clerk", "shop", MAIN, 5, None)}


@pytest.mark.parametrize("left", [LEAST_KEPT - 1, 0, -1])
@pytest.mark.parametrize("keep_old", [0, 600])
def test_while_the_agent_may_be_ending_a_former_one_nothing_is_changed(left: int, keep_old: int) -> None:
    server = Server()
    server.rows["admin"] = ("admin", "", ADMIN, None, NOW + left * 1000)
    refused(server, TryLater, "ends in this minute", keep_old)


@pytest.mark.parametrize("left", [LEAST_KEPT, -LEAST_KEPT])
def test_one_that_ends_later_or_should_have_long_ended_is_in_nobodys_way(left: int) -> None:
    server = Server()
    server.rows["admin"] = ("admin", "", ADMIN, None, NOW + left * 1000)
    assert server.accepts("admin", change(server, 0))


def refused(server: Server, kind: type[DbHandlerError], said: str, keep_old: int = 600, pending: str = "/none") -> None:
    before = dict(server.rows), list(server.kept)
    with pytest.raises(kind, match=said):
        change(server, keep_old, pending=Path(pending))
    assert (server.rows, server.kept) == before


def test_before_the_first_password_is_told_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "pending").write_text("generated")
    refused(Server(), TryLater, "has not been told yet", pending=str(tmp_path / "pending"))


def test_an_account_that_is_not_there_is_not_made() -> None:
    server = Server()
    with pytest.raises(InvalidRequest, match="there is no account 'boss'@'%'"):
        change(server, 600, user="boss")
    assert server.rows == {}


@pytest.mark.parametrize("way", [Way("ed25519", "x", False), Way("mysql_native_password", "", False)])
def test_what_is_no_password_cannot_be_kept_but_replaced(way: Way) -> None:
    server = Server()
    server.kept = [way]
    refused(server, Denied, "no password that could be kept .*--keep-old 0")
    server.kept = [replace(way, plugin="mysql_native_password")]
    assert server.accepts("admin", change(server, 0))


def test_a_password_that_came_to_nothing_is_not_told(server: Server) -> None:
    server.somebody_else = True
    with pytest.raises(TryLater, match="by somebody else just now"):
        change(server, 600)


def test_no_statement_carries_the_password(server: Server) -> None:
    password = change(server, 600)
    assert not any(password in str(statement.values) for statement in server.executed)
    assert sql.drop_user("admin") not in server.executed
