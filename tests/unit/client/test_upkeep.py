"""What goes on beside a program: when a lease is renewed, when a password is changed, and what becomes of failures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client.connection import Connection
from dbhandler.client.state import State, StateFile
from dbhandler.client.upkeep import LOOK, Chore, Rotation, Upkeep, renewal, rotation
from dbhandler.errors import Denied, InvalidRequest, TryLater, Unavailable
from tests.support.fakes import Clock

CONNECTION = Connection("shop", "10.0.0.2", 3306, "shop", "the first password")


class Lease:
    """A lease as a server keeps it: `renewed` records when it got another end, `fails` says what comes instead."""

    def __init__(self, clock: Clock, ttl: float) -> None:
        self.clock, self.ttl, self.ends, self.renewed = clock, ttl, clock() + ttl, list[float]()
        self.fails: Callable[[], Exception | None] = lambda: None
        self.tried: list[float] = []

    def renew(self) -> None:
        self.tried.append(self.clock() - 1000)
        if error := self.fails():
            raise error
        self.renewed.append(self.clock() - 1000)
        self.ends = self.clock() + self.ttl


def played(lease: Lease, ends_in: float | None = None) -> tuple[Upkeep, list[str]]:
    lines: list[str] = []
    chore = renewal(lease.renew, lease.ttl, lease.ttl if ends_in is None else ends_in, lease.clock())
    return Upkeep([chore], lines.append, lease.clock), lines


def passes(upkeep: Upkeep, clock: Clock, seconds: float) -> None:
    """Lets so many seconds pass, and the upkeep sleep as it wants to."""
    end = clock() + seconds
    while (wait := upkeep.step()) <= end - clock():
        clock.advance(wait)
    clock.now = end


def test_a_lease_is_renewed_at_each_third_of_its_time(clock: Clock) -> None:
    lease = Lease(clock, 90)
    upkeep, lines = played(lease)
    passes(upkeep, clock, 100)
    assert lease.renewed == [30, 60, 90] and not lines


@pytest.mark.parametrize(("ends_in", "first"), [(90, 30.0), (61, 1.0), (60, 0.0), (5, 0.0), (900, 840.0)])
def test_what_was_there_is_renewed_when_two_thirds_are_left(clock: Clock, ends_in: float, first: float) -> None:
    """A program that is started again, or with another ttl, does not wait until it is too late."""
    lease = Lease(clock, 90)
    upkeep, _ = played(lease, ends_in)
    passes(upkeep, clock, first)
    assert lease.renewed == [first]
    passes(upkeep, clock, 31)
    assert lease.renewed == [first, first + 30]


def test_a_server_that_is_away_is_asked_again_until_it_is_back(clock: Clock) -> None:
    lease = Lease(clock, 3600)
    lease.fails = lambda: Unavailable("nobody answers") if clock() < 1000 + 1500 else None
    upkeep, lines = played(lease)
    passes(upkeep, clock, 1600)
    assert lease.tried == [1200 + 30 * number for number in range(11)] and lease.renewed == [1500]
    # Once a minute is enough.
    assert lines == ["the lease cannot be renewed: nobody answers"] * 5 + ["the lease is renewed again"]
    assert lease.ends == 1000 + 1500 + 3600


def test_a_short_lease_is_tried_often_enough(clock: Clock) -> None:
    lease = Lease(clock, 3)
    lease.fails = lambda: TryLater("not yet")
    upkeep, lines = played(lease)
    passes(upkeep, clock, 2.9)
    assert len(lease.tried) >= 8 and len(lines) == 1


def test_a_refusal_is_told_and_asked_again_seldom(clock: Clock) -> None:
    lease = Lease(clock, 3600)
    lease.fails = lambda: Denied("it is not yours")
    upkeep, lines = played(lease)
    passes(upkeep, clock, 2000)
    assert lease.tried == [1200, 1500, 1800]
    assert lines == ["the lease cannot be renewed: it is not yours"] * 3


def test_another_reason_is_told_at_once(clock: Clock) -> None:
    lease, reasons = Lease(clock, 3600), iter("aab")
    lease.fails = lambda: Unavailable(next(reasons))
    upkeep, lines = played(lease)
    passes(upkeep, clock, 1270)
    assert [line[-1] for line in lines] == ["a", "b"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ZeroDivisionError("a secret")])
def test_nothing_that_fails_ends_it(clock: Clock, error: Exception) -> None:
    lease = Lease(clock, 90)
    lease.fails = lambda: error if clock() < 1040 else None
    upkeep, lines = played(lease)
    passes(upkeep, clock, 50)
    assert len(lease.renewed) == 1 and "secret" not in str(lines)
    assert lines[0].endswith(("No space left on device", "ZeroDivisionError")) and lines[-1].endswith("renewed again")


def test_what_nobody_reads_any_more_ends_nothing(clock: Clock) -> None:
    lease = Lease(clock, 90)
    lease.fails = lambda: Unavailable("x")

    def closed(_line: str) -> None:
        raise BrokenPipeError

    upkeep = Upkeep([renewal(lease.renew, 90, 90, clock())], closed, clock)
    passes(upkeep, clock, 60)
    assert len(lease.tried) > 1


def test_one_chore_s_failure_is_none_of_another(clock: Clock) -> None:
    lease, other = Lease(clock, 90), Lease(clock, 90)
    lease.fails = lambda: InvalidRequest("x")
    upkeep = Upkeep([renewal(one.renew, 90, 90, clock()) for one in (lease, other)], lambda _: None, clock)
    passes(upkeep, clock, 61)
    assert other.renewed == [30, 60] and not lease.renewed


def test_the_time_that_asking_takes_is_no_delay(clock: Clock) -> None:
    lease = Lease(clock, 90)
    act = lease.renew

    def slow() -> None:
        act()
        clock.advance(10)

    upkeep = Upkeep([renewal(slow, 90, 90, clock())], lambda _: None, clock)
    passes(upkeep, clock, 65)
    assert lease.renewed == [30, 60]


def test_it_goes_on_until_it_is_stopped() -> None:
    done, stop = threading.Event(), threading.Event()

    def act() -> float:
        done.set()
        return 3600.0

    thread = threading.Thread(target=Upkeep([Chore(act, "", "", 1, 0.0)], print), args=(stop,))
    thread.start()
    assert done.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


# --- passwords ---


class Password:
    """A state file, and whoever changes the password in it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.file, self.clock = StateFile(folder / "state"), clock
        self.handed: list[Connection] = []
        self.changes = 0
        key = "A" * 43 + "="
        self.file.save(State("shop", "shop", CONNECTION.password, key=key, changed=int(clock())))
        self.rotation = Rotation(
            self.file, 100, self.rotate, self.ask, self.handed.append, CONNECTION.password, clock
        )  # fmt: skip

    def rotate(self) -> Connection | None:
        state = self.file.known()
        if self.clock() - (state.changed or 0) < 100:
            return None
        self.changes += 1
        self.file.save(replace(state, password=f"password {self.changes}", changed=int(self.clock())))
        return self.ask()

    def ask(self) -> Connection:
        return replace(CONNECTION, password=self.file.known().password)


