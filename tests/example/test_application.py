"""The Python application: twenty lines that ask for their own database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker import docker, eventually
from tests.support.example_cluster import ExampleCluster, page

SERVICES = ("application", "database", "serf_agent")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ExampleCluster]:
    """A cluster without WordPress, not yet started."""
    cluster = ExampleCluster(tmp_path, "wordpress/compose.yaml", "example/compose.yaml")
    yield cluster
    cluster.close()


def visit(cluster: ExampleCluster) -> str:
    """What the application answers, as soon as it does."""
    return eventually("the application", lambda: page(cluster.url("application"))).strip()


def test_it_waits_for_its_database_and_finds_it_again(cluster: ExampleCluster) -> None:
    cluster.up("application")
    eventually("the application to wait", lambda: "no Serf agent answers" in cluster.log("application"))
    cluster.up("database", "serf_agent")
    assert [visit(cluster), visit(cluster)] == ["visit 1", "visit 2"]
    assert cluster.databases() == {"visits"}
    cluster.kill(*SERVICES)
    cluster.up(*SERVICES)
    assert visit(cluster) == "visit 3"
    password = cluster.account("application")["password"]
    said = [
        docker("logs", container).stdout + docker("inspect", container).stdout for container in cluster.containers()
    ]
    assert len(said) == 3 and password not in "".join(said)
