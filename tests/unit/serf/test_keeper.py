"""A Serf agent is kept running: here small programs stand for it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbhandler.serf.keeper import MEMORY, OOM_SCORE, PAUSE_FIRST, PAUSE_MOST, STEADY, SerfKeeper
from dbhandler.serf.presence import SerfPresence
from tests.support.fakes import Clock

ENDLESS = "echo up; while :; do sleep 0.05; done"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A keeper takes over the signals of its process."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def keeper(folder: Path, script: str, clock: Clock | None = None, alone: bool = False) -> SerfKeeper:
    """With a clock, that passes while it sleeps."""
    clock = clock or Clock()
    return SerfKeeper(["sh", "-c", script], os.environ, SerfPresence(folder), alone, clock, clock.advance)


def signalled(number: int, when: Path) -> threading.Thread:
    """Sends this process a signal once the file is there."""

    def send() -> None:
        deadline = time.monotonic() + 20
        while not when.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_in_its_own_way(tmp_path: Path, number: int) -> None:
    up = tmp_path / "up"
    thread = signalled(number, up)
    script = f"trap 'exit 7' TERM INT; touch {up}; {ENDLESS}"
    assert keeper(tmp_path, script).run() == 7
    thread.join()


def test_a_reload_reaches_the_agent_and_ends_nothing(tmp_path: Path) -> None:
    up = tmp_path / "up"
    thread = signalled(signal.SIGHUP, up)
    # It ends itself once it has heard, as what is told to end.
    script = f"trap 'kill -TERM $PPID; exit 5' HUP; touch {up}; {ENDLESS}"
    assert keeper(tmp_path, script).run() in (0, 5, 143)
    thread.join()


@pytest.mark.parametrize(
    ("numbers", "heard"),
    [([signal.SIGHUP], "5"), ([signal.SIGTERM], "7"), ([signal.SIGTERM, signal.SIGHUP], "7")],
    ids=["reload", "end", "a reload after it"],
)
def test_a_signal_while_the_agent_is_being_started_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: list[int], heard: str
) -> None:
    told = tmp_path / "told"
    script = f"trap 'echo 5 > {told}; kill -TERM $PPID; exit 5' HUP; trap 'echo 7 >> {told}; exit 7' TERM; {ENDLESS}"
    start = subprocess.Popen

    def started(*arguments: Any, **options: Any) -> Any:
        process = start(*arguments, **options)
        # Its traps are set when it speaks, and we do not know it yet.
        assert process.stdout and process.stdout.read(1)
        for number in numbers:
            os.kill(os.getpid(), number)
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    keeper(tmp_path, script).run()
    assert told.read_text().split()[0] == heard


def test_an_agent_that_ends_is_started_again_later_and_later(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    count = tmp_path / "count"
    script = f"echo x >> {count}; [ $(wc -l < {count}) -lt 7 ] || kill -TERM $PPID; echo 'Failed: no address'; exit 3"
    before = clock.now
    keeper(tmp_path, script, clock).run()
    told = [message for message in caplog.messages if "ended by itself" in message]
    assert told[0].endswith("with status 3: Failed: no address; it is started again in 1 s")
    assert [message.rpartition(" in ")[2] for message in told] == ["1 s", "2 s", "4 s", "8 s", "10 s", "10 s"]
    assert clock.now - before == pytest.approx(PAUSE_FIRST + 2 + 4 + 8 + 2 * PAUSE_MOST, abs=1)
    assert "no address" in SerfPresence(tmp_path).end


def test_one_that_has_run_for_long_is_started_again_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Passing(Clock):
        def __call__(self) -> float:
            self.advance(STEADY)
            return self.now

    count = tmp_path / "count"
    script = f"echo x >> {count}; [ $(wc -l < {count}) -lt 3 ] || kill -TERM $PPID; kill -9 $$"
    keeper(tmp_path, script, Passing()).run()
    assert caplog.messages.count("the Serf agent has ended by itself with status 137; it is started again at once") == 2


def test_alone_a_first_start_that_fails_ends_the_container_and_later_ones_do_not(tmp_path: Path) -> None:
    assert keeper(tmp_path, "exit 1", alone=True).run() == 1
    count = tmp_path / "count"
    script = f"echo x >> {count}; case $(wc -l < {count}) in 1) exit 2;; 2) exit 1;; *) kill -TERM $PPID; exit 9;; esac"
    assert keeper(tmp_path, script, alone=True).run() in (0, 9, 143)


def test_the_agent_has_limits_of_its_own_and_we_have_none(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"(ulimit -d; cat /proc/self/oom_score_adj; echo $GOMEMLIMIT) > {seen}; exit 1"
    keeper(tmp_path, script, alone=True).run()
    assert seen.read_text().split() == [str(MEMORY // 1024), str(OOM_SCORE), "256MiB"]
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
