"""What ends by itself: in which order, and what happens where something is away or comes between."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from dbhandler.engine import sql
from dbhandler.engine.password_hash import Way
from dbhandler.engine.sql import Statement
from dbhandler.errors import Busy, Unavailable
from dbhandler.provisioning import drop_sql, privilege_sql
from dbhandler.provisioning.account_table import MAIN, Account
from dbhandler.provisioning.leases import INTERVAL, PAUSE, Leases
from tests.support.fakes import RecordingServer, Rows

NOW = 1_000_000
READER = Account("reports", "shop", "reader", ends=NOW)
TRIAL = Account("trial", "trial", MAIN, ends=NOW)
TURNING = Account("shop", "shop", MAIN, old_until=NOW)


class Table:
    """The table in memory."""

    def __init__(self, *accounts: Account) -> None:
        self.rows = {account.user: account for account in accounts}
        self.error: Exception | None = None

    def of(self, user: str) -> Account | None:
        return self.rows.get(user)

    def granted(self, name: str) -> list[Account]:
        return [account for account in self.rows.values() if account.name == name and account.is_granted]

    def ending(self) -> list[Account]:
        if self.error:
            raise self.error
        return [account for account in self.rows.values() if account.ends or account.old_until]

    def forget(self, account: Account) -> None:
        del self.rows[account.user]

    def forget_old(self, account: Account) -> None:
        self.rows[account.user] = replace(account, old_until=None)


class Server(RecordingServer):
    """Every account exists; `meanwhile` is what others do before a statement is carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {"reports", "trial", "shop", "tester"}
        self.open_sessions: list[tuple[int, str]] = []

    def execute(self, statement: Statement) -> Rows:
        rows = super().execute(statement)
        if statement == privilege_sql.sessions():
            return [(number, user, "host", None) for number, user in self.open_sessions]
        return rows

    def ways(self, user: str) -> list[Way]:
        is_locked = drop_sql.lock(user, locked=True) in self.executed
        ways = [Way("mysql_native_password", "*NEW", is_locked), Way("mysql_native_password", "*OLD", is_locked)]
        return ways if user in self.known else []


@dataclass
class World:
    table: Table
    server: Server = field(default_factory=Server)
    now: int = NOW
    event_clock: int | None = 7
    may_drop: bool = True
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leases = Leases(
            self.server, self, self, threading.Lock(), lambda: self.event_clock, self.may_drop,  # type: ignore[arg-type]
            lambda account: self.ended.append(account.user),
        )  # fmt: skip
        self.leases._table = self.table  # type: ignore[assignment]
        self.leases._passwords._table = self.table  # type: ignore[assignment]
        self.leases._passwords._now = lambda: self.now
        self.leases._clock = Clock(self)  # type: ignore[assignment]

    def full(self) -> None:
        raise OSError(28, "No space left on device")

    def end(self, database: str, account: str, ltime: int) -> None:
        self.asked.append((database, account, ltime))
        raise Busy("ask again", 1.0)


@dataclass
class Clock:
    world: World

    def now(self) -> int:
        return self.world.now

    def keep(self) -> None:
        pass


def test_an_account_goes_before_its_sessions_and_is_forgotten_last() -> None:
    world = World(Table(READER))
    world.server.open_sessions = [(5, "reports"), (6, "shop")]
    assert world.leases.look() == INTERVAL
    changes = [statement for statement in world.server.executed if statement.text.startswith(("DROP", "KILL"))]
    assert changes == [sql.drop_user("reports"), privilege_sql.end_session(5)]
    assert (world.table.rows, world.ended) == ({}, ["reports"])


@pytest.mark.parametrize("left", [1, 200, 100_000])
def test_the_next_look_is_when_the_next_one_ends(left: int) -> None:
    world = World(Table(replace(READER, ends=NOW + left)))
    assert world.leases.look() == min(INTERVAL, left / 1000)
    assert world.table.rows and not world.ended
    world.now += left
    world.leases.look()
    assert world.ended == ["reports"]


