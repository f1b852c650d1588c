"""A Galera cluster in real containers: DBHANDLER_GALERA=short for every change, =full for the numbers of the issue."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from cluster import IMAGE, SERF_IMAGE, Cluster
from containers import Site, docker, sites


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    if subprocess.run(("docker", "info"), capture_output=True, timeout=60).returncode:
        pytest.skip("Galera tests are left out: no Docker engine answers here (docker info)")
    for image in (IMAGE, SERF_IMAGE):
        assert docker("image", "ls", "-q", image).strip(), f"there is no image {image}: run `make image ENGINE=galera`"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance, the same in every run of a test."""
    return random.Random(request.node.name)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    yield from sites()


@pytest.fixture(scope="session")
def cluster(site: Site) -> Cluster:
    """A cluster that is ready; tests leave it ready."""
    made = Cluster(site)
    made.start(random.Random(8), apart=1.0)
    made.wait_ready()
    return made
