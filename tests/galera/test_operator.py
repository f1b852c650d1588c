"""A total outage of which one node does not come back: the others wait, and the operator decides."""

from __future__ import annotations

import re

from tests.support.docker import docker, eventually
from tests.support.faults import Site
from tests.support.galera import Cluster, Node, Writer


def test_the_way_out(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    with Writer(cluster, "outing.numbers") as writer:
        writer.wait_for_more()
    docker("kill", *(node.name for node in cluster.nodes))
    first.start()
    second.start()
    eventually("both to wait for the third", lambda: all(waits(node) for node in (first, second)))
    ahead, behind = sorted((first, second), key=position, reverse=True)
    refused = ahead.exec("dbhandler-cluster", "bootstrap", ahead.node, user="mysql", check=False)
    assert "--i-accept-data-loss begins all the same" in refused
    assert "run it in the container of" in ahead.exec("dbhandler-cluster", "bootstrap", "x", user="mysql", check=False)
    done = ahead.exec("dbhandler-cluster", "bootstrap", ahead.node, "--i-accept-data-loss", user="mysql")
    assert "begins the cluster" in done
    eventually("the new history", lambda: ahead.ready)
    # What holds the old history stays as it is: only its owner may throw it away.
    eventually("the refusal", lambda: "it stays untouched" in behind.logs)
    third.start()
    eventually("the refusal of the third", lambda: "it stays untouched" in third.logs)
    for number, node in enumerate((behind, third)):
        node.wipe()
        node.run_member(230 + number)
    cluster.wait_ready()
    writer.check()


def test_a_new_node_replaces_one(site: Site, cluster: Cluster) -> None:
    cluster.wait_ready()
    first, second, third = cluster.nodes
    new = Node(site, 0, cluster.name, [site.name("new"), second.name])
    new.engine, new.client = cluster.engine, cluster.engine.client
    new.run_member(240)
    eventually("the fourth", lambda: new.ready and new.size == "4")
    first.stop()
    eventually("three", lambda: new.size == "3")
    rest = Cluster(site, count=0, engine=cluster.engine)
    rest.nodes = [second, third, new]
    rest.wait_ready()
    # The one that left in order belongs to the last view no more: nobody waits for it.
    docker("kill", *(node.name for node in rest.nodes))
    for node in rest.nodes:
        node.start()
    rest.wait_ready()
    first.start()
    eventually("the first one's return", lambda: new.size == "4")
    new.stop()
    cluster.wait_ready()


def waits(node: Node) -> bool:
    """Does it see two nodes that wait, and the third missing?"""
    report = node.exec("dbhandler-cluster", "status", check=False)
    return len(re.findall(r"waiting +data", report)) == 2 and "of the last component" in report


def position(node: Node) -> int:
    """Where the node itself says that it is."""
    report = node.exec("dbhandler-cluster", "status", user="mysql")
    [found] = re.findall(rf"^{node.node} .*waiting +data +\S+:(\d+)$", report, re.MULTILINE)
    return int(found)
