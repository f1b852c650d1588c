"""container/compose.yaml and container/galera/compose.yaml, by Compose 1.29 or whatever this machine has, and by v2."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker import docker, eventually, run
from tests.support.example_cluster import CONTAINER, ExampleCluster, page
from tests.support.shared_tables import SHARED_TABLES

SERF_IMAGE = "dbhandler-serf"
PORTS = (3306, 4567, 4568, 4444, 7946)
SOCKET = "/var/run/docker.sock"
DOCKERFILE = Path(__file__).with_name("compose-v2.Dockerfile")
V2 = "dbhandler-compose-v2"


class ComposeV2Cluster(ExampleCluster):
    """The same by Compose v2, which runs in a container and finds every file where it is on this machine."""

    def compose(self, *arguments: str) -> str:
        folders = [part for folder in (CONTAINER, self.keys) for part in ("-v", f"{folder}:{folder}")]
        variables = [part for name, value in self.environ.items() for part in ("-e", f"{name}={value}")]
        command = ("docker-compose", *self._files, *arguments)
        return docker("run", "--rm", "-v", f"{SOCKET}:{SOCKET}", *folders, *variables, V2, *command).stdout


def build_v2() -> None:
    """Makes the image with Compose v2, unless it is there."""
    base = run(str(CONTAINER / "base-image"), "trixie").stdout.split()[-1]
    subprocess.run(
        ("docker", "build", "-q", "--build-arg", f"BASE={base}", "-t", V2, "-"),
        input=DOCKERFILE.read_bytes(), check=True, stdout=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip


def made(compose: str, folder: Path, file: str) -> ExampleCluster:
    """A cluster of a Compose file, by the Compose of this machine or v2; not yet started."""
    if compose == "v2":
        build_v2()
        return ComposeV2Cluster(folder, file)
    if not shutil.which("docker-compose"):
        pytest.fail("there is no docker-compose here: run `make test-example`")
    return ExampleCluster(folder, file)


@pytest.fixture(params=["here", "v2"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExampleCluster]:
    """The cluster of docs/how-to/compose.md."""
    cluster = made(request.param, tmp_path, "compose.yaml")
    (cluster.keys / "root_password").write_text(secrets.token_hex(16))
    yield cluster
    cluster.close()


@pytest.fixture
def galera(tmp_path: Path) -> Iterator[ExampleCluster]:
    """Three servers, one database."""
    cluster = made("v2", tmp_path, "galera/compose.yaml")
    yield cluster
    cluster.close()


def members(cluster: ExampleCluster) -> str:
    """The table of dbhandler-status as the agent's container shows it."""
    return cluster.exec("serf_agent", "dbhandler-status")


def test_two_servers_and_an_application(cluster: ExampleCluster) -> None:
    cluster.up()
    assert eventually("the application", lambda: page(cluster.url("application"))).strip() == "visit 1"
    table = eventually("both servers", lambda: found if (found := members(cluster)).count("ready") >= 2 else "")
    assert "db1" in table and "db2" in table
    for service in ("db1", "db2", "serf_agent"):
        state = docker("inspect", "-f", "{{.State.Health.Status}}", cluster.containers(service)[0]).stdout.strip()
        assert state == "healthy"
    password = (cluster.keys / "root_password").read_text()
    query = ("mariadb", "-uroot", "-N", "-e", "SELECT 'in'")
    assert cluster.exec("db1", *query, MYSQL_PWD=password).strip() == "in"
    cluster.compose("restart")
    assert eventually("the application", lambda: page(cluster.url("application"))).strip() == "visit 2"
    assert password not in "".join(cluster.log(service) for service in ("db1", "db2", "serf_agent", "application"))


def test_three_servers_and_one_address(galera: ExampleCluster) -> None:
    galera.up()
    # At once, as in docs/how-to/three-servers.md: the answer names all three, by names that applications can use.
    ask = ("dbhandler-request", "shop", "--state", "/var/lib/dbhandler/shop.json", "--format", "json")
    hosts = json.loads(galera.exec("db2", *ask).splitlines()[-1])["hosts"]
    assert sorted(hosts) == ["db1:3306", "db2:3306", "db3:3306"]
    wait_equal(galera)
    assert "sends its data" not in galera.exec("db1", "dbhandler-status")
    for way in (["up", "-d"], ["restart"], ["down"], ["up", "-d"]):
        galera.compose(*way)
        if way != ["down"]:
            wait_equal(galera)
    health = ("inspect", "-f", "{{.State.Health.Status}}", galera.containers("proxy")[0])
    eventually("the proxy's health", lambda: docker(*health).stdout.strip() == "healthy")
    assert galera.exec("proxy", "dbhandler-health").count(":3306") == 3
    assert reached(galera, "db1") == [3306]


def wait_equal(galera: ExampleCluster) -> None:
    """Waits for three nodes, whose tables have to be equal, all that they share."""
    states = ("dbhandler-cluster", "status")
    eventually("three nodes", lambda: galera.exec("db3", *states, check=False).count(" synced ") == 3)
    sums = [checksums(galera, node) for node in ("db1", "db2", "db3")]
    assert sums[0] == sums[1] == sums[2]
    assert "shop" in galera.exec("db1", "mariadb", "-Ne", "SHOW DATABASES").split()


def checksums(galera: ExampleCluster, node: str) -> str:
    tables = galera.exec(node, "mariadb", "-Ne", f"SET SESSION wsrep_sync_wait = 1; {SHARED_TABLES}").split()
    return galera.exec(node, "mariadb", "-Ne", f"CHECKSUM TABLE {', '.join(tables)}")


def reached(galera: ExampleCluster, node: str) -> list[int]:
    """The ports of a node that a container on the applications' network can connect to."""
    network = ("--network", f"{galera.project}_default")
    script = f"import socket\nfor port in {PORTS}:\n if not socket.socket().connect_ex(('{node}', port)): print(port)"
    found = docker("run", "--rm", *network, "--entrypoint", "python3", SERF_IMAGE, "-c", script).stdout
    return [int(port) for port in found.split()]
