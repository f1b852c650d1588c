"""The backup's account: made once, looked at ever after, and never taken from somebody else."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from dbhandler.provisioning import backup_sql
from dbhandler.provisioning.backup_account import MAX_CONNECTIONS, PRIVILEGES, BackupAccount
from dbhandler.trust.backup import USER, account_password
from tests.support.fakes import RecordingServer

OLD, NEW = bytes(32), bytes([1]) * 32
READS = ("select", "show", "with")


class Holding(RecordingServer):
    """A server with an account of that password (None: without one), that holds these privileges."""

    def __init__(
        self, password: str | None, held: Collection[str] = (), needs: tuple[object, ...] = ("ANY", MAX_CONNECTIONS)
    ) -> None:
        known: list[tuple[object, ...]] = [(name.capitalize(), "Server", "") for name in PRIVILEGES["mariadb"]]
        super().__init__({
            sql.account_exists(USER): [] if password is None else [(1,)],
            backup_sql.known_privileges(): known,
            backup_sql.held_privileges(USER): [(name,) for name in held],
            backup_sql.requirements(USER): [needs],
        })  # fmt: skip
        self._password = password

    def accepts(self, user: str, password: str) -> bool:
        return (user, password) == (USER, self._password)

    @property
    def written(self) -> list[Statement]:
        return [one for one in self.executed if not one.text.lower().startswith(READS)]


def ensured(server: Holding, *secrets: bytes) -> list[Statement]:
    """What is written to make the account right."""
    BackupAccount(server, secrets or (NEW,)).ensure()  # type: ignore[arg-type]
    return server.written


def granted(*privileges: str) -> Statement:
    return backup_sql.grant(USER, sorted(privileges))


EVERYTHING = PRIVILEGES["mariadb"]
MADE = backup_sql.make_account(USER, account_password(NEW), "mariadb", MAX_CONNECTIONS)
CHANGED = backup_sql.change_account(USER, account_password(NEW), "mariadb", MAX_CONNECTIONS)


def test_it_is_made_with_tls_and_a_limit() -> None:
    assert ensured(Holding(None)) == [MADE, granted(*EVERYTHING)]
    for statement in (MADE, CHANGED):
        assert "REQUIRE SSL WITH MAX_USER_CONNECTIONS %s" in statement.text
        assert statement.secret
        assert account_password(NEW) not in map(str, statement.values)


def test_nothing_is_written_where_it_is_right() -> None:
    assert ensured(Holding(account_password(NEW), EVERYTHING)) == []


def test_the_password_follows_the_first_secret() -> None:
    assert ensured(Holding(account_password(OLD), EVERYTHING), NEW, OLD) == [CHANGED]
    assert ensured(Holding(account_password(OLD), EVERYTHING), NEW) == [CHANGED]


@pytest.mark.parametrize("needs", [("", MAX_CONNECTIONS), ("ANY", 0), ("X509", MAX_CONNECTIONS)])
def test_what_it_needs_is_mended(needs: tuple[object, ...]) -> None:
    assert ensured(Holding(account_password(NEW), EVERYTHING, needs)) == [CHANGED]


def test_its_privileges_are_mended() -> None:
    held = {*EVERYTHING, "SUPER", "GRANT OPTION"} - {"EVENT", "SELECT"}
    revoked = backup_sql.revoke(USER, ["GRANT OPTION", "SUPER"])
    assert ensured(Holding(account_password(NEW), held)) == [revoked, granted("EVENT", "SELECT")]


def test_one_that_was_made_and_got_nothing_yet_is_finished() -> None:
    assert ensured(Holding(account_password(NEW))) == [granted(*EVERYTHING)]


def test_an_applications_account_of_before_stays_its_own() -> None:
    server = Holding("its own password")
    with pytest.raises(Denied, match="an application has got it before"):
        ensured(server)
    assert server.written == []


def test_what_an_older_server_does_not_know_is_left_out() -> None:
    server = Holding(None)
    server.replies[backup_sql.known_privileges()] = [("Select", "", ""), ("Event", "", "")]
    assert ensured(server)[-1] == granted("SELECT", "EVENT")


def test_no_privilege_changes_or_locks_anything() -> None:
    for privileges in PRIVILEGES.values():
        assert not {"RELOAD", "LOCK TABLES", "PROCESS", "SUPER", "FILE", "INSERT", "EXECUTE"} & set(privileges)