def test_what_was_prolonged_meanwhile_stays() -> None:
    world = World(Table(READER))
    prolonged = replace(READER, ends=NOW + 5000)
    world.table.of = lambda _user: prolonged  # type: ignore[assignment, method-assign]
    world.leases.look()
    assert sql.drop_user("reports") not in world.server.executed and not world.ended


def test_while_the_server_is_away_it_is_asked_again_soon() -> None:
    world = World(Table(READER))
    world.table.error = Unavailable("away")
    assert world.leases.look() == PAUSE
    world.table.error = None
    world.leases.look()
    assert world.ended == ["reports"]


def test_one_that_cannot_be_ended_keeps_no_other_from_it_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(Table(READER, Account("other", "shop", "writer", ends=NOW)))
    world.server.replies[sql.drop_user("reports")] = Unavailable("not now")
    assert world.leases.look() == PAUSE
    assert world.leases.look() == PAUSE
    assert world.ended == ["other"]
    assert caplog.text.count("cannot be ended yet: not now") == 1
    del world.server.replies[sql.drop_user("reports")]
    world.leases.look()
    assert world.ended == ["other", "reports"]


def test_a_former_password_ends_and_the_new_one_stays() -> None:
    world = World(Table(TURNING))
    world.leases.look()
    assert sql.drop_old_password("shop", "mariadb", "*NEW") in world.server.executed
    assert world.table.rows["shop"].old_until is None


def test_a_former_password_that_is_another_one_by_now_stays() -> None:
    world = World(Table(TURNING))
    world.table.of = lambda _user: replace(TURNING, old_until=NOW + 5000)  # type: ignore[assignment, method-assign]
    world.leases.look()
    assert sql.drop_old_password("shop", "mariadb", "*NEW") not in world.server.executed


def test_a_database_lets_nobody_in_before_its_drop_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World(Table(TRIAL, Account("tester", "trial", "writer")))
    world.server.open_sessions = [(1, "trial"), (2, "tester"), (3, "shop")]
    assert world.leases.look() == PAUSE
    for user in ("trial", "tester"):
        assert drop_sql.lock(user, locked=True) in world.server.executed
    assert {privilege_sql.end_session(1), privilege_sql.end_session(2)} <= set(world.server.executed)
    assert privilege_sql.end_session(3) not in world.server.executed
    assert world.asked == [("trial", "trial", 7)]
    # It is not asked for again at once, nor locked, and told of when it is done.
    world.leases.look()
    assert world.server.executed.count(drop_sql.lock("trial", locked=True)) == 1
    assert len(world.asked) == 1 and "has ended" not in caplog.text
    world.table.rows.clear()
    world.leases.look()
    # The drop is told of by whoever drops.
    assert "the database 'trial' has ended" in caplog.text and not world.ended


def test_without_serf_a_database_waits_and_nobody_gets_in() -> None:
    world = World(Table(TRIAL), event_clock=None)
    world.leases.look()
    assert drop_sql.lock("trial", locked=True) in world.server.executed and not world.asked
    world.event_clock = 9
    world.leases.look()
    assert world.asked == [("trial", "trial", 9)]


def test_a_server_that_drops_nothing_any_more_lets_nobody_in_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    world = World(Table(TRIAL), may_drop=False)
    world.leases.look()
    assert drop_sql.lock("trial", locked=True) in world.server.executed and not world.asked
    assert "DBHANDLER_ALLOW_DROP" in caplog.text


def test_an_account_that_was_never_made_is_not_locked() -> None:
    world = World(Table(replace(TRIAL, user="ghost")))
    world.leases.look()
    assert drop_sql.lock("ghost", locked=True) not in world.server.executed
    assert world.asked == [("trial", "ghost", 7)]


def test_a_full_disk_keeps_nobody_alive() -> None:
    world = World(Table(READER))
    world.leases._clock.keep = world.full  # type: ignore[method-assign]
    world.leases.look()
    assert world.ended == ["reports"]


def test_the_thread_ends_when_it_is_told_to() -> None:
    stop = threading.Event()
    stop.set()
    world = World(Table())
    world.leases.run(stop)
    assert not world.server.executed
