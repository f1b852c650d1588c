"""What Prometheus is told of the backups: readings taken while it scrapes.

Imported only where DBHANDLER_METRICS is set, so that prometheus_client takes no memory anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dbhandler.backup.standing import Standing
from dbhandler.requests.backup_state import Trouble

LABELS = ("server", "source")
"""A server's or cluster's name, and what sets it apart from another one that was called so before."""

Reading = Callable[[Standing], float | None]

_READINGS: Mapping[str, tuple[str, Reading]] = {
    "recoverable_from_timestamp_seconds": (
        "The first moment that can be restored (UTC).",
        lambda one: one.ranges[0].first if one.ranges else None,
    ),
    "recoverable_to_timestamp_seconds": (
        "The last moment that can be restored (UTC).",
        lambda one: one.ranges[-1].last if one.ranges else None,
    ),
    "unbroken_from_timestamp_seconds": (
        "The moment (UTC) from which all can be restored without a gap.",
        lambda one: one.ranges[-1].first if one.ranges else None,
    ),
    "gaps": ("Gaps between the moments that can be restored.", lambda one: one.gaps),
    "proven_timestamp_seconds": (
        "When a base was last restored, compared with the server and found right (UTC).",
        lambda one: one.proven,
    ),
    "shipped_timestamp_seconds": ("When the log last went into the repository (UTC).", lambda one: one.shipped),
    "streaming": ("1 when the server's log of changes comes now, else 0.", lambda one: one.streaming),
    "complaint": (
        "1 when `dbhandler-backup list` complains of it, else 0; a server that is away is no complaint.",
        lambda one: one.trouble not in (None, Trouble.AWAY),
    ),
}


class Metrics:
    """The metrics of one backup, in a registry of their own. read says how all sources stand."""

    def __init__(self, read: Callable[[], Sequence[Standing]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Readings(read))
        ProcessCollector(registry=self.registry)


class _Readings(Collector):
    def __init__(self, read: Callable[[], Sequence[Standing]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Called once per scrape. What is not there yet has no reading."""
        standings = self._read()
        for name, (meaning, reading) in _READINGS.items():
            metric = GaugeMetricFamily(f"dbhandler_backup_{name}", meaning, labels=LABELS)
            for one in standings:
                if (value := reading(one)) is not None:
                    metric.add_metric((one.source.name, one.source.id), value)
            yield metric