@pytest.fixture
def password(tmp_path: Path, clock: Clock) -> Password:
    return Password(tmp_path, clock)


def test_a_password_is_handed_out_whenever_it_is_changed(password: Password, clock: Clock) -> None:
    upkeep = Upkeep([rotation(password.rotation, 100, clock())], lambda _: None, clock)
    passes(upkeep, clock, 250)
    assert [connection.password for connection in password.handed] == ["password 1", "password 2"]
    assert password.file.known().changed == 1200


def test_it_is_looked_at_now_and_then(password: Password, clock: Clock) -> None:
    assert password.rotation() == LOOK
    clock.advance(95)
    assert password.rotation() == 5


def test_what_another_process_has_changed_is_handed_out_too(password: Password, clock: Clock) -> None:
    password.file.save(replace(password.file.known(), password="another one's"))
    password.rotation()
    password.rotation()
    assert [connection.password for connection in password.handed] == ["another one's"] and not password.changes


def test_what_could_not_be_handed_out_is_tried_again(password: Password, clock: Clock) -> None:
    fails = True

    def hand_out(connection: Connection) -> None:
        if fails:
            raise OSError(28, "No space left on device")
        password.handed.append(connection)

    kept = Rotation(password.file, 100, password.rotate, password.ask, hand_out, CONNECTION.password, clock)
    lines: list[str] = []
    upkeep = Upkeep([rotation(kept, 100, clock())], lines.append, clock)
    passes(upkeep, clock, 101)
    assert password.changes == 1 and lines and "No space" in lines[0]
    fails = False
    passes(upkeep, clock, 31)
    assert [connection.password for connection in password.handed] == ["password 1"]
    assert lines[-1] == "the password can be changed again"
