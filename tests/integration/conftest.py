"""Real mysqld, Serf and supervisord on loopback: one node per test module that asks for one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from loopback import DatabaseNode, SerfNode, bake

LOG_TAIL = 4000
"""Characters."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what its nodes logged last."""
    report = yield
    if report.failed:
        clusters = [value for value in item.funcargs.values() if isinstance(value, Cluster)]
        for node in dict.fromkeys(node for cluster in clusters for node in cluster.nodes):
            report.sections.append((f"log of {node.name}", node.log[-LOG_TAIL:]))
    return report


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template of an empty data directory."""
    return bake(tmp_path_factory.mktemp("template"))


class Cluster:
    """Makes nodes and ends them all."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder, self.template = folder, template
        self.nodes: list[SerfNode] = []

    def database(self, name: str = "db", join: str = "", start: bool = True, **environ: str) -> DatabaseNode:
        """A database node; started and ready unless `start` is False."""
        node = DatabaseNode(self.folder, name, self.template, join, **environ)
        self.nodes.append(node)
        if start:
            node.start()
            node.wait_ready()
        return node

    def serf(self, name: str = "serf_agent", join: str = "", **environ: str) -> SerfNode:
        """A Serf agent alone, started."""
        node = SerfNode(self.folder, name, join, **environ)
        self.nodes.append(node)
        node.start()
        return node


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Cluster]:
    """A cluster that the tests of one module share."""
    yield from _cluster(tmp_path_factory, template)


@pytest.fixture
def own_cluster(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Cluster]:
    """A cluster for one test alone."""
    yield from _cluster(tmp_path_factory, template)


def _cluster(factory: pytest.TempPathFactory, template: Path) -> Iterator[Cluster]:
    made = Cluster(factory.mktemp("c"), template)
    yield made
    for node in made.nodes:
        node.kill()


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> DatabaseNode:
    """A healthy database node that the tests of one module share."""
    return cluster.database()
