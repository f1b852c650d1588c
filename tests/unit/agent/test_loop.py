"""The agent's loop on its real FIFO and socket, with stand-ins for what it drives."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dbhandler.agent import main as agent
from dbhandler.agent.lock import alone
from dbhandler.agent.loop import Agent
from dbhandler.handlers.query import ask
from dbhandler.requests import door
from tests.support.fakes import Clock

PATIENCE = 10.0


class Parts:
    """A drain, a watch and queries in one, which count and record."""

    def __init__(self) -> None:
        self.interval = PATIENCE
        self.outdated = False
        self.looks, self.work = 0, 0
        self.stepped = threading.Semaphore(0)
        self.answers: list[tuple[str, bytes]] = []

    def look(self) -> None:
        self.looks += 1

    def step(self) -> bool:
        self.stepped.release()
        busy, self.work = self.work > 0, max(0, self.work - 1)
        return busy

    def wait(self) -> float:
        return PATIENCE

    def answer(self, name: str, payload: bytes) -> bytes:
        self.answers.append((name, payload))
        return b'{"status": "created"}\n'


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    return str(tmp_path / "wake")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "agent.sock")


@pytest.fixture
def running(parts: Parts, fifo: str, path: str) -> Iterator[Agent]:
    """An agent whose loop runs in a thread and has nothing to do."""
    built = Agent([parts], parts, parts, fifo, path)  # type: ignore[arg-type, list-item]
    thread = threading.Thread(target=built.run)
    thread.start()
    assert parts.stepped.acquire(timeout=PATIENCE)
    yield built
    built.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_sessions_that_do_not_fit_the_server_any_more_end_the_loop(parts: Parts, fifo: str, path: str) -> None:
    built = Agent([parts], parts, parts, fifo, path)  # type: ignore[arg-type, list-item]
    parts.outdated = True
    built.run()
    assert parts.looks == 1 and not parts.stepped.acquire(blocking=False), "nothing is done in them"


@pytest.mark.usefixtures("running")
def test_a_poke_makes_it_look_into_the_spool_at_once(parts: Parts, fifo: str) -> None:
    descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, b"\n\n\n")
    os.close(descriptor)
    assert parts.stepped.acquire(timeout=PATIENCE / 2)


@pytest.mark.usefixtures("running")
def test_it_looks_at_the_server_in_every_round(parts: Parts, fifo: str) -> None:
    assert parts.looks == 1
    descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, b"\n")
    os.close(descriptor)
    assert parts.stepped.acquire(timeout=PATIENCE / 2)
    assert parts.looks == 2


def test_it_sleeps_no_longer_than_until_the_next_look_is_due(parts: Parts, fifo: str, path: str) -> None:
    parts.interval = 0.01
    built = Agent([parts], parts, parts, fifo, path)  # type: ignore[arg-type, list-item]
    thread = threading.Thread(target=built.run)
    thread.start()
    looked = all(parts.stepped.acquire(timeout=PATIENCE / 2) for _ in range(3))
    built.stop()
    thread.join(PATIENCE)
    assert looked and parts.looks >= 3


@pytest.mark.usefixtures("running")
def test_a_poker_that_goes_away_is_no_end_of_file_to_spin_on(parts: Parts, fifo: str) -> None:
    for _ in range(3):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    assert not parts.stepped.acquire(timeout=0.1)


@pytest.mark.usefixtures("running")
def test_a_query_is_answered(parts: Parts, path: str) -> None:
    assert ask(path, "create_db", b"a\nb\xff", PATIENCE) == b'{"status": "created"}\n'
    assert parts.answers == [("create_db", b"a\nb\xff")]


@pytest.mark.usefixtures("running")
def test_a_name_that_is_no_ascii_is_no_trouble(parts: Parts, path: str) -> None:
    assert ask(path, "\N{SNOWMAN}", b"", PATIENCE) == b'{"status": "created"}\n'
    assert len(parts.answers) == 1


@pytest.mark.usefixtures("running")
def test_a_visitor_that_says_nothing_or_leaves_does_not_stop_the_next(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HANDOVER_TIMEOUT", 0.05)
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as leaver:
        silent.connect(path)
        leaver.connect(path)
        leaver.close()
        assert ask(path, "q", b"", PATIENCE) == b'{"status": "created"}\n'


@pytest.mark.usefixtures("running")
def test_a_visitor_that_drips_byte_after_byte_has_no_more_time_than_others(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HANDOVER_TIMEOUT", 0.3)
    with socket.socket(socket.AF_UNIX) as dripper:
        dripper.connect(path)
        over = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not over.wait(0.0005):
                    dripper.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert ask(path, "q", b"", PATIENCE / 2) == b'{"status": "created"}\n'
        over.set()
        dripping.join()


def test_every_spool_has_its_turn(parts: Parts, tmp_path: Path) -> None:
    parts.work = 10**9
    other = Parts()
    built = Agent([parts, other], parts, parts, str(tmp_path / "f"), str(tmp_path / "s"))  # type: ignore[arg-type, list-item]
    thread = threading.Thread(target=built.run)
    thread.start()
    served = all(other.stepped.acquire(timeout=PATIENCE) for _ in range(3))
    built.stop()
    thread.join(PATIENCE)
    assert served


def test_queries_do_not_wait_for_a_long_spool(parts: Parts, running: Agent, fifo: str, path: str) -> None:
    parts.work = 10**9
    os.write(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), b"\n")
    assert ask(path, "q", b"", PATIENCE) == b'{"status": "created"}\n'
    assert parts.work > 0


def test_fifo_and_socket_are_private_and_survive_a_predecessor_that_was_killed(
    parts: Parts, fifo: str, path: str, tmp_path: Path
) -> None:
    for _ in range(2):
        Agent([parts], parts, parts, fifo, path)  # type: ignore[arg-type, list-item]
    modes = {entry.name: stat.filemode(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    assert modes == {"wake": "prw-------", "agent.sock": "srw-------"}


def test_a_wrong_setting_ends_it_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert agent.main([], {"DBHANDLER_MAX_DATABASES": "many"}) == os.EX_CONFIG
    assert "the agent cannot start: DBHANDLER_MAX_DATABASES has to be" in capsys.readouterr().err


def test_a_folder_that_cannot_be_used_ends_it_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").touch()
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path / "state"), "DBHANDLER_RUN_DIR": str(tmp_path)}
    assert agent.main([], environ) == os.EX_CONFIG
    assert "the agent cannot start: " in capsys.readouterr().err


def test_a_second_agent_waits_for_the_end_of_the_first(tmp_path: Path, clock: Clock) -> None:
    program = (
        "import pathlib, sys, time; from dbhandler.agent.lock import alone; "
        "print(alone(pathlib.Path(sys.argv[1])), flush=True); time.sleep(60)"
    )
    first = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None and first.stdout.readline() == b"True\n"
        assert not alone(tmp_path, clock, clock.advance)
    finally:
        first.kill()
        first.wait()
    assert alone(tmp_path, clock, clock.advance)
