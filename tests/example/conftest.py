"""The examples as a user runs them: real containers by Compose, a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator

import pytest

from tests.support.docker import docker, need_images
from tests.support.example_cluster import ExampleCluster
from tests.support.visitor import Visitor

LOG_TAIL = 12000
"""Characters."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what the containers of its clusters logged last."""
    report = yield
    if report.failed:
        clusters = [value for value in item.funcargs.values() if isinstance(value, ExampleCluster)]
        for container in [container for cluster in clusters for container in cluster.containers()]:
            name = docker("inspect", "-f", "{{.Name}}, {{.State.Status}}", container, check=False).stdout.strip()
            report.sections.append((f"log of {name}", docker("logs", container, check=False).stdout[-LOG_TAIL:]))
    return report


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    need_images(make="make image")


@pytest.fixture(scope="module")
def visitor() -> Iterator[Visitor]:
    """A browser of the module's own."""
    assert shutil.which("chromium") and shutil.which("chromedriver"), "there is no Chromium: run `make test-example`"
    visitor = Visitor()
    yield visitor
    visitor.close()
