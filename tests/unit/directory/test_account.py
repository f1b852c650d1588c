"""The account by which all agents reach the directory: made once, looked at ever after, and never somebody else's."""

from __future__ import annotations

import pytest

from dbhandler.directory import directory_sql, moves_sql
from dbhandler.directory.account import DirectoryAccount
from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from dbhandler.trust.directory import USER, account_password
from tests.support.fakes import RecordingServer

OLD, NEW = bytes(32), bytes([1]) * 32
MADE = sql.create_user(USER, account_password(NEW), "mariadb", needs_tls=True)
CHANGED = sql.change_password(USER, account_password(NEW), "mariadb")


class Holding(RecordingServer):
    """A server with an account of that password (None: without one), that holds so many privileges on other things."""

    def __init__(self, password: str | None, others: int = 0, is_made: bool = True, held: int = 4) -> None:
        super().__init__({
            sql.account_exists(USER): [] if password is None else [(1,)],
            directory_sql.rights(USER): [(held, others)],
            directory_sql.is_there(): [(1,)] if is_made else [],
        })  # fmt: skip
        self._password = password

    def accepts(self, user: str, password: str) -> bool:
        return (user, password) == (USER, self._password)

    @property
    def written(self) -> list[Statement]:
        return [one for one in self.executed if not one.text.startswith("SELECT")]


def ensured(server: Holding, *secrets: bytes) -> list[Statement]:
    """What is written to make the account right."""
    DirectoryAccount(server, secrets or (NEW,)).ensure()  # type: ignore[arg-type]
    return server.written


def test_it_is_made_with_tls_after_the_directory_itself() -> None:
    server = Holding(None, is_made=False, held=0)
    assert ensured(server) == [*directory_sql.MAKINGS, moves_sql.MAKING, MADE, directory_sql.give_account()]
    assert MADE.text.endswith(" REQUIRE SSL") and MADE.secret
    assert account_password(NEW) not in map(str, MADE.values)


def test_a_directory_that_is_there_is_not_made_again() -> None:
    assert ensured(Holding(None, held=0)) == [MADE, directory_sql.give_account()]


def test_nothing_is_written_where_it_is_right() -> None:
    assert ensured(Holding(account_password(NEW))) == []
    assert ensured(Holding(account_password(NEW)), NEW, OLD) == []


def test_the_password_follows_the_first_secret() -> None:
    assert ensured(Holding(account_password(OLD)), NEW, OLD) == [CHANGED]
    assert CHANGED.secret


@pytest.mark.parametrize("password", ["its own password", account_password(OLD)])
def test_an_account_of_somebody_else_stays_its_own(password: str) -> None:
    server = Holding(password)
    with pytest.raises(Denied, match=f"^the account {USER} is not this pool's: drop or rename it$"):
        ensured(server)
    assert server.written == []


def test_one_that_may_more_gets_no_password_that_all_know() -> None:
    server = Holding(account_password(OLD), others=1)
    with pytest.raises(Denied, match=f"^the account {USER} may more than it needs: drop it, and it is made anew$"):
        ensured(server, NEW, OLD)
    assert server.written == []


def test_secrets_have_passwords_of_their_own() -> None:
    assert len({account_password(secret) for secret in (OLD, NEW)}) == 2


def test_it_may_read_and_write_the_directory_and_nothing_else() -> None:
    text, values = directory_sql.give_account().text, directory_sql.give_account().values
    assert text.startswith("GRANT SELECT, INSERT, UPDATE, DELETE ON `dbhandler_directory`.* TO ")
    assert values == (USER, "%")


def test_what_a_kill_has_left_out_is_given_later() -> None:
    for held in (0, 3):
        assert ensured(Holding(account_password(NEW), held=held)) == [directory_sql.give_account()]
