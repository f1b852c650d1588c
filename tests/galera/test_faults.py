"""No acknowledged row is lost, whatever is killed, stopped or cut off; a minority serves nobody."""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.support.docker import docker, eventually
from tests.support.galera import PATIENCE, SCALE, Cluster, Node, Writer


def kill_container(node: Node, _writer: Writer) -> None:
    docker("kill", node.name)
    node.start()


def kill_server(node: Node, writer: Writer) -> None:
    node.crash("mysqld")
    writer.wait_for_more()


def stop_and_start(node: Node, writer: Writer) -> None:
    node.stop()
    writer.wait_for_more()
    node.start()


MINORITY = "INSERT INTO faults.numbers VALUES (-1, 'minority')"


def cut_and_heal(node: Node, writer: Writer) -> None:
    node.cut()
    eventually("the loss of its quorum", lambda: node.told(node.engine.without_quorum), PATIENCE)
    answers: list[str] = []
    # Galera refuses it at once, MySQL when it has waited for a quorum.
    writing = threading.Thread(target=lambda: answers.extend(node.sql(MINORITY, check=False)))
    writing.start()
    eventually("the agent to see it", lambda: node.ask("status_db")["mysql"] == "down")
    assert node.ask("create_db", "minority")["status"] == "unavailable"
    assert node.ask("find_db", "faults")["status"] == "unavailable"
    assert "this node has no quorum" in node.logs
    writer.wait_for_more()
    writing.join(60)
    assert node.engine.refusal in " ".join(answers), "a minority has taken a write"
    node.heal()


FAULTS = [cut_and_heal, kill_container, kill_server, stop_and_start]


def test_single_faults_under_load(cluster: Cluster, rng: random.Random) -> None:
    with Writer(cluster, "faults.numbers") as writer:
        for number in range(SCALE.faults):
            writer.wait_for_more()
            fault = FAULTS[number] if number < len(FAULTS) else rng.choice(FAULTS)
            node = rng.choice(cluster.nodes)
            before = node.transfers()
            fault(node, writer)
            time.sleep(1)
            cluster.wait_ready()
            assert node.transfers() == before, f"{fault.__name__} made {node.name} take all data anew"
    writer.check()
    assert -1 not in cluster.nodes[0].numbers("faults.numbers")


@pytest.mark.parametrize("number", range(SCALE.outages))
def test_a_total_outage_under_load(cluster: Cluster, rng: random.Random, number: int) -> None:
    with Writer(cluster, f"outage{number}.numbers") as writer:
        writer.wait_for_more(rng.randrange(20, 200))
        cluster.kill(rng)
        cluster.start(rng, apart=5.0)
        cluster.wait_ready()
        writer.wait_for_more()
    writer.check()
