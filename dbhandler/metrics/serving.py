"""Serves what a program measures, where its owner wants that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from dbhandler.settings.config import MetricsSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)


class Measured(Protocol):
    """What is measured, in a registry of its own."""

    registry: CollectorRegistry


_Measured = TypeVar("_Measured", bound=Measured)


def start(
    settings: MetricsSettings | None, measured: Callable[[], _Measured], tls_files: tuple[Path, Path]
) -> _Measured | None:
    """Serves what `measured` makes from now on where the settings say so, over TLS with this certificate and its key
    where they say that; returns it, None where it is not served. `measured` is what loads the library.

    Metrics that cannot be served are one ERROR line: databases matter more.
    """
    if settings is None:
        return None
    try:
        # Only here: most programs serve no metrics, and the library would take memory for nothing.
        from dbhandler.metrics import scrape

        made = measured()
    except ImportError:
        logger.error("no metrics: DBHANDLER_METRICS needs the Python package prometheus_client")
        return None
    try:
        scrape.serve((settings.host, settings.port), made.registry, tls_files if settings.tls else None)
    except OSError as error:
        logger.error("no metrics: cannot listen at %s:%d: %s", settings.host, settings.port, error.strerror or error)
        return None
    return made
