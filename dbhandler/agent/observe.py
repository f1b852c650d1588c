"""Who is told of requests: nobody, or the metrics, where the owner wants them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbhandler.settings.config import MetricsSettings

logger = logging.getLogger(__name__)

Observe = Callable[[str, str, float], None]
"""Is told the operation, the outcome and the seconds of each request."""


@dataclass(frozen=True)
class Sources:
    """Where readings come from; each is called from the thread that serves scrapes, and asks no server.

    tags are those of the Serf member, spool says how many events wait (or raises OSError), databases how many there
    are (None: unknown), errors how many ERROR lines there were.
    """

    tags: Callable[[], Mapping[str, str]]
    spool: Callable[[], int]
    databases: Callable[[], int | None]
    errors: Callable[[], int]


def unobserved(_operation: str, _outcome: str, _seconds: float) -> None:
    """Counts nothing."""


def start(settings: MetricsSettings | None, sources: Sources, tls_files: tuple[Path, Path]) -> Observe:
    """Serves metrics from now on where the settings say so, over TLS with this certificate and its key where they say
    that; returns whom to tell of requests.

    Metrics that cannot be served are one ERROR line: databases matter more.
    """
    if settings is None:
        return unobserved
    try:
        # Only here: most agents serve no metrics, and the library would take memory for nothing.
        from dbhandler.agent import metrics, scrape
    except ImportError:
        logger.error("no metrics: DBHANDLER_METRICS needs the Python package prometheus_client")
        return unobserved
    made = metrics.Metrics(sources)
    try:
        scrape.serve((settings.host, settings.port), made.registry, tls_files if settings.tls else None)
    except OSError as error:
        logger.error("no metrics: cannot listen at %s:%d: %s", settings.host, settings.port, error.strerror or error)
        return unobserved
    return made.observe
