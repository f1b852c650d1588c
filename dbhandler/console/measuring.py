"""Takes the measure of the cluster again and again: what the history keeps, and what requests there were."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbhandler.console.history import History
from dbhandler.console.scraped import Counts, scrape
from dbhandler.console.sight import Sight
from dbhandler.console.watch import Watch
from dbhandler.errors import DbHandlerError
from dbhandler.serf.members import Member
from dbhandler.settings.config import MetricsSettings

if TYPE_CHECKING:
    from dbhandler.console.ways import Ways

PAUSE = 15.0
"""Seconds between two measurements."""
SIZES = 20
"""Every so many of them bytes are measured, which takes a server longer."""
AT_ONCE = 4
"""Servers that are scraped at a time."""
TOTAL = "total"
_RATES = {"Questions": "queries", "Slow_queries": "slow"}
_LEVELS = {"Threads_connected": "connections", "wsrep_local_recv_queue": "lag"}
_PAUSED = "wsrep_flow_control_paused_ns"


@dataclass(frozen=True)
class Measured:
    """What one server has told: the figures of its status, bytes of its databases, and its requests."""

    at: float
    figures: Mapping[str, float] = field(default_factory=dict)
    size: float | None = None
    counts: Counts | None = None


class Measuring:
    """Notes in `history` (None: nowhere) what is measured. ways leads into servers, None without the pool's secret;
    metrics says where they serve theirs, context whose certificates are believed then."""

    def __init__(
        self,
        watch: Watch,
        history: History | None,
        ways: Ways | None,
        metrics: MetricsSettings | None,
        context: ssl.SSLContext | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._watch, self._history, self._ways = watch, history, ways
        self._metrics, self._context, self._clock = metrics, context, clock
        self._last: dict[str, Measured] = {}
        self._number = 0

    def counts(self, node: str) -> Counts | None:
        """The requests of a server, None where nobody tells."""
        last = self._last.get(node)
        return last.counts if last else None

    def run(self) -> None:
        """Measures again and again. To be a thread."""
        while True:
            began = time.monotonic()
            self.measure()
            time.sleep(max(1.0, PAUSE - (time.monotonic() - began)))

    def measure(self) -> None:
        """Measures once."""
        sight, now = self._watch.sight, self._clock()
        members = [member for one in sight.servers if one.is_well and (member := self._watch.member(one.node))]
        counts = self._scraped(members)
        measured = {member.name: self._measured(member, now, counts.get(member.name)) for member in members}
        if self._history and not sight.is_first:
            self._history.add(now, values(sight, self._last, measured))
        is_news = self._metrics is not None and measured != self._last
        self._last, self._number = measured, self._number + 1
        if is_news:
            self._watch.touch()

    def _scraped(self, members: list[Member]) -> dict[str, Counts]:
        if self._metrics is None:
            return {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(self._scrape, members))
        return {member.name: counts for member, counts in zip(members, found, strict=True) if counts}

    def _scrape(self, member: Member) -> Counts | None:
        assert self._metrics is not None  # noqa: S101
        try:
            return scrape(member.host, self._metrics.port, self._context if self._metrics.tls else None)
        except DbHandlerError:
            return None

    def _measured(self, member: Member, now: float, counts: Counts | None) -> Measured:
        last = self._last.get(member.name)
        size = last.size if last else None
        if self._ways is None:
            return Measured(now, counts=counts)
        try:
            figures = self._ways.figures(member)
            if self._number % SIZES == 0 or size is None:
                size = float(self._ways.size(member))
        except (DbHandlerError, OSError):
            return Measured(now, size=size, counts=counts)
        return Measured(now, figures, size, counts)


def values(sight: Sight, before: Mapping[str, Measured], now: Mapping[str, Measured]) -> dict[str, float]:
    """The value of each series: of all servers together, and of each by itself."""
    found = {
        f"{TOTAL}/servers": float(len(sight.servers)),
        f"{TOTAL}/ready": float(sum(s.is_well for s in sight.servers)),
    }
    for server in sight.servers:
        if not (server.believed and server.status):
            continue
        own = {"databases": server.status.databases, "spool": server.status.spool}
        told = {name: float(value) for name, value in own.items() if value is not None}
        told |= _of_one(before.get(server.node), now.get(server.node))
        for name, value in told.items():
            found[f"{TOTAL}/{name}"] = found.get(f"{TOTAL}/{name}", 0.0) + value
            found[f"server/{server.node}/{name}"] = value
    return _with_latency(found)


def _of_one(before: Measured | None, now: Measured | None) -> dict[str, float]:
    if now is None:
        return {}
    found = {series: now.figures[name] for name, series in _LEVELS.items() if name in now.figures}
    if now.size is not None:
        found["bytes"] = now.size
    if before is None or now.at <= before.at:
        return found
    seconds = now.at - before.at
    for name, series in _RATES.items():
        if name in now.figures and name in before.figures:
            found[series] = max(0.0, now.figures[name] - before.figures[name]) / seconds
    if _PAUSED in now.figures and _PAUSED in before.figures:
        found["pause"] = max(0.0, now.figures[_PAUSED] - before.figures[_PAUSED]) / 1e9 / seconds
    return found | _requests(before.counts, now.counts, seconds)


def _requests(before: Counts | None, now: Counts | None, seconds: float) -> dict[str, float]:
    """How many requests there were in a second, by outcome, and how long they took."""
    if before is None or now is None:
        return {}
    former = {(one.operation, one.outcome): one.number for one in before.requests}
    found = dict[str, float]()
    for one in now.requests:
        grown = max(0.0, one.number - former.get((one.operation, one.outcome), 0.0)) / seconds
        found[f"requests/{one.outcome}"] = found.get(f"requests/{one.outcome}", 0.0) + grown
    found["taken"] = max(0.0, now.seconds - before.seconds)
    found["timed"] = max(0.0, now.timed - before.timed)
    return found


def _with_latency(found: dict[str, float]) -> dict[str, float]:
    """The time of a request in place of how long how many took: sums of means mean nothing."""
    for name in [name for name in found if name.endswith("/taken")]:
        beginning, taken = name.removesuffix("taken"), found.pop(name)
        if timed := found.pop(f"{beginning}timed", 0.0):
            found[f"{beginning}latency"] = taken / timed
    return found
