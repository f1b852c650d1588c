"""What Prometheus is told: the requests as they happen, and readings taken while it scrapes.

Imported only where DBHANDLER_METRICS is set, so that prometheus_client takes no memory anywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dbhandler import __version__
from dbhandler.agent.observe import Sources
from dbhandler.provisioning.quota import Reading
from dbhandler.requests.vocabulary import Query, ServerState, Status
from dbhandler.serf.tags import Tag

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: a database takes one millisecond, the server's time-out is ten seconds."""

FAILURES = (Status.FAILED, Status.UNAVAILABLE)
"""Outcomes that are the server's fault, not the asker's."""


class Metrics:
    """The metrics of one agent, in a registry of their own."""

    def __init__(self, sources: Sources) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call, unused-ignore]
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "dbhandler_requests", "Requests by operation and outcome.", ("operation", "outcome"), registry=self.registry
        )
        self._duration = Histogram(
            "dbhandler_request_duration_seconds",
            "Time that a request took in the agent.",
            ("operation",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        for operation in Query:
            self._duration.labels(operation)
            for outcome in FAILURES:
                # A counter that first appears with its first failure shows Prometheus no increase.
                self._requests.labels(operation, outcome)
        self.registry.register(_Readings(sources))
        ProcessCollector(registry=self.registry)

    def observe(self, operation: str, outcome: str, seconds: float) -> None:
        """Counts one request."""
        self._requests.labels(operation, outcome).inc()
        self._duration.labels(operation).observe(seconds)


class _Readings(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Called once per scrape."""
        sources, tags = self._sources, self._sources.tags()
        ready = tags.get(Tag.MYSQL) == ServerState.READY
        yield GaugeMetricFamily("dbhandler_server_ready", "1 when the database server is ready, else 0.", ready)
        yield GaugeMetricFamily("dbhandler_spool_entries", "Events that wait to be carried out.", self._spool())
        databases = sources.databases()
        if databases is not None:
            yield GaugeMetricFamily("dbhandler_databases", "Databases but the server's own.", databases)
        if sources.limit is not None:
            yield GaugeMetricFamily(
                "dbhandler_databases_limit", "Databases that the owner allows, where he has said so.", sources.limit
            )
        reached = sources.reached()
        if reached is not None:
            yield GaugeMetricFamily(
                "dbhandler_directory_reached",
                "1 when the pool's directory answered when it was asked last, else 0; nothing in a pool without one.",
                reached,
            )
        yield from _quota(sources.quota())
        if (still := sources.still()) is not None:
            yield GaugeMetricFamily(
                "dbhandler_moves_still_seconds",
                "Seconds since the last progress of the databases that are to move from here; nothing while none is.",
                still,
            )
        yield CounterMetricFamily("dbhandler_errors", "ERROR lines of the agent's log.", sources.errors())
        yield _build_info(tags)

    def _spool(self) -> float:
        try:
            return self._sources.spool()
        except OSError:
            return math.nan


def _quota(reading: Reading | None) -> Iterator[Metric]:
    """Of all databases together: whoever scrapes is told no names."""
    if reading is not None:
        yield GaugeMetricFamily("dbhandler_quota_bytes", "Bytes that one database may take.", reading.limit)
        over = "Databases over that quota, which are not written to."
        yield GaugeMetricFamily("dbhandler_databases_over_quota", over, len(reading.over))
        yield GaugeMetricFamily("dbhandler_largest_database_bytes", "What the largest one takes.", reading.largest)


def _build_info(tags: Mapping[str, str]) -> Metric:
    info = GaugeMetricFamily(
        "dbhandler_build_info",
        "Always 1; the labels tell the version of dbhandler, the engine and the server's version.",
        labels=("version", "engine", "server_version"),
    )
    info.add_metric((__version__, tags.get(Tag.ENGINE, ""), tags.get(Tag.VERSION, "")), 1)
    return info
