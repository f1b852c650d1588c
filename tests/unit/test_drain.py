"""From the spool to the worker: in order, nothing lost, nothing in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Clock

from dbhandler.drain import IDLE_WAIT, RETRY_FIRST, RETRY_MOST, SpoolDrain
from dbhandler.errors import Unavailable
from dbhandler.spool import FAILED, Spool


class FakeWorker:
    """Notes the payloads it has carried out; fails with what a test sets."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.idled = 0
        self.tried = 0
        self.origins: list[str] = []
        self.error: Exception | None = None
        self.poison: dict[bytes, Exception] = {}

    def create(self, payload: bytes, origin: str, ltime: int = 0) -> None:
        self.tried += 1
        self.origins.append(origin)
        if error := self.poison.get(payload) or self.error:
            raise error
        self.done.append(payload)

    def idle(self) -> None:
        self.idled += 1


class World:
    """A drain with all that it touches."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock, self.spool, self.worker = clock, Spool(str(folder)), FakeWorker()
        self.drain = SpoolDrain(self.spool, self.worker, clock)  # type: ignore[arg-type]

    def put(self, *payloads: bytes) -> None:
        for number, payload in enumerate(payloads):
            self.spool.put("create_db", number, payload)

    def waiting(self) -> list[bytes]:
        return [self.spool.read(entry) for entry in self.spool.entries()]


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> World:
    return World(tmp_path, clock)


def test_events_are_handled_one_by_one_in_order_of_arrival(world: World) -> None:
    world.put(b"b", b"a", b"c")
    assert world.drain.step()
    assert (world.worker.done, world.waiting()) == ([b"b"], [b"a", b"c"])
    while world.drain.step():
        assert not world.worker.idled
    assert (world.worker.done, world.waiting()) == ([b"b", b"a", b"c"], [])
    assert world.worker.idled


def test_events_that_arrive_meanwhile_are_handled_too(world: World) -> None:
    world.put(b"a")
    world.drain.step()
    world.put(b"b")
    assert world.drain.step()
    assert world.worker.done == [b"a", b"b"]


def test_an_empty_spool_is_nothing_to_do(world: World) -> None:
    assert not world.drain.step()
    assert world.drain.wait() == IDLE_WAIT


def test_the_log_will_name_the_event_and_its_time(world: World) -> None:
    world.spool.put("create_db", 77, b"a")
    world.drain.step()
    assert world.worker.origins == ["event create_db #77:"]


def test_while_the_server_is_away_events_wait_in_order(world: World) -> None:
    world.put(b"a", b"b")
    world.worker.error = Unavailable("away")
    for _ in range(10):
        assert not world.drain.step()
        world.clock.advance(RETRY_MOST)
    assert world.waiting() == [b"a", b"b"]
    world.worker.error = None
    while world.drain.step():
        pass
    assert (world.worker.done, world.waiting()) == ([b"a", b"b"], [])


def test_it_waits_twice_as_long_after_each_failure_up_to_a_limit(world: World) -> None:
    world.put(b"a")
    world.worker.error = Unavailable("away")
    expected = RETRY_FIRST
    for _ in range(10):
        tried = world.worker.tried
        world.drain.step()
        assert world.worker.tried == tried + 1
        world.clock.advance(expected * 0.9)
        world.drain.step()
        assert world.worker.tried == tried + 1
        world.clock.advance(expected * 0.2)
        expected = min(expected * 2, RETRY_MOST)


def test_after_a_success_it_starts_with_short_waits_again(world: World) -> None:
    world.put(b"a", b"b")
    world.worker.error = Unavailable("away")
    for _ in range(5):
        world.drain.step()
        world.clock.advance(RETRY_MOST)
    world.worker.error = None
    assert world.drain.step()
    world.worker.error = Unavailable("away")
    world.drain.step()
    assert world.drain.wait() == pytest.approx(RETRY_FIRST)


def test_it_never_sleeps_past_its_next_try(world: World) -> None:
    world.put(b"a")
    world.worker.error = Unavailable("away")
    for _ in range(10):
        world.drain.step()
        assert 0 < world.drain.wait() <= IDLE_WAIT
        world.clock.advance(RETRY_MOST)


def test_one_outage_is_one_warning(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put(b"a", b"b")
    world.worker.error = Unavailable("the server is away")
    for _ in range(5):
        world.drain.step()
        world.clock.advance(RETRY_MOST)
    assert caplog.messages == ["2 event(s) wait: the server is away"]


def test_what_cannot_be_handled_is_set_aside_and_told_and_the_next_is_served(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.put(b"bad", b"good")
    name = world.spool.entries()[0].name
    world.worker.poison[b"bad"] = KeyError("a defect of ours that quotes hunter2")
    assert world.drain.step()
    assert world.drain.step()
    assert (world.worker.done, world.waiting()) == ([b"good"], [])
    assert Path(world.spool.folder, FAILED, name).read_bytes() == b"bad"
    [record] = caplog.records
    assert (record.levelname, name in record.getMessage()) == ("ERROR", True)
    assert "hunter2" not in record.getMessage()


def test_what_can_be_neither_handled_nor_set_aside_waits(world: World) -> None:
    world.put(b"bad")
    world.worker.poison[b"bad"] = KeyError("x")
    Path(world.spool.folder, FAILED).touch()
    assert not world.drain.step()
    assert world.waiting() == [b"bad"]


def test_an_event_that_somebody_else_has_finished_is_passed_over(world: World) -> None:
    world.put(b"a", b"b", b"c")
    world.drain.step()
    world.spool.remove(world.spool.entries()[0])
    while world.drain.step():
        pass
    assert world.worker.done == [b"a", b"c"]


def test_a_spool_that_cannot_be_read_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put(b"a")
    folder = Path(world.spool.folder)
    away = folder.rename(folder.with_name("away"))
    assert not world.drain.step()
    assert "No such file or directory" in caplog.text
    away.rename(folder)
    world.clock.advance(RETRY_MOST)
    assert world.drain.step()
    assert world.worker.done == [b"a"]


def test_an_event_whose_handling_was_killed_is_handled_again(world: World, clock: Clock) -> None:
    world.put(b"a")
    world.worker.poison[b"a"] = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        world.drain.step()
    fresh = World(Path(world.spool.folder), clock)
    assert fresh.drain.step()
    assert fresh.worker.done == [b"a"]
