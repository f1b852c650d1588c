"""WordPress behind one address for three database nodes: the site stays up while any one of them is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.docker import docker, eventually
from tests.support.example_cluster import ExampleCluster, page
from tests.support.visitor import Visitor

NODES = ("database", "database2", "database3")
TITLE = "A site on three nodes"
LONGER_THAN_A_FAILOVER = 12.0
"""Seconds. Galera gives a killed node up after two, Serf after eight."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ExampleCluster]:
    """The cluster of the second Compose file, all of it started at once."""
    cluster = ExampleCluster(tmp_path, "wordpress/compose.yaml", "wordpress/compose.cluster.yaml")
    try:
        cluster.up()
        eventually("WordPress", lambda: page(cluster.url("wordpress")))
        yield cluster
    finally:
        cluster.close()


class Audience:
    """Looks at a page again and again; `failures` are the visits that saw something else, by when they began."""

    def __init__(self, url: str, text: str) -> None:
        self._url, self._text, self._stop = url, text, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.failures: list[tuple[float, str]] = []
        self.visits = 0

    def __enter__(self) -> Audience:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            began = time.monotonic()
            try:
                with urlopen(self._url, timeout=30) as response:
                    body = response.read().decode()
                if self._text not in body:
                    self.failures.append((began, body[:200]))
            except (OSError, HTTPException) as error:
                self.failures.append((began, str(error)))
            self.visits += 1


def synced(cluster: ExampleCluster) -> bool:
    """Do all nodes serve?"""
    query = ("mariadb", "-Ne", "SHOW STATUS LIKE 'wsrep_local_state'")
    answers = [docker("exec", cluster.containers(node)[0], *query, check=False).stdout for node in NODES]
    return all(answer.split()[-1:] == ["4"] for answer in answers)


def test_the_site_stays_up_while_any_one_node_is_killed(cluster: ExampleCluster, visitor: Visitor) -> None:
    url = str(cluster.url("wordpress"))
    password = visitor.install(url, TITLE, "editor")
    eventually("three nodes", lambda: synced(cluster))
    for node in NODES:
        with Audience(url, TITLE) as audience:
            time.sleep(1)
            cluster.kill(node)
            killed = time.monotonic()
            time.sleep(LONGER_THAN_A_FAILOVER)
        assert audience.visits > 5
        # A visit that was under way may have lost its answer.
        assert [failure for failure in audience.failures if failure[0] > killed] == [], node
        # A log-in is written down.
        visitor.log_in(url, "editor", password)
        cluster.up(node)
        eventually("its return", lambda: synced(cluster))
