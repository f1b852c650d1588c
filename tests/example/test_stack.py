"""container/stack.yaml, on a swarm of one machine: this one, unless it is in a swarm already."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import example
import pytest

from tests.support.docker import docker, eventually, run
from tests.support.example_cluster import CONTAINER

STACK = "shop"
PATIENCE = 400.0
"""Seconds for three nodes, each of which gets its data from another one."""


def swarm(*arguments: str, check: bool = True) -> str:
    return docker(*arguments, check=check).stdout.strip()


class Stack:
    """The stack; folder takes its keys."""

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "keys"
        example.make_keys(self.keys)
        self.environ = {"KEYS_DIR": str(self.keys), "NODES_PER_MACHINE": "3"}

    def deploy(self, file: Path = CONTAINER / "stack.yaml") -> None:
        run("docker", "stack", "deploy", "--resolve-image", "never", "-c", str(file), STACK, environ=self.environ)

    def containers(self, service: str) -> list[str]:
        """Those that run, of one service."""
        label = f"label=com.docker.swarm.service.name={STACK}_{service}"
        return swarm("ps", "-q", "--filter", label).split()

    def exec(self, service: str, *command: str, check: bool = True) -> str:
        return docker("exec", self.containers(service)[0], *command, check=check).stdout

    def synced(self) -> bool:
        """Have three nodes all data?"""
        found = [
            docker("exec", node, "dbhandler-cluster", "status", check=False).stdout for node in self.containers("db")
        ]
        return len(found) == 3 and all(text.count(" synced ") == 3 for text in found)

    def remove(self) -> None:
        docker("stack", "rm", STACK, check=False)
        eventually("the stack to be gone", lambda: not swarm("ps", "-aq", "--filter", f"name={STACK}_"))
        volumes = [f"{STACK}-{what}-{slot}" for what in ("data", "state") for slot in (1, 2, 3)]
        docker("volume", "rm", "-f", *volumes, check=False)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A swarm of this machine, with the label of its nodes, and left at the end."""
    if swarm("info", "-f", "{{.Swarm.LocalNodeState}}") != "inactive":
        pytest.fail("this machine is in a swarm: the test would leave it")
    docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    made = Stack(tmp_path)
    try:
        docker("node", "update", "--label-add", "dbhandler=yes", swarm("node", "ls", "-q"))
        yield made
    finally:
        made.remove()
        docker("swarm", "leave", "--force", check=False)


def test_three_nodes_one_address_and_an_update_one_by_one(stack: Stack, tmp_path: Path) -> None:
    stack.deploy()
    eventually("three nodes", stack.synced, PATIENCE)
    request = ("dbhandler-request", "shop", "--state", "/state/shop.json", "--format", "json")
    given = stack.exec("serf_agent", *request)
    assert '"proxy"' in given
    row = secrets.token_hex(8)
    stack.exec("db", "mariadb", "shop", "-e", f"CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('{row}')")
    before = set(stack.containers("db"))
    changed = tmp_path / "stack.yaml"
    changed.write_text(
        (CONTAINER / "stack.yaml").read_text().replace("DBHANDLER_CLUSTER_SIZE: 3", "DBHANDLER_CLUSTER_SIZE: 2")
    )
    stack.deploy(changed)
    least = 3

    def updated() -> bool:
        nonlocal least
        here = set(stack.containers("db"))
        least = min(least, len(here))
        return len(here) == 3 and not here & before

    eventually("three others", updated, PATIENCE)
    eventually("three nodes again", stack.synced, PATIENCE)
    assert least >= 2, "never more than one at a time"
    for node in stack.containers("db"):
        assert docker("exec", node, "mariadb", "shop", "-Nse", "SELECT a FROM t").stdout.strip() == row
