"""The way into servers whose pool's secret is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler.console.ways import FIGURES, MOST_OPEN, Ways
from dbhandler.distant.access import Access
from dbhandler.distant.node import Node
from dbhandler.engine.sql import Statement
from dbhandler.serf.members import Member, parsed
from tests.support.fakes import RecordingServer
from tests.support.played_agent import record

SECRET = b"1" * 32


class Open(RecordingServer):
    """A server that tells its figures."""

    closed = False

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        super().execute(statement)
        return [("Questions", "17"), ("Threads_connected", "3")]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Node, str, Open]]:
    made: list[tuple[Node, str, Open]] = []

    def server(_access: object, node: Node, engine: str, _timeout: float) -> Open:
        made.append((node, engine, Open()))
        return made[-1][2]

    monkeypatch.setattr(Access, "server", server)
    return made


@pytest.fixture
def ways(opened: object, tmp_path: Path) -> Ways:
    return Ways([SECRET], tmp_path / "console")


def member(name: str, **tags: str) -> Member:
    return parsed(record(name, **tags))


def test_figures_are_numbers_by_name(ways: Ways, opened: list[tuple[Node, str, Open]]) -> None:
    assert ways.figures(member("a")) == {"Questions": 17.0, "Threads_connected": 3.0}
    [statement] = opened[0][2].executed
    assert statement.values == FIGURES and "SHOW GLOBAL STATUS" in statement.text


def test_a_connection_is_kept_for_each_place(ways: Ways, opened: list[tuple[Node, str, Open]]) -> None:
    for one in (member("a"), member("a"), member("b", engine="mysql"), member("a", port="3307")):
        ways.figures(one)
    assert [(node.name, node.port, engine) for node, engine, _ in opened] == [
        ("a", 3306, "mariadb"), ("b", 3306, "mysql"), ("a", 3307, "mariadb"),
    ]  # fmt: skip


def test_of_many_the_ones_that_are_not_used_are_closed(ways: Ways, opened: list[tuple[Node, str, Open]]) -> None:
    act: Callable[[str], object] = lambda name: ways.figures(member(name))  # noqa: E731
    for number in range(MOST_OPEN):
        act(f"s{number}")
    act("s0")
    act("new")
    assert [node.name for node, _, server in opened if server.closed] == ["s1"]


def test_what_is_kept_of_it_is_a_certificate_and_no_secret(ways: Ways, tmp_path: Path) -> None:
    [file] = (tmp_path / "console").iterdir()
    assert "CERTIFICATE" in file.read_text() and SECRET not in file.read_bytes()
