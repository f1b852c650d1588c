"""The clock that leases end by, on machines whose own is set to and fro."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.provisioning.lease_clock import KEEP_INTERVAL, LeaseClock
from tests.support.fakes import Clock


class Machine:
    """Its clock, which somebody may set, and the seconds since it was started."""

    def __init__(self, folder: Path) -> None:
        self.wall, self.steady, self.path = Clock(1_000_000.0), Clock(50.0), folder / "lease-clock"

    def clock(self) -> LeaseClock:
        return LeaseClock(self.path, self.wall, self.steady)

    def passes(self, seconds: float) -> None:
        self.wall.advance(seconds)
        self.steady.advance(seconds)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_the_machines_time(machine: Machine) -> None:
    clock = machine.clock()
    assert clock.now() == 1_000_000_000
    machine.passes(2.5)
    assert clock.now() == 1_000_002_500


def test_set_back_it_goes_on(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall.advance(-3600)
    machine.passes(10)
    assert clock.now() == 1_000_010_000


def test_set_forward_it_follows_and_stays_there(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall.advance(3600)
    assert clock.now() == 1_003_600_000
    machine.wall.advance(-3600)
    machine.passes(1)
    assert clock.now() == 1_003_601_000


def test_set_back_while_nobody_looked_it_goes_on_where_it_was(machine: Machine) -> None:
    clock = machine.clock()
    machine.passes(KEEP_INTERVAL / 1000)
    clock.keep()
    machine.wall.advance(-86400)
    assert machine.clock().now() == 1_000_030_000


def test_time_in_which_nobody_looked_has_passed(machine: Machine) -> None:
    machine.clock().keep()
    machine.passes(86400)
    assert machine.clock().now() == 1_086_400_000


def test_it_is_kept_now_and_then_and_for_us_alone(machine: Machine) -> None:
    clock = machine.clock()
    clock.keep()
    assert (machine.path.read_text(), machine.path.stat().st_mode & 0o777) == ("1000000000\n", 0o600)
    machine.passes(KEEP_INTERVAL / 1000 - 1)
    clock.keep()
    assert machine.path.read_text() == "1000000000\n"
    machine.passes(1)
    clock.keep()
    assert machine.path.read_text() == "1000030000\n"


def test_a_damaged_file_is_none(machine: Machine) -> None:
    machine.path.write_text("not a number")
    assert machine.clock().now() == 1_000_000_000


@given(steps=st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e6)), max_size=20))
def test_it_never_goes_back_and_no_second_is_lost(tmp_path_factory: pytest.TempPathFactory, steps: object) -> None:
    machine = Machine(tmp_path_factory.mktemp("clock"))
    clock, before = machine.clock(), 1_000_000_000
    assert isinstance(steps, list)
    for passed, is_set in steps:
        machine.passes(passed)
        machine.wall.advance(is_set)
        now = clock.now()
        assert now >= before + int(passed * 1000) - 1
        before = now
