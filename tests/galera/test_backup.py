"""A cluster is one to its backup: the stream goes on from another node by numbers, without a gap or anything twice."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from dbhandler.trust.secret import new_secret
from tests.support.backups import BackupContainer
from tests.support.docker import docker, eventually
from tests.support.faults import Site
from tests.support.galera import PATIENCE, Cluster, Node, Writer

NAME = "saved"
SECRET = new_secret()
FROM = r"the binary log of \S+ comes from '(\S+)'"
GROUPS = """
import json
from pathlib import Path
from dbhandler.backup.logs import Logs

logs = Logs(Path("/backups/sources/cluster-saved/logs"), "mariadb")
print(json.dumps([[group.gtid for group, _ in logs.groups(0.0, float("inf"))], len(logs.spans())]))
"""


@pytest.fixture(scope="module")
def cluster(site: Site) -> Iterator[Cluster]:
    made = Cluster(site, name=NAME, DBHANDLER_POOL_SECRET=SECRET)
    try:
        made.start(random.Random(12))
        made.wait_ready()
        yield made
    finally:
        for node in made.nodes:
            site.remove(node)


@pytest.fixture(scope="module")
def backup(site: Site, cluster: Cluster) -> Iterator[BackupContainer]:
    settings = {
        "DBHANDLER_POOL_SECRET": SECRET, "DBHANDLER_BACKUP_SHIP": "5s",
        "SERF_JOIN": ",".join(node.name for node in cluster.nodes),
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    made = BackupContainer(site.run("dbhandler-backup:mariadb", options=options))
    made.wait_proven()
    yield made
    docker("rm", "-f", "-v", made.name)


def streamed_from(backup: BackupContainer) -> str:
    """The name of the node that the log comes from."""
    return str(re.findall(FROM, backup.logs)[-1])


def test_another_node_goes_on_where_one_is_killed(cluster: Cluster, backup: BackupContainer) -> None:
    nodes = {node.node: node for node in cluster.nodes}
    with Writer(cluster, "kept.numbers") as writer:
        writer.wait_for_more()
        first = nodes[streamed_from(backup)]
        docker("kill", first.name)
        eventually("another node", lambda: streamed_from(backup) != first.node, PATIENCE)
        writer.wait_for_more(100)
        first.start()
        eventually("its return", lambda: first.ready, PATIENCE, 0.5)
        writer.wait_for_more()
    writer.check()
    there = {int(n) for (n,) in backup.rows("latest", "SELECT n FROM kept.numbers", NAME)}
    assert writer.acknowledged <= there
    assert there == set(survivor(cluster).numbers("kept.numbers"))
    [gtids, spans] = backup.answer(GROUPS)
    assert spans == 1, "a gap"
    assert [gtid for gtid, count in Counter(gtids).items() if count > 1] == []
    assert "(gap)" not in backup.listed()


def survivor(cluster: Cluster) -> Node:
    return next(node for node in cluster.nodes if node.ready)
