"""What is told of a pool's servers: as each has said itself, beside what gossip says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dbhandler.directory.standing import Standing, by_identity
from dbhandler.pool.overview import SILENT, Row, as_json, differences, given_up, rows, table
from dbhandler.serf.members import Member
from tests.support.directories import member, standing

LOADED = standing(
    "a", version="11.8.3", labels=frozenset({"ssd", "eu"}), names=12, most=100, bytes=3 * 2**30, connections=40, age=2
)
FULL = standing("b", engine="mysql", names=7, most=7, age=5)


def test_every_server_has_the_state_that_gossip_tells() -> None:
    members = [member("a"), member("b", mysql="down"), member("c", status="failed"), member("d", status="left")]
    standings = [standing(server) for server in "edcba"]
    found = rows(standings, members, {})
    assert [(row.standing.server, row.state) for row in found] == [
        ("a", "ready"), ("b", "unready"), ("c", "failed"), ("d", "left"), ("e", "unknown"),
    ]  # fmt: skip


def test_a_server_that_only_has_names_is_told_of_by_its_key() -> None:
    key = "k" * 44
    [row, other] = rows([LOADED], [], {key: 3, "a": 12})
    assert row == Row(Standing(key, "k" * 16, "unknown", names=3), "unknown")
    # Of one that has told how it stands only that counts.
    assert other.standing == LOADED


def test_of_a_cluster_the_node_that_is_best_counts() -> None:
    nodes = [
        replace(member("x", cluster="trio"), name="n1"), replace(member("y", mysql="down", cluster="trio"), name="n2"),
        replace(member("z", status="failed", cluster="trio"), name="n3"),
    ]  # fmt: skip
    for members, best, state in ((nodes, "n1", "ready"), (nodes[1:], "n2", "unready"), (nodes[2:], "n3", "failed")):
        for order in (members, members[::-1]):
            assert by_identity(order)["trio"].name == best
            assert [row.state for row in rows([standing("trio")], order, {})] == [state]


def test_who_is_known_by_what() -> None:
    assert member("a").identity == "a"
    assert member("a", cluster="trio").identity == "trio"
    assert member("", port="3306").identity is None
    assert by_identity([member("a", role="web"), member("")]) == {}
    assert member("a").is_ready and not member("a", mysql="").is_ready and not member("a", status="left").is_ready


def test_the_table_for_people() -> None:
    found = rows([LOADED, FULL, standing("c", node="c\n")], [member("a"), member("b")], {})
    heading, third, first, second = table(found).splitlines()
    assert heading.split("  ")[0] == "SERVER" and heading.endswith("NEW DATABASES")
    assert first.split() == ["node-a", "ready", "mariadb", "eu,ssd", "12", "3.0", "GiB", "40", "yes"]
    assert second.split("  ")[0] == "node-b" and second.endswith("  holds 7 databases and allows 7")
    assert third.split() == ["c\\n", "unknown", "mariadb", "-", "0", "0", "B", "0", "yes"]
    assert table([]) == "SERVER  STATE  ENGINE  LABELS  DATABASES  SIZE  CONNECTIONS  NEW DATABASES"


def test_the_line_for_machines() -> None:
    line = as_json(rows([LOADED, FULL], [member("a")], {}))
    assert "\n" not in line
    assert json.loads(line)["moves"] == []
    assert json.loads(line)["servers"] == [
        {
            "server": "node-a", "state": "ready", "engine": "mariadb", "version": "11.8.3", "labels": ["eu", "ssd"],
            "databases": 12, "max_databases": 100, "size": 3 * 2**30, "connections": 40, "refuses": None, "told": 2,
        },
        {
            "server": "node-b", "state": "unknown", "engine": "mysql", "version": "", "labels": [], "databases": 7,
            "max_databases": 7, "size": 0, "connections": 0, "refuses": "holds 7 databases and allows 7", "told": 5,
        },
    ]  # fmt: skip
    assert as_json([]) == '{"servers": [], "moves": []}'


def told(
    standings: Sequence[Standing], members: Sequence[Member], doubles: Sequence[tuple[str, str, str]] = ()
) -> list[str]:
    return differences(rows(standings, members, {}), members, doubles)


def test_where_nothing_differs_nothing_is_told() -> None:
    members = [member("a"), member("b"), member("web", role="web"), member("new", mysql="starting")]
    assert told([LOADED, replace(FULL, age=SILENT)], members) == []


def test_a_database_that_two_servers_have_is_told_with_both() -> None:
    doubles = [("shop\n", "a", "b"), ("wiki", "k" * 44, "a")]
    assert told([LOADED, FULL], [member("a"), member("b")], doubles) == [
        "'shop\\n' is on 'node-a', and in the directory on 'node-b'",
        f"'wiki' is on '{'k' * 16}', and in the directory on 'node-a'",
    ]


@pytest.mark.parametrize(("members", "state"), [([], "unknown"), ([member("a", status="failed")], "failed")])
def test_a_server_that_is_away_is_told_with_what_waits_for_it(members: list[Member], state: str) -> None:
    assert told([LOADED], members) == [
        f"'node-a' is {state}, and databases wait for it: 12 (dbhandler-pool forget)"
    ]  # fmt: skip
    # Nobody waits for an empty one.
    assert told([replace(LOADED, names=0)], members) == []


def test_a_server_that_serves_and_tells_nothing_is_told_of() -> None:
    silent = replace(LOADED, age=SILENT + 1)
    sentence = f"'node-a' has told nothing for {SILENT + 1} s: it does not reach the directory"
    assert told([silent], [member("a")]) == [sentence]
    assert sentence not in told([silent], [])


def test_a_server_that_serves_and_is_not_there_has_no_directory() -> None:
    assert told([LOADED], [member("a"), member("b"), member("c", mysql="down"), member("d", status="failed")]) == [
        "'node-b' is not in the directory: it has no DBHANDLER_DIRECTORY"
    ]


def test_what_forgetting_means() -> None:
    end = (
        "Their names can be requested anew, and are empty then; what the server still holds comes back with it where "
        "nobody has"
    )
    assert given_up("db1\n", []) == f"'db1\\n' is forgotten, and with it no database. {end}"
    assert given_up("db1", ["shop", "w'"]) == f"'db1' is forgotten, and with it 2 databases: 'shop', \"w'\". {end}"
    many = given_up("db1", [f"n{number:02}" for number in range(40)])
    assert "40 databases: 'n00'" in many and "'n39'. " in many
