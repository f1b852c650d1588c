"""From a Serf event to a database in a real server, and from a bad one to one clear line in the log."""

from __future__ import annotations

import base64
import json

import pytest
from loopback import DatabaseNode, SerfNode, wait_for

from tests.integration.conftest import Cluster

INJECTION = "x; CREATE USER 'evil'@'%' IDENTIFIED BY 'evil'"
LARGEST_EVENT = 400
"""Bytes; a larger payload comes in by hand only."""

BAD = [
    (b"", "the payload is empty"),
    (b" \t\r\n ", "the payload is empty"),
    (b"a\0b", "holds a NUL"),
    (b"caf\xe9", "not valid UTF-8"),
    (b"x" * 65, "a name has 1 to 64 characters, this one has 65"),
    (b"x" * 16641, "the payload is longer than 16640 bytes"),
    (b"mysql", "belongs to the server itself"),
    (b"MySQL", "belongs to the server itself"),
    (b"INFORMATION_SCHEMA", "belongs to the server itself"),
    (b"Performance_Schema", "belongs to the server itself"),
    (b"sYs", "belongs to the server itself"),
    (b"a;b", "DBHANDLER_NAME_PATTERN"),
    (b"`a`", "DBHANDLER_NAME_PATTERN"),
    (b"a'b", "DBHANDLER_NAME_PATTERN"),
    (b'a"b', "DBHANDLER_NAME_PATTERN"),
    (b"../x", "DBHANDLER_NAME_PATTERN"),
    (b"-x", "DBHANDLER_NAME_PATTERN"),
    ("\N{PILE OF POO}".encode(), "Basic Multilingual Plane"),
    (b'{"database": "a"', "not valid JSON"),
    (b'{"database": "a", "database": "b"}', "not valid JSON"),
    (b'{"database": "a", "grant": "all"}', "unknown key 'grant'"),
    (b'{"charset": "utf8mb4"}', 'no "database"'),
    (b'{"database": ["a"]}', "is not a string"),
    (b'{"database": "klingon1", "charset": "klingon"}', "does not know the character set: 'klingon'"),
    (b'{"database": "klingon2", "collation": "klingon"}', "does not know the collation: 'utf8mb4 / klingon'"),
    (b'{"database": "klingon3", "charset": "latin1", "collation": "utf8mb4_bin"}', "does not belong to the character"),
    (INJECTION.encode(), "DBHANDLER_NAME_PATTERN"),
    (b"good_one bad;one", "DBHANDLER_NAME_PATTERN"),
]


@pytest.fixture(scope="module")
def peer(cluster: Cluster) -> SerfNode:
    """A Serf agent without a database, as the tutorial's serf_agent."""
    return cluster.serf()


@pytest.fixture(scope="module")
def node(cluster: Cluster, peer: SerfNode) -> DatabaseNode:
    """A database node in the peer's cluster."""
    node = cluster.database(join=peer.gossip)
    wait_for("two members", lambda: len(peer.members()) == 2)
    return node


def wait_for_database(node: DatabaseNode, *names: str) -> None:
    wait_for(f"the databases {names}", lambda: node.holds(*names))


def logged(node: DatabaseNode, begin: int) -> list[str]:
    """The agent's lines about requests, from that place of the log on."""
    return [line for line in node.log[begin:].splitlines() if "[dbhandler]: event " in line]


def test_serf_members_shows_both_roles(node: DatabaseNode, peer: SerfNode) -> None:
    members = peer.serf("members")
    assert "role=serf-agent" in members
    assert "role=db" in members


def test_an_event_fired_anywhere_in_the_cluster_becomes_a_database(node: DatabaseNode, peer: SerfNode) -> None:
    begin = len(node.log)
    peer.serf("event", "-coalesce=false", "create_db", "wordpress")
    wait_for_database(node, "wordpress")
    wait_for("the log line", lambda: logged(node, begin))
    [line] = logged(node, begin)
    assert "'wordpress' created in " in line


def test_a_database_that_exists_is_no_error_and_keeps_its_content(node: DatabaseNode) -> None:
    node.sql("CREATE DATABASE mine; CREATE TABLE mine.t (c INT) SELECT 42 AS c")
    begin = len(node.log)
    node.fire("mine")
    wait_for("the log line", lambda: logged(node, begin))
    [line] = logged(node, begin)
    assert "[Note]" in line
    assert "'mine' exists in " in line
    assert node.sql("SELECT c FROM mine.t") == [["42"]]


def test_several_names_in_one_payload_are_several_databases(node: DatabaseNode) -> None:
    node.fire("one two\n\tthree")
    wait_for_database(node, "one", "two", "three")


def test_a_name_may_be_as_odd_as_the_rules_allow(node: DatabaseNode) -> None:
    names = ["0", "_", "a-b", "a$b", "select", "X" * 64]
    node.fire(" ".join(names))
    wait_for_database(node, *names)


def test_an_object_chooses_charset_and_collation(node: DatabaseNode) -> None:
    node.fire(json.dumps({"database": "old", "charset": "latin1", "collation": "latin1_german2_ci"}))
    wait_for_database(node, "old")
    question = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'old'"
    assert node.sql(question) == [["latin1_german2_ci"]]


def test_it_works_by_hand(node: DatabaseNode) -> None:
    done = node.run("dbhandler-create", stdin=b"by_hand\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wait_for_database(node, "by_hand")


def test_a_burst_without_coalescing_is_complete(node: DatabaseNode) -> None:
    names = [f"burst{number}" for number in range(30)]
    with node.rpc_client() as serf:
        for name in names:
            serf.event("create_db", name.encode())
    wait_for_database(node, *names)


@pytest.mark.parametrize(("payload", "rule"), BAD, ids=[rule for _, rule in BAD])
def test_a_bad_payload_is_one_line_that_names_the_rule_and_changes_nothing(
    node: DatabaseNode, payload: bytes, rule: str
) -> None:
    databases, accounts, begin = node.databases(), node.sql("SELECT User, Host FROM mysql.user"), len(node.log)
    deliver(node, payload)
    # The next request is served, and in order: once it is done, so is the bad one.
    after = "after_" + base64.b16encode(rule.encode() + payload[-9:]).decode()[-50:]
    deliver(node, after.encode())
    wait_for_database(node, after)
    wait_for("the line about the next request", lambda: f"'{after}' " in node.log[begin:])
    refused, created = logged(node, begin)
    assert "[Warn]" in refused
    assert " invalid in " in refused
    assert rule in refused
    assert "created" in created
    assert node.databases() == databases | {after}
    assert node.sql("SELECT User, Host FROM mysql.user") == accounts


def deliver(node: DatabaseNode, payload: bytes) -> None:
    """Brings a payload to the agent: by Serf, or by hand where it is too large for an event."""
    if len(payload) <= LARGEST_EVENT:
        node.fire(payload)
    else:
        assert node.run("dbhandler-create", stdin=payload).returncode == 0
