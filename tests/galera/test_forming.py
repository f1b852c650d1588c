"""Three empty nodes, started in any order and some time apart, form one cluster; other data stay untouched."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest

from tests.support.docker import docker, eventually
from tests.support.faults import Site
from tests.support.galera import SCALE, Cluster, Engine


def test_the_nodes_form_one_cluster_with_one_admin(cluster: Cluster) -> None:
    # The logs of its first life are gone once another test has replaced the containers.
    logs = cluster.first_logs
    assert sum(log.count("=> Creating MySQL admin user") for log in logs) == 1
    assert len(histories(cluster, logs)) == beginnings(logs) == 1
    assert [line for log in logs for line in log.splitlines() if "[ERROR]" in line] == []


@pytest.mark.parametrize("number", range(SCALE.formings - 1))
def test_whatever_the_order_and_the_time_between(site: Site, engine: Engine, rng: random.Random, number: int) -> None:
    made = Cluster(site, engine=engine)
    try:
        made.start(rng, apart=SCALE.apart)
        made.wait_ready()
        logs = [node.logs for node in made.nodes]
        assert len(histories(made, logs)) == beginnings(logs) == 1, made.story()
        made.check_equal()
    finally:
        for node in made.nodes:
            docker("rm", "-f", "-v", node.name)


@pytest.mark.parametrize("victim", ["receiver", "sender"])
def test_a_transfer_that_is_cut_is_done_again(cluster: Cluster, victim: str) -> None:
    node = cluster.nodes[-1]
    node.wipe()
    node.run_member(250)
    eventually("the transfer", lambda: "Waiting for SST streaming to complete" in node.logs, 120, 0.05)
    sender = next(other for other in cluster.nodes if other.status("wsrep_local_state_comment") == "Donor/Desynced")
    killed = node if victim == "receiver" else sender
    docker("kill", killed.name)
    killed.start()
    cluster.wait_ready()
    assert node.transfers() == 1
    cluster.check_equal()


def histories(cluster: Cluster, logs: Iterable[str]) -> set[str]:
    """The UUIDs of every cluster that any of the servers is in, and of those that Galera's have ever been in."""
    told = {node.told(cluster.engine.history) for node in cluster.nodes}
    return told | set(re.findall(r"group UUID = (\S+)", "\n".join(logs))) - {"00000000-0000-0000-0000-000000000000"}


def beginnings(logs: Iterable[str]) -> int:
    """How often any of the nodes has begun a cluster."""
    return sum(log.count("beginning with the votes of") for log in logs)


def test_two_clusters_in_one_serf_cluster_do_not_touch(site: Site, cluster: Cluster) -> None:
    other = Cluster(site, count=1, name="other")
    node = other.nodes[0]
    node._names = [node.name, cluster.nodes[0].name]
    node.run_member(200, size=1)
    eventually("the other cluster", lambda: node.ready, 120, 1.0)
    assert node.size == "1"
    assert node.told(cluster.engine.history) != cluster.nodes[0].told(cluster.engine.history)
    # Its data, under the first one's name, are refused and stay as they are.
    node.sql("CREATE DATABASE of_the_other")
    # In order: a member that failed might have any database, and clients would wait for it.
    node.stop()
    node._cluster = "shop"
    node.run_member(201)
    eventually("the end", lambda: not node.running, 60, 0.5)
    assert "belong to the cluster 'other'" in node.logs
    node.options = ("-e", "DBHANDLER_LEAVE_CLUSTER=other")
    node.run_member(202)
    eventually("the refusal", lambda: "it holds the data of a server outside the cluster that" in node.logs, 120, 1.0)
    assert "it stays untouched" in node.logs
    assert not node.sql("SELECT 1", check=False)[0].isdigit()
    node.stop()
    cluster.wait_ready()
