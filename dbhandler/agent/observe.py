"""Who is told of requests: nobody, or the metrics, where the owner wants them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbhandler.metrics import serving
from dbhandler.settings.config import MetricsSettings

if TYPE_CHECKING:
    from dbhandler.agent.metrics import Metrics
    from dbhandler.provisioning.quota import Reading

Observe = Callable[[str, str, float], None]
"""Is told the operation, the outcome and the seconds of each request."""


@dataclass(frozen=True)
class Sources:
    """Where readings come from; each is called from the thread that serves scrapes, and asks no server.

    tags are those of the Serf member, spool says how many events wait (or raises OSError), databases how many there
    are (None: unknown), errors how many ERROR lines there were; reached says whether the pool's directory was to be had
    when it was asked last (None: there is none), limit is how many databases the owner allows (None: no limit), quota
    what was measured of them (None: nothing yet, or there is no quota), still for how many seconds nothing that is to
    move from here has come on (None: nothing is).
    """

    tags: Callable[[], Mapping[str, str]]
    spool: Callable[[], int]
    databases: Callable[[], int | None]
    errors: Callable[[], int]
    reached: Callable[[], bool | None] = lambda: None
    limit: int | None = None
    quota: Callable[[], Reading | None] = lambda: None
    still: Callable[[], int | None] = lambda: None


def unobserved(_operation: str, _outcome: str, _seconds: float) -> None:
    """Counts nothing."""


def start(settings: MetricsSettings | None, sources: Sources, tls_files: tuple[Path, Path]) -> Observe:
    """Serves metrics from now on as serving.start does; returns whom to tell of requests."""
    metrics = serving.start(settings, lambda: _metrics(sources), tls_files)
    return metrics.observe if metrics else unobserved


def _metrics(sources: Sources) -> Metrics:
    from dbhandler.agent.metrics import Metrics

    return Metrics(sources)
