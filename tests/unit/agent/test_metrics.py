"""What Prometheus is told of an agent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dbhandler import __version__
from dbhandler.agent.metrics import Metrics
from dbhandler.agent.observe import Sources
from dbhandler.provisioning.quota import Reading
from dbhandler.requests.vocabulary import Query

TAGS = {"mysql": "ready", "engine": "mariadb", "version": "11.8.6"}


class World:
    """What the readings are taken from."""

    def __init__(self) -> None:
        self.tags: Mapping[str, str] = TAGS
        self.databases: int | None = 7
        self.spool: int | Exception = 3

    def sources(self) -> Sources:
        return Sources(lambda: self.tags, self._spool, lambda: self.databases, lambda: 2)

    def _spool(self) -> int:
        if isinstance(self.spool, Exception):
            raise self.spool
        return self.spool


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def metrics(world: World) -> Metrics:
    return Metrics(world.sources())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_requests_are_counted_by_operation_and_outcome(metrics: Metrics) -> None:
    for outcome, seconds in (("created", 0.002), ("created", 0.004), ("denied", 20.0)):
        metrics.observe("create_db", outcome, seconds)
    assert value(metrics, "dbhandler_requests_total", operation="create_db", outcome="created") == 2
    assert value(metrics, "dbhandler_requests_total", operation="create_db", outcome="denied") == 1
    histogram = "dbhandler_request_duration_seconds"
    assert value(metrics, f"{histogram}_count", operation="create_db") == 3
    assert value(metrics, f"{histogram}_bucket", operation="create_db", le="0.0025") == 1
    assert value(metrics, f"{histogram}_bucket", operation="create_db", le="10.0") == 2


def test_failures_are_there_before_the_first(metrics: Metrics) -> None:
    for operation in Query:
        for outcome in ("failed", "unavailable"):
            assert value(metrics, "dbhandler_requests_total", operation=operation, outcome=outcome) == 0


def test_readings_are_those_of_the_moment(metrics: Metrics, world: World) -> None:
    names = ("dbhandler_server_ready", "dbhandler_databases", "dbhandler_spool_entries", "dbhandler_errors_total")
    assert [value(metrics, name) for name in names] == [1, 7, 3, 2]
    world.tags, world.databases, world.spool = {"mysql": "down", "engine": "mariadb"}, None, 0
    assert [value(metrics, name) for name in names] == [0, None, 0, 2]


def test_the_build_is_told(metrics: Metrics) -> None:
    labels = {"version": __version__, "engine": "mariadb", "server_version": "11.8.6"}
    assert value(metrics, "dbhandler_build_info", **labels) == 1


def test_a_spool_that_cannot_be_read_spoils_only_its_own_reading(metrics: Metrics, world: World) -> None:
    world.spool = PermissionError("no")
    assert str(value(metrics, "dbhandler_spool_entries")) == "nan"
    assert value(metrics, "dbhandler_server_ready") == 1


def test_what_is_served_is_prometheuss_format(metrics: Metrics) -> None:
    metrics.observe("find_db", "absent", 0.1)
    families = {
        family.name: family for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
    }
    own = {name for name in families if name.startswith("dbhandler_")}
    assert own == {
        "dbhandler_requests", "dbhandler_request_duration_seconds", "dbhandler_server_ready", "dbhandler_databases",
        "dbhandler_spool_entries", "dbhandler_errors", "dbhandler_build_info",
    }  # fmt: skip
    assert all(families[name].documentation for name in own)
    assert families["dbhandler_requests"].type == families["dbhandler_errors"].type == "counter"


def test_an_agent_without_metrics_does_not_load_the_library() -> None:
    program = (
        "import sys, dbhandler.agent; from dbhandler.agent.observe import start, unobserved; "
        "assert start(None, None, None) is unobserved; print('prometheus_client' in sys.modules, 'http' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"


def test_the_quota_is_told_once_there_is_something_to_tell(world: World) -> None:
    names = ("dbhandler_quota_bytes", "dbhandler_databases_over_quota", "dbhandler_largest_database_bytes")
    measured: list[Reading | None] = [None]
    metrics = Metrics(replace(world.sources(), quota=lambda: measured[-1]))
    assert [value(metrics, name) for name in names] == [None] * 3
    measured.append(Reading(1000, frozenset({"a", "b"}), 1200))
    assert [value(metrics, name) for name in names] == [1000, 2, 1200]
    # Whoever scrapes is told no name.
    assert '"a"' not in generate_latest(metrics.registry).decode()


def test_limit_and_directory_are_told_where_there_are_any(world: World) -> None:
    plain = Metrics(world.sources())
    assert value(plain, "dbhandler_databases_limit") is None and value(plain, "dbhandler_directory_reached") is None
    answers: list[bool | None] = [True, False, None]
    more = Metrics(replace(world.sources(), reached=lambda: answers.pop(0), limit=100))
    assert [value(more, "dbhandler_directory_reached") for _ in range(3)] == [1, 0, None]
    answers.append(None)
    assert value(more, "dbhandler_databases_limit") == 100
