"""Whose a database is, now and at the moment that is asked for; and what is done for its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbhandler.backup import own as module
from dbhandler.backup.history import Before, Latest, Moment, Unrecoverable
from dbhandler.backup.own import OwnRestore
from dbhandler.backup.own_record import OwnRecord
from dbhandler.backup.source import Source
from dbhandler.client.connection import Connection
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.engine import sql
from dbhandler.engine.driver import pymysql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.provisioning import privilege_sql, registry_sql
from dbhandler.requests.restore_box import Wanted
from tests.support.fakes import RecordingServer, Rows

NODE = Node("db1", "10.0.0.1", 3307, lets_restore=True)
SOURCE = Source("key-0123", "db1", "mariadb", (NODE,))
WANTED = Wanted("key-0123", "sh_op", "clerk", "hunter2-hunter2", "before", "reader", "hunter3-hunter3", "latest")
FIRST, SECOND = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
BEGUN = Position.parse("0-1-5", "mariadb")


@dataclass
class World:
    """A server, as it is now or was once: the accounts with their passwords, hosts and grants, the claims on names, and
    what databases hold."""

    passwords: dict[str, str] = field(default_factory=dict)
    grants: dict[str, list[str]] = field(default_factory=dict)
    hosts: dict[str, list[str]] = field(default_factory=dict)
    claims: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)

    def add(self, database: str, user: str, password: str, claimed: datetime | None = FIRST, holds: int = 0) -> None:
        self.passwords[user], self.hosts[user] = password, ["%"]
        self.grants[user] = [database.replace("_", r"\_")]
        self.contents[database] = holds
        if claimed:
            self.claims[database] = (user, claimed)

    def execute(self, statement: Statement) -> Rows:
        return RecordingServer(self.replies()).execute(statement)

    def accepts(self, user: str, password: str) -> bool:
        return self.passwords.get(user) == password

    def replies(self) -> Mapping[Statement, Rows | Exception]:
        known: dict[Statement, Rows | Exception] = {
            privilege_sql.rules(): [("lower_case_table_names", "0")],
            registry_sql.columns(): [("name",), ("owner",)] if self.claims else [],
        }
        for user, patterns in self.grants.items():
            known[privilege_sql.databases_of(user)] = [(pattern,) for pattern in patterns]
            known[sql.hosts_of(user)] = [(host,) for host in self.hosts[user]]
        for name, (owner, claimed) in self.claims.items():
            known[registry_sql.entry(name)] = [(name, owner, None, claimed, 9)]
        for name, held in self.contents.items():
            known[privilege_sql.contents(name)] = [(held,)]
            known[sql.database_exists(name)] = [(1,)]
        return known


class Access:
    """The way to it; also its connection and cursor."""

    def __init__(self, world: World) -> None:
        self.world, self.roots, self.closed = world, Path("/run/roots.pem"), 0
        self.logins: list[tuple[str, str]] = []
        self.fails: Exception | None = None

    def lets_in(self, _node: Node, user: str, password: str, database: str) -> bool:
        self.logins.append((user, database))
        return self.world.accepts(user, password) and database in self.world.contents

    def connect(self, _node: Node, _timeout: float) -> Access:
        return self

    def close(self) -> None:
        self.closed += 1

    @contextmanager
    def cursor(self) -> Iterator[Access]:
        yield self

    def execute(self, text: str, values: tuple[object, ...]) -> None:
        if self.fails:
            raise self.fails
        self.rows = self.world.execute(Statement(text, values))

    def fetchall(self) -> Rows:
        return self.rows


class Copy:
    """A private server as the source was."""

    def __init__(self, world: World) -> None:
        self.server, self.missing = world, ["a view of another's"]

    def dump(self, database: str) -> Iterator[bytes]:
        assert database == "sh_op"
        yield b"rows"
        self.missing.append("a view of his")


class Played:
    """All of it; what is loaded is noted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.then = World(), World()
        for world in (self.now, self.then):
            world.add("sh_op", "clerk", "hunter2-hunter2", holds=3)
        self.now.add("before", "reader", "hunter3-hunter3", SECOND)
        self.access, self.record = Access(self.now), OwnRecord(folder / "done.json")
        self.moments: list[Moment] = []
        self.loaded: list[tuple[Connection, bytes]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        (folder / "key-0123").mkdir()
        self.own = OwnRestore(self.access, self._backup, folder, folder, self.record)  # type: ignore[arg-type]
        self.own.sources = [SOURCE]
        monkeypatch.setattr(module, "load", self._load)

    def _backup(self, folder: Path, source: Source) -> Played:
        assert (folder.name, source) == ("key-0123", SOURCE)
        self.source, self.logs, self.position = source, self, BEGUN
        return self

    @contextmanager
    def at(self, moment: Moment) -> Iterator[Copy]:
        self.moments.append(moment)
        self.meanwhile()
        yield Copy(self.then)

    def _load(self, dump: Iterator[bytes], connection: Connection, _folder: Path) -> list[str]:
        assert self.record.begun("id") is not None, "noted before it is begun"
        self.loaded.append((connection, b"".join(dump)))
        return ["a trigger"]


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(tmp_path, monkeypatch)


def with_(**changes: str) -> Wanted:
    return Wanted(**{**vars(WANTED), **changes})


def test_his_own_is_brought_with_his_own_account(played: Played) -> None:
    assert played.own.check("id", WANTED) is False
    # Of others' nothing is told.
    assert played.own.carry_out("id", WANTED) == ["a trigger", "a view of his"]
    [(connection, dump)] = played.loaded
    assert dump == b"rows"
    assert (connection.database, connection.user, connection.password) == ("before", "reader", "hunter3-hunter3")
    assert (connection.host, connection.port, connection.ca_file) == ("10.0.0.1", 3307, "/run/roots.pem")
    assert played.record.is_done("id") and played.access.closed == 3


def no_such_password(played: Played) -> Wanted:
    return with_(password="guessed-guessed")


def the_targets_password(played: Played) -> Wanted:
    return with_(target_password="guessed-guessed")


def anothers_name(played: Played) -> Wanted:
    return with_(user="reader", password="hunter3-hunter3")


def a_database_that_is_not_there(played: Played) -> Wanted:
    return with_(database="none")


def a_right_on_more(played: Played) -> Wanted:
    played.now.grants["clerk"].append("other")
    return WANTED


def no_grant_on_it(played: Played) -> Wanted:
    # Let in all the same: by a privilege on a table, say.
    played.now.grants["clerk"] = []
    return WANTED


def a_wildcard(played: Played) -> Wanted:
    played.now.grants["clerk"] = ["sh_op"]
    return WANTED


def an_account_of_the_owners(played: Played) -> Wanted:
    played.now.hosts["clerk"] = ["%", "localhost"]
    return WANTED


def a_target_of_another(played: Played) -> Wanted:
    played.now.grants["reader"] = ["other"]
    return WANTED


def a_target_that_is_not_empty(played: Played) -> Wanted:
    played.now.contents["before"] = 1
    return WANTED


WRONG = [
    no_such_password, the_targets_password, anothers_name, a_database_that_is_not_there, a_right_on_more,
    no_grant_on_it, a_wildcard, an_account_of_the_owners, a_target_of_another, a_target_that_is_not_empty,
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_who_is_not_the_owner_of_both_gets_nothing(wrong: object, played: Played) -> None:
    wanted = wrong(played)  # type: ignore[operator]
    for act in (played.own.check, played.own.carry_out):
        with pytest.raises(Denied) as caught:
            act("id", wanted)
        assert "hunter" not in str(caught.value) and "guessed" not in str(caught.value)
    assert not played.loaded and not played.moments


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_what_has_changed_meanwhile_counts(wrong: object, played: Played) -> None:
    if wrong in (no_such_password, the_targets_password, anothers_name, a_database_that_is_not_there):
        played.meanwhile = lambda: played.now.passwords.update(clerk="another-password")
    else:
        played.meanwhile = lambda: wrong(played)  # type: ignore[operator]
    with pytest.raises(Denied):
        played.own.carry_out("id", WANTED)
    assert played.moments and not played.loaded


def test_an_owner_who_has_taken_his_word_back_meanwhile(played: Played) -> None:
    no = Source("key-0123", "db1", "mariadb", (Node("db1", "10.0.0.1", 3307),))
    played.meanwhile = lambda: setattr(played.own, "sources", [no])
    with pytest.raises(Denied, match="DBHANDLER_ALLOW_RESTORE"):
        played.own.carry_out("id", WANTED)
    assert not played.loaded


def test_a_server_that_has_moved_meanwhile_is_reached_where_it_is(played: Played) -> None:
    moved = Source("key-0123", "db1", "mariadb", (Node("db1", "10.0.0.9", 3307, lets_restore=True),))
    played.meanwhile = lambda: setattr(played.own, "sources", [moved])
    played.own.carry_out("id", WANTED)
    assert played.loaded[0][0].host == "10.0.0.9"


def never_there(then: World) -> None:
    del then.contents["sh_op"]


def anothers(then: World) -> None:
    then.grants["clerk"], then.claims["sh_op"] = [], ("former", FIRST)


def anothers_of_the_same_name(then: World) -> None:
    then.claims["sh_op"], then.passwords["clerk"] = ("clerk", SECOND), "the-former-owner-s"


def before_there_were_claims(then: World) -> None:
    then.claims.clear()
    then.passwords["clerk"] = "the-former-owner-s"


def no_account(then: World) -> None:
    then.grants.clear()


def more_than_his(then: World) -> None:
    then.grants["clerk"].append("all")


@pytest.mark.parametrize(
    "former",
    [never_there, anothers, anothers_of_the_same_name, before_there_were_claims, no_account, more_than_his],
    ids=lambda former: former.__name__,
)
def test_what_was_not_his_then_is_not_given(former: object, played: Played) -> None:
    former(played.then)  # type: ignore[operator]
    with pytest.raises(Denied) as caught:
        played.own.carry_out("id", WANTED)
    # One sentence for all: whether there was one of somebody else's is nobody's business.
    assert str(caught.value) == "the account 'clerk' had no database 'sh_op' at that moment"
    assert not played.loaded and played.record.begun("id") is None


def test_a_password_that_was_changed_since_makes_nobody_another(played: Played) -> None:
    played.then.passwords["clerk"] = "an-older-password"
    assert played.own.carry_out("id", WANTED)


def test_a_claim_that_was_made_later_needs_the_password_of_then(played: Played) -> None:
    played.then.claims.clear()
    assert played.own.carry_out("id", WANTED)


def test_two_that_nobody_has_claimed_are_not_the_same_by_that(played: Played) -> None:
    played.now.claims.clear()
    before_there_were_claims(played.then)
    with pytest.raises(Denied, match="had no database"):
        played.own.carry_out("id", WANTED)


@pytest.mark.parametrize("nodes", [(Node("db1", "h", 1),), (NODE, Node("db2", "h", 1))])
def test_without_the_owners_word_there_is_nothing(nodes: tuple[Node, ...], played: Played) -> None:
    played.own.sources = [Source("key-0123", "db1", "mariadb", nodes)]
    with pytest.raises(Denied, match=r"the server 'db1' gives .* by DBHANDLER_ALLOW_RESTORE=1"):
        played.own.check("id", WANTED)
    assert played.access.logins == []


@pytest.mark.parametrize(
    "sources", [[], [Source("key-0123", "db1", "mariadb")], [Source("key-9", "x", "mysql", (NODE,))]]
)
def test_a_server_that_is_not_backed_up_here(sources: list[Source], played: Played) -> None:
    played.own.sources = sources
    with pytest.raises(Unavailable, match="is not backed up here, or does not serve now"):
        played.own.check("id", WANTED)


def test_a_server_whose_backup_was_forgotten(played: Played, tmp_path: Path) -> None:
    (tmp_path / "key-0123").rmdir()
    with pytest.raises(Unavailable, match="is not backed up here"):
        played.own.check("id", WANTED)


def test_a_server_that_cannot_be_read_now(played: Played) -> None:
    played.access.fails = pymysql.err.OperationalError(2013, "Lost connection")
    with pytest.raises(Unavailable, match=r"cannot be read now \(error 2013\)"):
        played.own.check("id", WANTED)
    assert played.access.closed == 1


def test_a_moment_that_is_none_is_refused_at_once(played: Played) -> None:
    with pytest.raises(InvalidRequest, match="a moment is"):
        played.own.check("id", with_(at="yesterday"))
    assert played.access.logins == []


def test_a_moment_that_is_in_no_backup(played: Played) -> None:
    def gap() -> None:
        raise Unrecoverable("known is nothing yet")

    played.meanwhile = gap
    with pytest.raises(Unrecoverable, match="known is nothing yet"):
        played.own.carry_out("id", WANTED)


def test_what_was_begun_is_begun_again_at_the_same_moment(played: Played) -> None:
    played.record.begin("id", "0-1-3")
    played.now.contents["before"] = 2
    assert played.own.check("id", WANTED) is False
    assert played.own.carry_out("id", WANTED)
    assert played.moments == [Position.parse("0-1-3", "mariadb")]


def test_what_is_done_is_done_unless_it_is_empty_by_now(played: Played) -> None:
    played.own.carry_out("id", WANTED)
    played.now.contents["before"] = 2
    assert played.own.check("id", WANTED) is True
    played.now.contents["before"] = 0
    assert played.own.check("id", WANTED) is False
    with pytest.raises(Denied, match="is not empty"):
        played.now.contents["before"] = 2
        played.own.check("another id", WANTED)


def test_the_moment_is_the_one_that_is_meant(played: Played) -> None:
    played.own.carry_out("id", with_(at="before:0-1-2"))
    assert played.moments == [Before("0-1-2")]
    assert played.own._moment("x", WANTED, played) == BEGUN  # type: ignore[arg-type]
    played.position = None  # type: ignore[assignment]
    assert played.own._moment("x", WANTED, played) == Latest()  # type: ignore[arg-type]
