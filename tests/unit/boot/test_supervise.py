"""When the container gives up."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from dbhandler.boot.supervise import LATE, MAX_EXITS, PATIENCE, PAUSE, WINDOW, GiveUp, LatePoller
from tests.support.fakes import Clock


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


def test_a_server_that_cannot_be_started_ends_the_container(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.give_up.fatal("mysqld")
    assert (world.ends, world.give_up.reason) == (1, "mysqld cannot be started")
    assert "mysqld cannot be started: this container ends" in caplog.text


def test_a_server_that_keeps_ending_ends_the_container(world: World) -> None:
    world.exits("mysqld", MAX_EXITS, apart=1)
    assert (world.ends, world.give_up.reason) == (1, f"mysqld has ended {MAX_EXITS} times within {WINDOW:.0f} s")


def test_what_is_late_is_started_by_nobody_else() -> None:
    conf = ConfigParser(interpolation=None)
    conf.read(Path(__file__).parents[3] / "container/supervisord.conf")
    programs = {name.partition(":")[2]: section for name, section in conf.items() if name.startswith("program:")}
    assert {name for name, section in programs.items() if section.get("autostart") == "false"} == set(LATE)


def test_one_exit_fewer_does_not(world: World) -> None:
    world.exits("mysqld", MAX_EXITS - 1, apart=1)
    assert (world.ends, world.give_up.reason) == (0, None)


def test_exits_far_apart_do_not(world: World) -> None:
    world.exits("mysqld", 10 * MAX_EXITS, apart=WINDOW / (MAX_EXITS - 1))
    assert world.ends == 0


def test_the_first_reason_stands_and_the_end_comes_once(world: World) -> None:
    world.give_up.fatal("mysqld")
    world.exits("mysqld", MAX_EXITS, apart=0)
    assert (world.ends, world.give_up.reason) == (1, "mysqld cannot be started")


def test_only_the_servers_end_ends_a_container_whose_server_serves(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for program in ("serf", "agent", "admin"):
        world.give_up.fatal(program)
        world.exits(program, 10 * MAX_EXITS, apart=0)
    assert (world.ends, world.give_up.reason) == (0, None)
    assert "serf keeps ending: it is tried again and again" in caplog.text


class Polled:
    """A poller that notes how long it is to wait, and a server that listens when a test says so."""

    def __init__(self, clock: Clock) -> None:
        self.waits: list[float] = []
        self.starts, self.listens = 0, False
        self.poller = LatePoller(self, lambda: self.listens, self._start, clock)

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        self.waits.append(timeout)
        return [3], [4]

    def _start(self) -> None:
        self.starts += 1


@pytest.mark.parametrize("listens", [True, False])
def test_what_is_late_starts_once_when_the_server_listens_or_after_a_second(clock: Clock, listens: bool) -> None:
    polled = Polled(clock)
    assert polled.poller.poll(1.0) == ([3], [4])
    assert (polled.starts, polled.waits) == (0, [PAUSE])
    if listens:
        polled.listens = True
    else:
        clock.advance(PATIENCE)
    for _ in range(3):
        polled.poller.poll(1.0)
    assert (polled.starts, polled.waits[1:]) == (1, [1.0] * 3)


def test_a_short_wait_stays_short(clock: Clock) -> None:
    polled = Polled(clock)
    polled.poller.poll(0.0)
    assert polled.waits == [0.0]


POLL = """
import os, signal, time
from supervisor.options import ServerOptions
from dbhandler.boot.supervise import PromptPoller
signal.signal(signal.SIGUSR1, lambda *_: None)
readable, writable = os.pipe()
poller = PromptPoller(ServerOptions().poller)
for descriptor in (readable, writable):
    (poller.register_readable if descriptor == readable else poller.register_writable)(descriptor)
def took(seconds):
    began = time.monotonic()
    found = poller.poll(seconds)
    return found, time.monotonic() - began
assert took(30)[0] == ([], [writable]), "the first time it returns at once, and shows nothing of its own"
poller.unregister_writable(writable)
found, seconds = took(0.05)
assert found == ([], []) and seconds >= 0.04, f"it waits as long as told, not {seconds}"
os.kill(os.getpid(), signal.SIGUSR1)
found, seconds = took(30)
assert found == ([], []) and seconds < 15, f"a signal wakes it: {found}, {seconds}"
found, seconds = took(0.05)
assert seconds >= 0.04, f"once, not again and again: {seconds}"
os.write(writable, b"x")
assert took(30)[0] == ([readable], []), "what is readable is said"
"""


def test_supervisords_poll_returns_at_once_for_a_signal_and_as_told_otherwise() -> None:
    # In a process of its own: where a process learns of its signals is one thing for all of it.
    done = subprocess.run([sys.executable, "-c", POLL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
