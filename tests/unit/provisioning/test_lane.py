"""The lane: who waits, who is told what, and that a box drops one database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbhandler.audit.record import Entry
from dbhandler.errors import Busy, DbHandlerError, ServerError
from dbhandler.provisioning import lane as module
from dbhandler.provisioning.lane import EXPIRY_INTERVAL, STALE, WAITING, Lane
from dbhandler.provisioning.provision import Outcome
from dbhandler.provisioning.trash import Trash
from dbhandler.requests.box import Credentials
from dbhandler.requests.vocabulary import Status
from tests.support.fakes import Clock


@dataclass
class FakeDrops:
    """Drops at once, or as `act` says."""

    trash: Trash
    node: str = ""
    act: Callable[[str], str | None] = lambda name: f"{name}.sql.gz"
    done: list[str] = field(default_factory=list)
    looks: int = 0
    settled: bool = True

    def carry_out(self, asker: Credentials, ltime: int) -> str | None:
        self.done.append(asker.database)
        return self.act(asker.database)

    def look_after(self) -> bool:
        self.looks += 1
        return self.settled

    def dumps_in_use(self) -> set[str]:
        return set()


@pytest.fixture
def drops(tmp_path: Path) -> FakeDrops:
    return FakeDrops(Trash(tmp_path / "trash", lambda name: ["true"], 7))


@pytest.fixture
def told() -> list[Entry]:
    return []


@pytest.fixture
def lane(drops: FakeDrops, clock: Clock, monkeypatch: pytest.MonkeyPatch, told: list[Entry]) -> Lane:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    return Lane(drops, clock, told.append)  # type: ignore[arg-type]


def asker(name: str) -> Credentials:
    return Credentials(name, name, "a password of some length")


def ask(lane: Lane, name: str, box: bytes = b"box") -> Outcome:
    return lane.ask(asker(name), 42, box)


def begun(lane: Lane, name: str, box: bytes = b"box") -> None:
    with pytest.raises(Busy, match="being dropped: ask again"):
        ask(lane, name, box)


def failed(lane: Lane, drops: FakeDrops, error: Exception) -> None:
    """Has a drop of `shop` end with the error, as all others will."""

    def fail(_name: str) -> str:
        raise error

    drops.act = fail
    begun(lane, "shop")
    lane.look()


def test_asked_again_it_is_done_once(lane: Lane, drops: FakeDrops) -> None:
    begun(lane, "shop", b"one")
    begun(lane, "shop", b"two")
    lane.look()
    assert drops.done == ["shop"]
    told = Outcome(Status.DROPPED, "shop", "shop", dump="shop.sql.gz")
    # Whoever sends one of its boxes again, even when the name is another database's by then, drops nothing.
    assert lane.used(b"one") == lane.used(b"two") == told
    assert lane.used(b"three") is None


def test_the_first_waits_for_a_short_drop(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 10.0)
    stop = threading.Event()
    thread = threading.Thread(target=lane.run, args=(stop,))
    thread.start()
    try:
        assert ask(lane, "shop").status == "dropped"
    finally:
        stop.set()
        thread.join()


def test_a_failure_is_told_once_and_the_next_one_tries_anew_without_waiting(
    lane: Lane, drops: FakeDrops, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(lane, drops, ServerError("no room"))
    with pytest.raises(ServerError, match="no room"):
        ask(lane, "shop")
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    begun(lane, "shop")
    lane.look()
    assert drops.done == ["shop", "shop"]


def test_a_defect_of_ours_is_a_failure_and_ends_no_thread(
    lane: Lane, drops: FakeDrops, caplog: pytest.LogCaptureFixture
) -> None:
    failed(lane, drops, KeyError("x"))
    with pytest.raises(DbHandlerError, match="the log says more"):
        ask(lane, "shop")
    assert "the drop of 'shop' failed (KeyError)" in caplog.messages


def test_one_that_nobody_asks_for_any_more_is_not_begun(lane: Lane, drops: FakeDrops, clock: Clock) -> None:
    begun(lane, "shop")
    clock.advance(STALE + 1)
    lane.look()
    assert drops.done == []
    begun(lane, "shop")
    lane.look()
    assert drops.done == ["shop"]


def test_only_so_many_wait(lane: Lane) -> None:
    for number in range(WAITING + 1):
        begun(lane, f"shop{number}")
    with pytest.raises(Busy, match="wait to be dropped"):
        ask(lane, "one_more")


def test_what_is_left_is_looked_after_until_it_is_settled(lane: Lane, drops: FakeDrops, clock: Clock) -> None:
    drops.settled = False
    lane.look()
    lane.look()
    drops.settled = True
    lane.look()
    lane.look()
    assert drops.looks == 3


def test_dumps_expire_by_the_clock(lane: Lane, drops: FakeDrops, clock: Clock, told: list[Entry]) -> None:
    lane.look()
    drops.trash.folder.mkdir()
    old = drops.trash.folder / "old-20200101T000000Z.sql.gz"
    old.touch()
    drops.trash.days = 0
    lane.look()
    assert old.exists()
    clock.advance(EXPIRY_INTERVAL + 1)
    lane.look()
    assert not old.exists()
    assert told == [Entry("expire", "expired", origin="trash", dump=old.name)]


def test_where_no_dumps_are_kept_none_is_told(lane: Lane, drops: FakeDrops) -> None:
    drops.trash.days = 0
    begun(lane, "shop")
    lane.look()
    assert lane.used(b"box") == Outcome(Status.DROPPED, "shop", "shop")
