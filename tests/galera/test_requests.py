"""Whichever node is asked: one database, one account, on all of them; the client knows them as one server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pymysql
import pytest
from cluster import RPC_KEY, Cluster, Node
from containers import docker, eventually

from dbhandler.box import Credentials, seal
from dbhandler.client import drop_database, request_database, rotate_password
from dbhandler.errors import Denied

TIMEOUT = 120.0


def ask(node: Node, name: str, state: Path) -> object:
    return request_database(name, state_file=state, rpc_addr=f"{node.address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT)


def on_all(cluster: Cluster, name: str) -> bool:
    return all(name in node.made(name) for node in cluster.nodes)


def errors(cluster: Cluster) -> list[str]:
    return [
        line
        for node in cluster.nodes
        for line in node.logs.splitlines()
        if re.search(r"\[ERROR\]|create_db.*(failed|denied)", line)
    ]


def test_one_event_at_three_nodes_makes_one_database_and_no_error(cluster: Cluster) -> None:
    before = len(errors(cluster))
    names = [f"event{number}" for number in range(10)]
    docker("exec", cluster.nodes[1].name, "serf", "event", f"-rpc-auth={RPC_KEY}", "create_db", " ".join(names))
    eventually("the databases", lambda: all(on_all(cluster, name) for name in names))
    told = r"event create_db #\d+: 'event9' (created|exists)"
    eventually("all nodes to have handled it", lambda: all(re.search(told, node.logs) for node in cluster.nodes))
    assert errors(cluster)[before:] == []


def test_one_event_with_a_sealed_account(cluster: Cluster) -> None:
    before = len(errors(cluster))
    box = seal(cluster.nodes[2].tag("key"), Credentials("sealed_event", "sealed_user", "a-password-of-20-chars"))
    payload = json.dumps({"database": "sealed_event", "sealed": box})
    docker("exec", cluster.nodes[0].name, "serf", "event", f"-rpc-auth={RPC_KEY}", "create_db", payload)
    eventually("the database", lambda: on_all(cluster, "sealed_event"))
    told = r"event create_db #\d+: 'sealed_event' (created for account 'sealed_user'|left to another node)"
    eventually("all nodes to have handled it", lambda: all(re.search(told, node.logs) for node in cluster.nodes))
    assert errors(cluster)[before:] == []
    for node in cluster.nodes:
        assert node.sql("SELECT COUNT(*) FROM mysql.user WHERE User = 'sealed_user'") == ["1"]


def test_a_state_file_made_with_one_node_works_with_every_other(cluster: Cluster, tmp_path: Path) -> None:
    state, nodes = tmp_path / "state.json", cluster.nodes
    first = request_database(
        "state_shop", state_file=state, rpc_addr=f"{nodes[0].address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT
    )
    assert sorted(first.hosts) == sorted(f"{node.address}:3306" for node in nodes)
    used = next(node for node in nodes if node.address == first.host)
    others = [node for node in nodes if node is not used]
    docker("kill", used.name)
    try:
        again = ask(others[0], "state_shop", state)
        assert again.host in {node.address for node in others}  # type: ignore[attr-defined]
        for node in others:
            pymysql.connect(host=node.address, user=first.user, password=first.password, database="state_shop").close()
        rotated = rotate_password(state_file=state, rpc_addr=f"{others[1].address}:7373", rpc_auth=RPC_KEY)
        assert rotated.password != first.password
    finally:
        used.start()
    cluster.wait_ready()
    for node in nodes:
        pymysql.connect(host=node.address, user=first.user, password=rotated.password, database="state_shop").close()
    with pytest.raises(Denied):
        ask(nodes[0], "state_shop", tmp_path / "a stranger's")
    docker("exec", nodes[0].name, "serf", "event", f"-rpc-auth={RPC_KEY}", "create_db", "state_shop")
    told = r"event create_db #\d+: 'state_shop' exists"
    eventually("the event on all nodes", lambda: all(re.search(told, node.logs) for node in nodes))
    drop_database(state_file=state, rpc_addr=f"{nodes[2].address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT)
    assert not any(node.made("state_shop") for node in nodes)
    assert not state.exists()
    # The event of before comes again when a node restarts.
    refused = r"'state_shop' denied.*was dropped after this event was fired"
    # Not the one that dropped it.
    restarted = next(node for node in nodes if "query drop_db" not in node.logs)
    restarted.stop()
    restarted.start()
    cluster.wait_ready()
    eventually("the old event", lambda: re.search(refused, restarted.logs))
    assert not any(node.made("state_shop") for node in nodes)


def test_the_operator_sees_the_cluster_and_cannot_begin_one_that_serves(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    report = node.exec("dbhandler-cluster", "status", user="mysql")
    assert len(re.findall(r"synced +data", report)) == 3
    refused = node.exec("dbhandler-cluster", "bootstrap", node.node, user="mysql", check=False)
    assert "the cluster serves, at" in refused
