"""What matters most of the clusters' tests, with MySQL's Group Replication. DBHANDLER_GALERA_ENGINE=mysql: all."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from dbhandler.group.engine import GROUP_PORT
from dbhandler.trust.group import USER
from tests.galera import test_faults, test_forming, test_operator, test_proxy, test_requests
from tests.support.containers import RPC_KEY
from tests.support.docker import docker, eventually
from tests.support.faults import Server, Site
from tests.support.galera import ENGINE, MYSQL, Cluster, Engine

pytestmark = pytest.mark.skipif(ENGINE is MYSQL, reason="all of them run with MySQL")


test_forming_one_cluster = test_forming.test_the_nodes_form_one_cluster_with_one_admin
test_one_event = test_requests.test_one_event_at_three_nodes_makes_one_database_and_no_error
test_one_event_with_a_sealed_account = test_requests.test_one_event_with_a_sealed_account
test_a_state_file = test_requests.test_a_state_file_made_with_one_node_works_with_every_other
test_of_two_accounts_one_gets_the_name = test_requests.test_of_two_accounts_that_claim_one_name_at_two_nodes_one_gets_it
proxy = test_proxy.proxy
test_the_next_node_takes_over_and_keeps_it = test_proxy.test_the_next_node_takes_over_and_keeps_it
test_single_faults_under_load = test_faults.test_single_faults_under_load
test_a_total_outage_under_load = test_faults.test_a_total_outage_under_load
test_the_way_out = test_operator.test_the_way_out
test_a_new_node_replaces_one = test_operator.test_a_new_node_replaces_one


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


def test_no_stranger_is_in_the_group_or_gets_its_data(site: Site, cluster: Cluster) -> None:
    node, stranger = cluster.nodes[0], Server(site.name("stranger"))
    stranger.client = cluster.engine.client
    group = {
        "group-name": node.told(cluster.engine.history), "local-address": f"{stranger.name}:{GROUP_PORT}",
        "group-seeds": f"{node.address}:{GROUP_PORT}", "ssl-mode": "REQUIRED", "recovery-use-ssl": "ON",
        "start-on-boot": "OFF",
    }  # fmt: skip
    options = [f"--loose-group-replication-{name}={value}" for name, value in group.items()]
    numbered = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--server-id=99"]
    plugins = "--plugin-load-add=group_replication.so;mysql_clone.so"
    where = ("--tmpfs", "/run", "-e", f"SERF_RPC_AUTH={RPC_KEY}")
    site.run(cluster.engine.image, plugins, *numbered, *options, options=where, name=stranger.name)
    try:
        stranger.wait_ready()
        assert "3092" in " ".join(stranger.sql("START GROUP_REPLICATION", check=False)), "it shows no certificate"
        stranger.sql(f"SET GLOBAL clone_valid_donor_list = '{node.address}:3306'")
        clone = f"CLONE INSTANCE FROM {USER}@'{node.address}':3306 IDENTIFIED BY 'a guess' REQUIRE SSL"
        assert "Access denied" in " ".join(stranger.sql(clone, check=False))
    finally:
        docker("rm", "-f", "-v", stranger.name)
    eventually("the group as before", lambda: all(one.size == "3" for one in cluster.nodes))


def test_a_node_that_holds_what_the_others_do_not_is_refused_and_keeps_it(cluster: Cluster) -> None:
    cluster.wait_ready()
    node, other = cluster.nodes[-1], cluster.nodes[0]
    alone = "SET GLOBAL super_read_only = OFF; CREATE DATABASE astray"
    node.sql(f"STOP GROUP_REPLICATION; {alone}")
    eventually("the refusal", lambda: "it stays untouched" in node.logs, 120, 1.0)
    own = "it holds transactions that .* do not: [0-9a-f-]+:1 .here .*, there .*DBHANDLER_LEAVE_CLUSTER=group"
    assert re.search(own, node.logs)
    assert "it holds transactions that" in node.exec("dbhandler-cluster", "status", user="mysql")
    node.stop()
    node.run_outside(231, DBHANDLER_LEAVE_CLUSTER="group")
    node.wait_ready()
    assert node.made("astray")
    other.sql("CREATE DATABASE meanwhile")
    node.stop()
    node.run_member(232)
    cluster.wait_ready()
    assert node.made("meanwhile") and not node.made("astray")
    assert "is kept in /var/lib/mysql/.dbhandler-set-aside/" in node.logs
    cluster.check_equal()
