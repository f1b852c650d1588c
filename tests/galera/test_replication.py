"""What matters most of the clusters' tests, with MySQL's Group Replication. DBHANDLER_GALERA_ENGINE=mysql: all."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.galera.test_faults import test_a_total_outage_under_load as test_a_total_outage_under_load
from tests.galera.test_faults import test_single_faults_under_load as test_single_faults_under_load
from tests.galera.test_forming import (
    test_the_nodes_form_one_cluster_with_one_admin as test_the_nodes_form_one_cluster_with_one_admin,
)
from tests.galera.test_operator import test_a_new_node_replaces_one as test_a_new_node_replaces_one
from tests.galera.test_operator import test_the_way_out as test_the_way_out
from tests.galera.test_proxy import proxy as proxy
from tests.support.docker import docker
from tests.support.faults import Site
from tests.support.galera import ENGINE, MYSQL, Cluster, Engine

pytestmark = pytest.mark.skipif(ENGINE is MYSQL, reason="all of them run with MySQL")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return MYSQL


@pytest.fixture(scope="module")
def cluster(site: Site) -> Iterator[Cluster]:
    """A cluster that is ready; tests leave it ready."""
    made = Cluster(site, name="group", engine=MYSQL)
    made.start_one_late(random.Random(8))
    made.wait_ready()
    yield made
    docker("rm", "-f", "-v", *(node.name for node in made.nodes))
