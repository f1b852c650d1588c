"""One address for the cluster: it serves while any one node is killed, and one node takes all connections."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest
from cluster import PASSWORD, PROXY_IMAGE, RPC_KEY, Cluster, Node
from containers import Container, Site, docker, eventually


class Proxy(Container):
    """A proxy for the cluster."""

    def __init__(self, site: Site, cluster: Cluster) -> None:
        agents = ",".join(f"{node.name}:7373" for node in cluster.nodes)
        settings = ("-e", f"SERF_RPC_ADDR={agents}", "-e", f"SERF_RPC_AUTH={RPC_KEY}", "-e", "DBHANDLER_CLUSTER=shop")
        super().__init__(site.run(PROXY_IMAGE, options=(*settings, "-p", "127.0.0.1::3306")))

    def open(self) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.published(3306), user="admin", password=PASSWORD, autocommit=True,
            connect_timeout=10, read_timeout=20,
        )  # fmt: skip

    def try_open(self) -> Any:
        """A connection, None where there is none yet."""
        with suppress(pymysql.err.Error, OSError):
            return self.open()
        return None

    def taken(self, node: Node) -> int:
        """How often the node was taken into service."""
        return self.logs.count(f"{node.node} serves at ")

    def at(self) -> str:
        """The node that takes a new connection; empty where none does."""
        with suppress(pymysql.err.Error, OSError), closing(self.open()) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT @@wsrep_node_name")
            return str(cursor.fetchone()[0])
        return ""


@pytest.fixture
def proxy(site: Site, cluster: Cluster) -> Proxy:
    cluster.wait_ready()
    made = Proxy(site, cluster)
    eventually("a node behind the proxy", made.at)
    return made


def test_the_next_node_takes_over_and_keeps_it(proxy: Proxy, cluster: Cluster) -> None:
    eventually("all nodes behind the proxy", lambda: all(proxy.taken(node) for node in cluster.nodes))
    first = proxy.at()
    assert {proxy.at() for _ in range(6)} == {first}
    writer = next(node for node in cluster.nodes if node.node[:32] in first)
    taken = proxy.taken(writer)
    docker("kill", writer.name)
    second = eventually("another node", lambda: (found := proxy.at()) != first and found)
    # The first tries after a kill may still be on their way to the node that is gone.
    connection = eventually("a connection", proxy.try_open)
    cursor = connection.cursor()
    cursor.execute("CREATE DATABASE IF NOT EXISTS behind_the_proxy")
    writer.start()
    cluster.wait_ready()
    eventually("it to be back", lambda: proxy.taken(writer) > taken)
    time.sleep(3)
    # The connection that was open lives on, and so does the choice of the writer.
    cursor.execute("SELECT @@wsrep_node_name")
    assert cursor.fetchone()[0] == second == proxy.at()
    connection.close()
    assert proxy.running
