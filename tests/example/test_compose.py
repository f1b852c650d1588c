"""container/compose.yaml and container/galera/compose.yaml, by Compose 1.29 or whatever this machine has, and by v2."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_cluster import CONTAINER, ExampleCluster, docker, eventually, page, run

SOCKET = "/var/run/docker.sock"
DOCKERFILE = Path(__file__).with_name("compose-v2.Dockerfile")
V2 = "dbhandler-compose-v2"


class ComposeV2Cluster(ExampleCluster):
    """The same by Compose v2, which runs in a container and finds every file where it is on this machine."""

    def compose(self, *arguments: str) -> str:
        folders = [part for folder in (CONTAINER, self.keys) for part in ("-v", f"{folder}:{folder}")]
        variables = [part for name, value in self.environ.items() for part in ("-e", f"{name}={value}")]
        command = ("docker-compose", *self._files, *arguments)
        return docker("run", "--rm", "-v", f"{SOCKET}:{SOCKET}", *folders, *variables, V2, *command)


def build_v2() -> None:
    """Makes the image with Compose v2, unless it is there."""
    base = run(str(CONTAINER / "base-image"), "trixie").split()[-1]
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
    """The cluster of the README."""
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
    table = eventually("both servers", lambda: (found := members(cluster)) and found.count("ready") >= 2 and found)
    assert "db1" in table and "db2" in table
    for service in ("db1", "db2", "serf_agent"):
        state = docker("inspect", "-f", "{{.State.Health.Status}}", cluster.containers(service)[0]).strip()
        assert state == "healthy"
    password = (cluster.keys / "root_password").read_text()
    query = ("mariadb", "-uroot", "-N", "-e", "SELECT 'in'")
    assert cluster.exec("db1", *query, MYSQL_PWD=password).strip() == "in"
    cluster.compose("restart")
    assert eventually("the application", lambda: page(cluster.url("application"))).strip() == "visit 2"
    assert password not in "".join(cluster.log(service) for service in ("db1", "db2", "serf_agent", "application"))


def test_three_servers_and_one_address(galera: ExampleCluster) -> None:
    galera.up()
    ask = ("dbhandler-request", "shop", "--state", "/var/lib/dbhandler/shop.json", "--format", "json")
    eventually("three servers", lambda: len(json.loads(galera.exec("db2", *ask).splitlines()[-1])["hosts"]) == 3)
    assert galera.exec("db3", "dbhandler-cluster", "status").count(" synced ") == 3
    health = ("inspect", "-f", "{{.State.Health.Status}}", galera.containers("proxy")[0])
    eventually("the proxy's health", lambda: docker(*health).strip() == "healthy")
    assert galera.exec("proxy", "dbhandler-health").count(":3306") == 3
