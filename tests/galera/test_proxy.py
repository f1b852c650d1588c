"""One address for the cluster: it serves while any one node is killed, and one node takes all connections."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pymysql
import pytest

from dbhandler.group.galera.options import NAME_LENGTH
from tests.support.containers import RPC_KEY
from tests.support.docker import docker, eventually, inspect
from tests.support.faults import Container, Site
from tests.support.galera import HANGS, PROXY_IMAGE, Cluster, Node, Proxy


def test_no_key_stays_in_the_environment_of_the_proxy(site: Site) -> None:
    settings = ("-e", f"SERF_RPC_AUTH={RPC_KEY}", "-e", "SERF_RPC_ADDR=nobody", "-e", "DBHANDLER_CLUSTER=shop")
    proxy = Container(site.run(PROXY_IMAGE, options=settings))
    script = "for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || cat $p/environ $p/cmdline; done | tr '\\0' '\\n'"

    def seen() -> str:
        return proxy.exec("env", "-i", "sh", "-c", script, user="mysql", check=False)

    # The proxy and HAProxy; the key itself is there, in a file of its own.
    eventually(
        "both processes", lambda: (text := seen()).count("DBHANDLER_CLUSTER=shop") == 2 and "haproxy.cfg" in text
    )
    assert RPC_KEY not in seen()
    assert proxy.exec("cat", "/run/dbhandler/secrets/SERF_RPC_AUTH") == RPC_KEY


class Visitors:
    """Ten a second, each of whom opens a connection and asks for something. failures are how theirs ended, with the
    time at which they came."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy, self._stop, self._threads = proxy, threading.Event(), list[threading.Thread]()
        self.failures: list[tuple[float, str]] = []
        self._loop = threading.Thread(target=self._run)

    def __enter__(self) -> Visitors:
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in [self._loop, *self._threads]:
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._threads.append(threading.Thread(target=self._visit))
            self._threads[-1].start()

    def _visit(self) -> None:
        came = time.monotonic()
        try:
            with closing(self._proxy.open()) as connection:
                connection.cursor().execute("SELECT COUNT(*) FROM mysql.user")
        except (pymysql.err.Error, OSError) as error:
            self.failures.append((came, str(error)))


@pytest.fixture(params=["the cluster", "one of its databases"])
def proxy(site: Site, cluster: Cluster, request: pytest.FixtureRequest) -> Proxy:
    cluster.wait_ready()
    cluster.nodes[0].sql("CREATE DATABASE IF NOT EXISTS behind_a_port")
    one = {"DBHANDLER_CLUSTER": "", "DBHANDLER_PROXY_DATABASES": "behind_a_port:3310"}
    made = Proxy(site, cluster) if request.param == "the cluster" else Proxy(site, cluster, 3310, **one)
    eventually("a node behind the proxy", made.at)
    return made


def test_the_next_node_takes_over_and_keeps_it(proxy: Proxy, cluster: Cluster) -> None:
    eventually("all nodes behind the proxy", lambda: all(proxy.taken(node) for node in cluster.nodes))
    first = proxy.at()
    assert {proxy.at() for _ in range(6)} == {first}
    writer = next(node for node in cluster.nodes if is_named(node, first))
    taken = proxy.taken(writer)
    with Visitors(proxy) as visitors:
        time.sleep(1)
        docker("kill", writer.name)
        killed = time.monotonic()
        time.sleep(5)
    # Whoever comes after the kill is served; who was on the way may lose the answer, but at once.
    assert [failure for failure in visitors.failures if failure[0] > killed or "timed out" in failure[1]] == []
    second = proxy.at()
    assert second != first
    connection = proxy.open()
    cursor = connection.cursor()
    cursor.execute("CREATE DATABASE IF NOT EXISTS behind_the_proxy")
    writer.start()
    cluster.wait_ready()
    eventually("it to be back", lambda: proxy.taken(writer) > taken)
    time.sleep(3)
    # The connection that was open lives on, and so does the choice of the writer.
    cursor.execute(cluster.engine.name)
    assert cursor.fetchone()[0] == second == proxy.at()
    # A node that is silently gone, as with its machine: the connection to it ends, and is not waited for for ever.
    owner = next(node for node in cluster.nodes if is_named(node, second))
    owner.cut()
    began = time.monotonic()
    with pytest.raises(pymysql.err.OperationalError, match="Lost connection"):
        cursor.execute("SELECT SLEEP(60)")
    assert time.monotonic() - began < HANGS
    owner.heal()
    connection.close()
    cluster.wait_ready()


def is_named(node: Node, told: str) -> bool:
    """Is it the node that the server says it is, by its name (Galera) or its address (MySQL)?"""
    return node.address == told or node.node[:NAME_LENGTH] in told


def test_its_health(proxy: Proxy) -> None:
    assert "passes connections on to" in proxy.exec("dbhandler-health", user="mysql")
    eventually("Docker to see it", lambda: inspect(proxy.name, ".State.Health.Status") == "healthy")
    assert proxy.running
