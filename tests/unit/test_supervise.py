"""When the container gives up."""

from __future__ import annotations

import pytest
from fakes import Clock

from dbhandler.supervise import MAX_EXITS, WINDOW, GiveUp


class World:
    """A decision under test and how often it ended the container."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.ends = clock, 0
        self.give_up = GiveUp(self._end, clock)

    def _end(self) -> None:
        self.ends += 1

    def exits(self, program: str, times: int, apart: float) -> None:
        for _ in range(times):
            self.give_up.exited(program)
            self.clock.advance(apart)


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)


def test_a_program_that_cannot_be_started_ends_the_container(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.give_up.fatal("mysqld")
    assert (world.ends, world.give_up.reason) == (1, "mysqld cannot be started")
    assert "mysqld cannot be started: this container ends" in caplog.text


def test_a_program_that_keeps_ending_ends_the_container(world: World) -> None:
    world.exits("agent", MAX_EXITS, apart=1)
    assert (world.ends, world.give_up.reason) == (1, f"agent has ended {MAX_EXITS} times within {WINDOW:.0f} s")


def test_one_exit_fewer_does_not(world: World) -> None:
    world.exits("agent", MAX_EXITS - 1, apart=1)
    assert (world.ends, world.give_up.reason) == (0, None)


def test_exits_far_apart_do_not(world: World) -> None:
    world.exits("agent", 10 * MAX_EXITS, apart=WINDOW / (MAX_EXITS - 1))
    assert world.ends == 0


def test_exits_of_different_programs_are_counted_apart(world: World) -> None:
    for program in ("mysqld", "agent", "serf"):
        world.exits(program, MAX_EXITS - 1, apart=0)
    assert world.ends == 0


def test_the_first_reason_stands_and_the_end_comes_once(world: World) -> None:
    world.give_up.fatal("mysqld")
    world.give_up.fatal("agent")
    world.exits("agent", MAX_EXITS, apart=0)
    assert (world.ends, world.give_up.reason) == (1, "mysqld cannot be started")
