"""dbhandler-query, against an agent that a test plays."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbhandler.handlers import query

PROGRAM = str(Path(sys.executable).with_name("dbhandler-query"))
Play = Callable[[Callable[[socket.socket], None]], list[threading.Thread]]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the agent listens."""
    return str(tmp_path / "agent.sock")


@pytest.fixture
def agent(path: str) -> Iterator[Callable[[Callable[[socket.socket], None]], None]]:
    """Plays an agent that does as told with one connection."""
    listener = socket.socket(socket.AF_UNIX)
    threads: list[threading.Thread] = []

    def serve(behaviour: Callable[[socket.socket], None]) -> None:
        connection, _ = listener.accept()
        with connection:
            behaviour(connection)

    def play(behaviour: Callable[[socket.socket], None]) -> None:
        listener.bind(path)
        listener.listen()
        threads.append(threading.Thread(target=serve, args=(behaviour,)))
        threads[0].start()

    yield play
    for thread in threads:
        thread.join(10)
    listener.close()


def echo(connection: socket.socket) -> None:
    """Answers with what came."""
    connection.sendall(receive(connection))


def receive(connection: socket.socket) -> bytes:
    """The whole of what the other end sends."""
    with connection.makefile("rb") as stream:
        return stream.read()


def test_name_and_payload_go_over_and_the_answer_comes_back(path: str, agent: Play) -> None:
    agent(echo)
    assert query.ask(path, "create_db", b"a\nb") == b"create_db\na\nb"


def test_a_large_payload_goes_over_whole(path: str, agent: Play) -> None:
    agent(echo)
    assert len(query.ask(path, "q", b"x" * 65537)) == 65539


def test_an_answer_in_pieces_is_put_together(path: str, agent: Play) -> None:
    def behaviour(connection: socket.socket) -> None:
        receive(connection)
        for byte in b"answer\n":
            connection.sendall(bytes([byte]))

    agent(behaviour)
    assert query.ask(path, "q", b"") == b"answer\n"


def test_no_agent_is_unavailable(path: str) -> None:
    assert json.loads(query.ask(path, "q", b""))["status"] == "unavailable"


def test_a_silent_agent_is_unavailable_at_the_deadline(path: str, agent: Play) -> None:
    done = threading.Event()

    def silent(_connection: socket.socket) -> None:
        done.wait(10)

    agent(silent)
    answer = json.loads(query.ask(path, "q", b"", deadline=0.05))
    done.set()
    assert answer["status"] == "unavailable"
    assert "timed out" in answer["reason"]


def test_an_agent_that_ends_without_an_answer_is_unavailable(path: str, agent: Play) -> None:
    def ends(connection: socket.socket) -> None:
        receive(connection)

    agent(ends)
    answer = json.loads(query.ask(path, "q", b""))
    assert answer == {"status": "unavailable", "reason": "the agent of this server ended before it answered"}


def test_an_agent_that_dies_is_unavailable(path: str, agent: Play) -> None:
    agent(lambda connection: None)
    assert json.loads(query.ask(path, "q", b""))["status"] == "unavailable"


def test_main_passes_serfs_query_on_and_prints_the_answer(tmp_path: Path, agent: Play) -> None:
    agent(echo)
    output = io.BytesIO()
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "SERF_QUERY_NAME": "find_db"}
    assert query.main([], environ, io.BytesIO(b"x"), output) == 0
    assert output.getvalue() == b"find_db\nx"


def test_the_program_answers_with_status_0_even_without_an_agent(tmp_path: Path) -> None:
    # Serf drops the output of a handler that fails.
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path)}
    done = subprocess.run([PROGRAM], input=b"x", env=environ, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["status"] == "unavailable"


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("-h", 0), ("wordpress", 64)])
def test_arguments_show_the_usage(argument: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert query.main([argument], {}) == status
    assert "usage: dbhandler-query" in "".join(capsys.readouterr())
