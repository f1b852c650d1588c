"""dbhandler-status in real containers: two servers, asked from wherever somebody may ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import docker, eventually, together

STATUS = "dbhandler-status"
UNCREATABLE = "\N{SNOWMAN}" * 64
"""As long as a name may be, but the server writes it as a file name that the file system does not take."""


class Cluster:
    """A Serf agent, and a database server of each engine that has joined it."""

    def __init__(self, site: Site) -> None:
        self.network = site.network()
        on = ("--network", self.network)
        self.agent = site.agent(options=(*on, "--network-alias", "serf_agent"))
        settings = {"SERF_JOIN": "serf_agent", "SERF_RPC_AUTH": RPC_KEY, "DBHANDLER_NAME_PATTERN": ".*"}
        self.servers = [
            site.database(engine, options=(*on, "--network-alias", engine), **settings)
            for engine in ("mariadb", "mysql")
        ]
        together(*(server.wait_healthy for server in self.servers))
        self.wait_ready()

    def wait_ready(self) -> None:
        eventually("all servers to be ready", lambda: self.agent.run(STATUS).returncode == 0)

    def row(self, server: Database) -> dict[str, Any]:
        """What --json tells of a server."""
        # Beside it, on stderr, it tells of servers that have failed.
        [line] = [line for line in self.agent.run(STATUS, "--json").stdout.splitlines() if line.startswith("[")]
        rows = json.loads(line)
        return next(row for row in rows if row["node"] == server.node)


@pytest.fixture(scope="module")
def cluster(site: Site) -> Cluster:
    return Cluster(site)


@contextmanager
def stopped(server: Database, program: str) -> Iterator[None]:
    """One of the container's programs, stopped while the block takes."""
    server.supervisorctl("stop", f"dbhandler:{program}")
    yield
    server.supervisorctl("start", f"dbhandler:{program}")


def test_all_servers_stand_in_the_table(cluster: Cluster) -> None:
    done = cluster.agent.run(STATUS)
    heading, *lines = done.stdout.splitlines()
    assert (done.returncode, heading.split()[:3]) == (0, ["NODE", "SERVER", "STATE"])
    shown = {tuple(line.split()[:2] + line.split()[3:4]) for line in lines}
    assert shown == {(server.node, server.engine, "ready") for server in cluster.servers}


def test_it_is_asked_inside_the_database_container(cluster: Cluster) -> None:
    for server in cluster.servers:
        assert server.exec(STATUS).count(" ready ") == 2
        # Without the variable the key is still in the file to which the entry point moved it.
        assert server.exec(STATUS, SERF_RPC_AUTH="").count(" ready ") == 2
    stranger = docker("exec", "-u", "nobody", "-e", "SERF_RPC_AUTH=", cluster.servers[0].name, STATUS, check=False)
    assert stranger.returncode == 77
    assert "SERF_RPC_AUTH" in stranger.stdout and stranger.stdout.count("\n") == 1


def test_it_is_asked_from_a_container_of_its_own(site: Site, cluster: Cluster) -> None:
    options = ("--network", cluster.network, "--entrypoint", STATUS)
    address = ("--rpc-addr", "serf_agent:7373")
    status, log = site.once("dbhandler-serf", *address, options=options, SERF_RPC_AUTH=RPC_KEY)
    assert (status, log.count(" ready ")) == (0, 2)
    status, log = site.once("dbhandler-serf", *address, options=options, SERF_RPC_AUTH="guessed-key")
    assert (status, "guessed-key" in log) == (77, False)
    status, log = site.once("dbhandler-serf", "--rpc-addr", "mariadb:1", options=options, SERF_RPC_AUTH=RPC_KEY)
    assert (status, log.count("\n")) == (69, 1)


def test_a_request_that_failed_is_the_last_error(cluster: Cluster) -> None:
    mariadb = cluster.servers[0]
    assert cluster.row(mariadb)["last_error"] is None
    assert mariadb.query("create_db", UNCREATABLE)["status"] == "failed"
    row = cluster.row(mariadb)
    assert row["last_error"].startswith("query create_db: ") and "File name too long" in row["last_error"]
    assert row["last_error_at"].endswith("Z")
    assert row["ready"] is True


def test_a_server_that_is_down_says_why(cluster: Cluster) -> None:
    mysql = cluster.servers[1]
    with stopped(mysql, "mysqld"):
        eventually("the server to be down", lambda: cluster.row(mysql)["state"] == "down")
        assert "does not answer" in cluster.row(mysql)["last_error"]
        assert cluster.agent.run(STATUS).returncode == 1
    cluster.wait_ready()
    # Remembered: of the moment in which it went down, which may have been its shutdown already.
    assert cluster.row(mysql)["last_error"].startswith("the database server ")


def test_a_container_whose_agent_is_away_says_so(cluster: Cluster) -> None:
    mysql = cluster.servers[1]
    with stopped(mysql, "agent"):
        row = cluster.row(mysql)
        assert (row["state"], row["alive"], row["engine"]) == ("no agent", True, "mysql")
        assert cluster.agent.run(STATUS).returncode == 1
    cluster.wait_ready()


def test_a_server_that_does_not_answer_failed_or_left_stands_in_the_table(cluster: Cluster) -> None:
    mariadb, mysql = cluster.servers
    docker("pause", mysql.name)
    try:
        assert cluster.row(mysql)["state"] == "no answer"
        assert cluster.row(mariadb)["state"] == "ready"
    finally:
        docker("unpause", mysql.name)

    mysql.kill()
    eventually("it to be seen as failed", lambda: cluster.row(mysql)["state"] == "failed")
    done = cluster.agent.run(STATUS)
    assert done.returncode == 1 and f"failed: '{mysql.node}'; `dbhandler-pool forget NODE` forgets" in done.stdout
    assert "is forgotten" in cluster.agent.exec("dbhandler-pool", "forget", mysql.node)
    eventually("the live server to count alone", lambda: cluster.agent.run(STATUS).returncode == 0)
    mysql.start()
    cluster.wait_ready()
    eventually("it to be back", lambda: cluster.row(mysql)["state"] == "ready")
    mysql.stop()
    assert cluster.row(mysql)["state"] == "left"

    mariadb.stop()
    done = cluster.agent.run(STATUS)
    assert (done.returncode, done.stdout.count(" left ")) == (69, 2)
    assert "no live database server" in done.stdout
