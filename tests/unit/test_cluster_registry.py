"""The registry in a table: what it sends. That the nodes share it is tested with real ones (tests/galera)."""

from __future__ import annotations

import pytest
from fakes import RecordingServer

from dbhandler.cluster_registry import _MAKE_TABLE, ClusterRegistry
from dbhandler.sql import Statement

ROW = Statement("SELECT dropped FROM mysql.dbhandler_registry WHERE name = %s", ("a",))
INSERT = Statement("INSERT IGNORE INTO mysql.dbhandler_registry VALUES (%s, NULL)", ("a",))
REVIVE = Statement("UPDATE mysql.dbhandler_registry SET dropped = NULL WHERE name = %s", ("a",))
REPLACE = Statement("REPLACE INTO mysql.dbhandler_registry VALUES (%s, %s)", ("a", 7))


@pytest.fixture
def server() -> RecordingServer:
    return RecordingServer()


@pytest.fixture
def registry(server: RecordingServer) -> ClusterRegistry:
    return ClusterRegistry(server)  # type: ignore[arg-type]


def test_the_table_is_made_once(registry: ClusterRegistry, server: RecordingServer) -> None:
    registry.names()
    registry.names()
    assert server.executed.count(_MAKE_TABLE) == 1


def test_what_was_made_is_written_once(registry: ClusterRegistry, server: RecordingServer) -> None:
    registry.made("a")
    assert server.executed[-2:] == [ROW, INSERT]
    server.replies[ROW] = [(None,)]
    registry.made("a")
    # Every node makes this call for every event: a write would be replicated for nothing.
    assert server.executed[-1] == ROW


def test_a_tombstone_and_its_end(registry: ClusterRegistry, server: RecordingServer) -> None:
    assert registry.dropped_at("a") is None
    registry.dropped("a", 7)
    assert server.executed[-1] == REPLACE
    server.replies[ROW] = [(7,)]
    assert registry.dropped_at("a") == 7
    registry.made("a")
    assert server.executed[-1] == REVIVE


def test_names(registry: ClusterRegistry, server: RecordingServer) -> None:
    question = "SELECT name FROM mysql.dbhandler_registry WHERE dropped IS NULL ORDER BY name"
    server.replies[Statement(question)] = [("a",), ("b",)]
    assert registry.names() == ["a", "b"]
