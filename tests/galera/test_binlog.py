"""The binary logs of a cluster's nodes: every change has the same number in each, whatever has happened to the node."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping

import pytest

from dbhandler.trust.secret import new_secret
from tests.support.docker import docker, eventually
from tests.support.faults import Site
from tests.support.galera import PATIENCE, Cluster, Node

NAME = "logged"
ROWS = 3
_NUMBER = re.compile(r"(?:BEGIN )?GTID (\d+-\d+-\d+)")
_SAME = ("Annotate_rows", "Query")
"""The events that read alike on all nodes."""


@pytest.fixture(scope="module")
def logged(site: Site) -> Iterator[Cluster]:
    """A cluster with a secret, and so with binary logs, of whose nodes each has written."""
    made = Cluster(site, name=NAME, DBHANDLER_POOL_SECRET=new_secret())
    try:
        made.start(random.Random(7))
        made.wait_ready()
        made.nodes[0].sql("CREATE DATABASE d")
        made.nodes[0].sql("CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, node INT)")
        write(made)
        yield made
    finally:
        for node in made.nodes:
            site.remove(node)


def write(cluster: Cluster, *but: Node) -> None:
    for number, node in enumerate(cluster.nodes):
        for _ in range(0 if node in but else ROWS):
            node.sql(f"INSERT INTO d.t (node) VALUES ({number})")


def position(node: Node) -> str:
    [line] = node.sql("SELECT @@gtid_binlog_pos")
    return line


def changes(node: Node) -> Mapping[str, list[str]]:
    """What stands in a node's logs, by the number of the change."""
    found: dict[str, list[str]] = {}
    now: list[str] = []
    for file in [line.split("\t")[0] for line in node.sql("SHOW BINARY LOGS")]:
        for _, _, kind, _, _, info in (line.split("\t", 5) for line in node.sql(f"SHOW BINLOG EVENTS IN '{file}'")):
            if kind == "Gtid" and (number := _NUMBER.match(info)):
                now = found.setdefault(number[1], [])
            elif kind in _SAME:
                now.append(info)
    return found


def check_same(cluster: Cluster) -> None:
    """All nodes are at one position, and have numbered what they have in common alike, without a gap."""
    eventually("one position", lambda: len(set(map(position, cluster.nodes))) == 1)
    first = position(cluster.nodes[0])
    assert "," not in first, "nobody has numbered anything for itself"
    domain, server, last = first.split("-")
    logs = [changes(node) for node in cluster.nodes]
    for log in logs:
        numbers = sorted(int(number.rpartition("-")[2]) for number in log)
        assert numbers == list(range(numbers[0], int(last) + 1))
        assert {number.rpartition("-")[0] for number in log} == {f"{domain}-{server}"}
        assert all(log[number] == logs[0].get(number, log[number]) for number in log)


def wait_back(cluster: Cluster, node: Node) -> None:
    eventually(f"{node.name} to be back", lambda: node.ready, PATIENCE)


def test_all_nodes_number_alike(logged: Cluster) -> None:
    check_same(logged)


def test_a_node_that_takes_what_it_has_missed_numbers_alike(logged: Cluster) -> None:
    node, transfers = logged.nodes[1], logged.nodes[1].transfers()
    docker("stop", "-t", "60", node.name)
    write(logged, node)
    docker("start", node.name)
    wait_back(logged, node)
    assert node.transfers() == transfers
    write(logged)
    check_same(logged)


def test_a_killed_node_numbers_alike(logged: Cluster) -> None:
    node = logged.nodes[2]
    docker("kill", node.name)
    write(logged, node)
    docker("start", node.name)
    wait_back(logged, node)
    write(logged)
    check_same(logged)


def test_a_node_that_takes_all_data_numbers_alike(logged: Cluster) -> None:
    node = logged.nodes[0]
    node.wipe()
    write(logged, node)
    node.run_member(int(node.address.rpartition(".")[2]))
    wait_back(logged, node)
    assert node.transfers() == 1
    write(logged)
    check_same(logged)
