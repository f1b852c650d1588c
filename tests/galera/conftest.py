"""A cluster in real containers: DBHANDLER_GALERA=short for every change, =full for the numbers of the issue;
DBHANDLER_GALERA_ENGINE=mysql for MySQL's Group Replication instead of Galera (see test_replication.py)."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.support.docker import need_images
from tests.support.faults import Site, sites
from tests.support.galera import ENGINE, SERF_IMAGE, Cluster, Engine


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    need_images(ENGINE.image, SERF_IMAGE, make="make image ENGINE=galera|mysql")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance, the same in every run of a test."""
    return random.Random(request.node.name)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    yield from sites()


@pytest.fixture(scope="session")
def engine() -> Engine:
    return ENGINE


@pytest.fixture(scope="session")
def cluster(site: Site) -> Cluster:
    """A cluster that is ready; tests leave it ready."""
    made = Cluster(site, engine=ENGINE)
    made.start_one_late(random.Random(8))
    made.wait_ready()
    return made
