"""From the spool to the worker: in order, nothing lost, nothing in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.agent.drain import IDLE_WAIT, RETRY_FIRST, RETRY_MOST, SpoolDrain
from dbhandler.errors import Busy, Unavailable
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.payload import Request
from dbhandler.requests.vocabulary import Status
from dbhandler.spool import FAILED, Spool
from tests.support.fakes import Clock


class FakeWorker:
    """Notes the names it has carried out; fails with what a test sets, after so many seconds."""

    def __init__(self, clock: Clock) -> None:
        self.done: list[bytes] = []
        self.idled = 0
        self.tried: list[bytes] = []
        self.delays: list[str] = []
        self.origins: list[str] = []
        self.error: Exception | None = None
        self.poison: dict[bytes, Exception] = {}
        self.seconds: dict[bytes, float] = {}
        self._clock = clock

    def requests(self, payload: bytes, origin: str) -> tuple[Request, ...] | Outcome:
        if payload == b"refused":
            return Outcome(Status.INVALID)
        if payload == b"unreadable":
            raise KeyError("a defect of ours")
        return tuple(Request(name) for name in payload.decode().split())

    def carry_out(self, wanted: Request, origin: str, ltime: int = 0) -> None:
        name = wanted.database.encode()
        self.tried.append(name)
        self.origins.append(origin)
        self._clock.advance(self.seconds.get(name, 0.0))
        if error := self.poison.get(name) or self.error:
            raise error
        self.done.append(name)

    def tell_delay(self, origin: str, wanted: Request, error: Busy) -> None:
        self.delays.append(f"{origin} {wanted.database} {error}")

    def idle(self) -> None:
        self.idled += 1


class World:
    """A drain with all that it touches."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock, self.spool, self.worker = clock, Spool(str(folder)), FakeWorker(clock)
        self.drain = SpoolDrain(self.spool, self.worker, clock)  # type: ignore[arg-type]

    def put(self, *payloads: bytes) -> None:
        for number, payload in enumerate(payloads):
            self.spool.put("create_db", number, payload)

    def drain_all(self) -> None:
        """Steps until there is nothing to do now."""
        for _ in range(10_000):
            if not self.drain.step():
                return
        raise AssertionError("it never comes to rest")

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
        tried = len(world.worker.tried)
        world.drain.step()
        assert len(world.worker.tried) == tried + 1
        world.clock.advance(expected * 0.9)
        world.drain.step()
        assert len(world.worker.tried) == tried + 1
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


def test_an_event_that_cannot_be_carried_out_for_its_own_reason_lets_the_others_pass(world: World) -> None:
    world.put(b"full", b"a", b"b")
    world.worker.poison[b"full"] = Busy("its account has no connection left", 5.0)
    world.drain_all()
    assert (world.worker.done, world.waiting()) == ([b"a", b"b"], [b"full"])
    assert world.worker.delays == ["event create_db #0: full its account has no connection left"]


def test_an_event_that_stepped_aside_is_tried_again_when_it_may_be_and_not_before(world: World) -> None:
    world.put(b"full")
    world.worker.poison[b"full"] = Busy("later", 5.0)
    world.drain_all()
    assert world.drain.wait() == IDLE_WAIT
    world.clock.advance(4.9)
    world.drain_all()
    assert world.worker.tried == [b"full"]
    assert world.drain.wait() == pytest.approx(0.1)
    world.worker.poison.clear()
    world.clock.advance(0.2)
    world.drain_all()
    assert (world.worker.done, world.waiting()) == ([b"full"], [])


def test_those_that_stepped_aside_keep_their_order(world: World) -> None:
    world.put(b"a", b"b", b"c")
    world.worker.error = Busy("later", 1.0)
    world.drain_all()
    world.worker.error = None
    world.clock.advance(2.0)
    world.drain_all()
    assert world.worker.done == [b"a", b"b", b"c"]


def test_a_delay_is_told_once(world: World) -> None:
    world.put(b"full")
    world.worker.poison[b"full"] = Busy("later", 0.1)
    for _ in range(10):
        world.drain_all()
        world.clock.advance(1.0)
    assert len(world.worker.delays) == 1


def test_of_one_event_the_names_that_can_be_are_served_now_and_no_name_twice(world: World) -> None:
    world.put(b"full a b")
    world.worker.poison[b"full"] = Busy("later", 0.1)
    world.drain_all()
    assert (world.worker.done, world.waiting()) == ([b"a", b"b"], [b"full a b"])
    world.worker.poison.clear()
    world.clock.advance(1.0)
    world.drain_all()
    assert (world.worker.done, world.waiting()) == ([b"a", b"b", b"full"], [])


def test_an_event_of_many_names_is_handled_name_by_name(world: World) -> None:
    world.put(b"a b c")
    assert world.drain.step()
    assert (world.worker.done, world.waiting()) == ([b"a"], [b"a b c"])


def test_an_event_of_many_locked_names_holds_the_others_up_for_one_of_them_only(world: World) -> None:
    world.put(b"l1 l2 l3 l4", b"good")
    for name in (b"l1", b"l2", b"l3", b"l4"):
        world.worker.poison[name], world.worker.seconds[name] = Busy("locked", 10.0), 2.0
    began = world.clock.now
    while not world.worker.done:
        assert world.drain.step()
    assert world.clock.now - began == 2.0


def test_second_tries_that_wait_for_a_lock_take_a_fifth_of_the_time_at_most(world: World) -> None:
    names = [f"l{number}".encode() for number in range(20)]
    world.put(*names)
    for name in names:
        world.worker.poison[name], world.worker.seconds[name] = Busy("locked", 10.0), 2.0
    world.drain_all()
    world.clock.advance(30.0)
    began, tried = world.clock.now, len(world.worker.tried)
    while world.clock.now < began + 200.0:
        world.drain.step()
        world.clock.advance(0.1)
    assert 2.0 * (len(world.worker.tried) - tried) <= 200.0 / 5 + 2.0


def test_first_tries_do_not_wait_for_many_second_ones(world: World) -> None:
    world.put(*(f"f{number}".encode() for number in range(100)))
    world.worker.error = Busy("later", 0.1)
    world.drain_all()
    world.clock.advance(10.0)
    world.worker.error = None
    world.put(b"new")
    steps = 0
    while b"new" not in world.worker.done:
        world.drain.step()
        steps += 1
    assert steps <= 2


def test_what_stepped_aside_is_still_in_the_spool_after_a_kill(world: World, clock: Clock) -> None:
    world.put(b"full")
    world.worker.poison[b"full"] = Busy("later", 5.0)
    world.drain_all()
    fresh = World(Path(world.spool.folder), clock)
    fresh.drain_all()
    assert fresh.worker.done == [b"full"]


def test_a_refused_event_is_done_with(world: World) -> None:
    world.put(b"refused", b"a")
    world.drain_all()
    assert (world.worker.done, world.waiting()) == ([b"a"], [])


def test_a_payload_that_trips_over_a_defect_is_set_aside(world: World) -> None:
    world.put(b"unreadable", b"a")
    world.drain_all()
    assert (world.worker.done, world.waiting()) == ([b"a"], [])
    assert list(Path(world.spool.folder, FAILED).iterdir())
