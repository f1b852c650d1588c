"""A node's volumes outside of their cluster, and a stranger inside of it: nothing diverges in silence."""

from __future__ import annotations

import pytest

from tests.support.docker import docker, eventually
from tests.support.faults import STATE, Server, Site
from tests.support.galera import IMAGE, Cluster

ASIDE = "/var/lib/mysql/.dbhandler-set-aside"


def test_a_nodes_volumes_are_refused_outside_and_what_was_written_there_is_set_aside(cluster: Cluster) -> None:
    cluster.wait_ready()
    node = cluster.nodes[-1]
    node.stop()
    node.run_outside(210)
    eventually("the refusal", lambda: not node.running, 60, 0.5)
    assert "belong to the cluster 'shop'" in node.logs
    assert "DBHANDLER_LEAVE_CLUSTER=shop" in node.logs
    node.run_outside(210, DBHANDLER_LEAVE_CLUSTER="shop")
    node.wait_ready()
    node.sql(
        "CREATE DATABASE astray; CREATE TABLE astray.numbers (n INT PRIMARY KEY); INSERT INTO astray.numbers VALUES (1)"
    )
    cluster.nodes[0].sql("CREATE DATABASE meanwhile")
    node.stop()
    node.run_member(211)
    cluster.wait_ready()
    assert node.transfers() == 1
    assert not node.made("astray") and node.made("meanwhile")
    assert f"is kept in {ASIDE}/" in node.logs
    assert "astray" in node.exec("sh", "-c", f"ls {ASIDE}/*")
    assert not [name for name in node.sql("SHOW DATABASES") if "dbhandler" in name]
    cluster.check_equal()
    # What it keeps of its own outlives the next transfer, and is no other node's.
    other = cluster.nodes[0]
    other.wipe()
    other.run_member(212)
    cluster.wait_ready()
    assert "astray" in node.exec("sh", "-c", f"ls {ASIDE}/*")
    assert "dbhandler-set-aside" not in other.exec("ls", "-a", "/var/lib/mysql")
    cluster.check_equal()


@pytest.mark.parametrize("name", ["a-stranger", "x/y.deadbeef"])
def test_a_stranger_in_the_group_makes_no_node_unknown(site: Site, cluster: Cluster, name: str) -> None:
    cluster.wait_ready()
    first, *_ = cluster.nodes
    stranger = Server(site.name("stranger"))
    options = {
        "on": "ON", "provider": "/usr/lib/galera/libgalera_smm.so", "cluster-name": "shop", "node-name": name,
        "cluster-address": f"gcomm://{first.address}", "sst-method": "mariabackup",
    }  # fmt: skip
    server = [f"--wsrep-{option}={value}" for option, value in options.items()]
    site.run(IMAGE, *server, "--binlog-format=ROW", options=("--tmpfs", "/run"), name=stranger.name)
    try:
        size = str(len(cluster.nodes) + 1)
        eventually("the stranger", lambda: first.status("wsrep_cluster_size") == size, 120, 0.5)
        eventually("the views", lambda: is_there(stranger) and all(map(has_noticed, cluster.nodes)), 150, 1.0)
        eventually("the sender", lambda: all(node.tag("galera").startswith("synced ") for node in cluster.nodes))
    finally:
        docker("rm", "-f", "-v", stranger.name)
    size = str(len(cluster.nodes))
    eventually("its end", lambda: all(node.status("wsrep_cluster_size") == size for node in cluster.nodes), 120, 0.5)
    cluster.wait_ready()
    eventually("the views without it", lambda: all(len(peers(node)) == len(cluster.nodes) for node in cluster.nodes))


def is_there(stranger: Server) -> bool:
    """Starts it again where it has given up, as one does whose state transfer fails on a busy machine."""
    return docker("start", stranger.name).returncode == 0


def has_noticed(node: Server) -> bool:
    """Does the node count the stranger and know the others still? Or, where the server tells nothing of the view
    because a shell could misread that one's name: does it say so?"""
    if "a member of the group hides who is in it" in node.logs:
        return not peers(node)
    said = "1 members of the group are no nodes of dbhandler" in node.logs
    return said and '"strangers": 1' in view(node) and len(peers(node)) == 3


def peers(node: Server) -> list[str]:
    """Who serves with it, as its tag says."""
    told = node.tag("galera").rpartition(" ")[2]
    return [] if told == "-" else told.split(".")


def view(node: Server) -> str:
    """What the server has told last of who is in its component."""
    return node.exec("cat", f"{STATE}/cluster-view.json")
