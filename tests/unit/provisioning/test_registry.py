"""The registry in a table: what it sends, and what it makes of the rows. Real servers share it in tests/galera."""

from __future__ import annotations

import pytest

from dbhandler.errors import Unavailable
from dbhandler.provisioning import registry_sql
from dbhandler.provisioning.registry import CLAIM_TIME, Entry, Registry
from tests.support.fakes import RecordingServer

COLUMNS = [("name",), ("dropped",), ("owner",), ("claimed",)]


@pytest.fixture
def server() -> RecordingServer:
    return RecordingServer({registry_sql.columns(): list(COLUMNS)})


@pytest.fixture
def registry(server: RecordingServer) -> Registry:
    return Registry(server)  # type: ignore[arg-type]


def test_the_table_is_made_once_where_there_is_none(registry: Registry, server: RecordingServer) -> None:
    server.replies[registry_sql.columns()] = []
    registry.names()
    registry.names()
    made = [registry_sql.columns(), registry_sql.make_table(), registry_sql.names(), registry_sql.names()]
    assert server.executed == made


def test_the_table_of_a_cluster_of_before_gets_its_owners(registry: Registry, server: RecordingServer) -> None:
    server.replies[registry_sql.columns()] = [("name",), ("dropped",)]
    registry.names()
    assert server.executed[1] == registry_sql.add_owners()


def test_a_server_that_is_away_is_asked_for_the_table_again(registry: Registry, server: RecordingServer) -> None:
    server.replies[registry_sql.columns()] = Unavailable("away")
    with pytest.raises(Unavailable):
        registry.names()
    server.replies[registry_sql.columns()] = []
    registry.names()
    assert registry_sql.make_table() in server.executed


def test_a_row_is_an_entry(registry: Registry, server: RecordingServer) -> None:
    server.replies[registry_sql.entry("a")] = [("a", "app", None, "12:00", 5)]
    server.replies[registry_sql.entry("b")] = [("b", None, 17, None, None)]
    assert registry.entry("a") == Entry("a", "app", None, "12:00", 5)
    assert (registry.entry("b"), registry.dropped_at("b")) == (Entry("b", dropped=17), 17)
    assert (registry.entry("c"), registry.dropped_at("c"), registry.entry_of("app")) == (None, None, None)


def test_a_claim_is_fresh_for_a_while() -> None:
    assert Entry("a", "app", age=0).fresh
    assert not Entry("a", "app", age=CLAIM_TIME).fresh
    assert not Entry("a").fresh


def test_names(registry: Registry, server: RecordingServer) -> None:
    server.replies[registry_sql.names()] = [("a",), ("b",)]
    assert registry.names() == ["a", "b"]


@pytest.mark.parametrize("owner", ["app", "other"])
def test_a_claim_is_won_by_whose_row_is_there_afterwards(
    registry: Registry, server: RecordingServer, owner: str
) -> None:
    server.replies[registry_sql.entry("a")] = [("a", owner, None, "12:00", 0)]
    assert registry.claim("a", "app", None) == (owner == "app")
    assert registry_sql.claim("a", "app") in server.executed


def test_a_claim_that_met_another_nodes_is_decided_by_the_row(registry: Registry, server: RecordingServer) -> None:
    seen = Entry("a", "gone", None, "11:00", 99)
    server.replies[registry_sql.take_over("a", "app", "gone", "11:00")] = Unavailable("deadlock (error 1213)")
    server.replies[registry_sql.entry("a")] = [("a", "other", None, "12:00", 0)]
    assert not registry.claim("a", "app", seen)


def test_no_value_is_part_of_a_statements_text() -> None:
    hostile = "x'`%s"
    statements = [
        registry_sql.entry(hostile), registry_sql.entry_of(hostile), registry_sql.claim(hostile, hostile),
        registry_sql.take_over(hostile, hostile, hostile, None), registry_sql.release(hostile, hostile),
        registry_sql.made(hostile), registry_sql.dropped(hostile, 1), registry_sql.fill([(hostile, 1)]),
    ]  # fmt: skip
    for statement in statements:
        assert hostile not in statement.text
        assert statement.text.count("%s") == len(statement.values)
