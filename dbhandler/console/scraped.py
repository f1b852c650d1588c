"""What a server's agent counts of requests, read where it serves metrics (DBHANDLER_METRICS).

Source of the format: Prometheus, "Exposition formats", text. Whoever answers there may be anybody: little is read of
it, and what is no number of ours is passed over.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from dbhandler.errors import Unavailable
from dbhandler.log import printable, told

TIMEOUT, MOST_BYTES, MOST_KINDS = 2.0, 256 * 1024, 200
"""Seconds, bytes of an answer, kinds of requests in it."""
_LINE = re.compile(
    r"dbhandler_request(s_total|_duration_seconds_sum|_duration_seconds_count)\{([^}]{1,200})\} ([0-9.e+]{1,30})",
    re.ASCII,
)
_LABEL = re.compile(r'(operation|outcome)="([a-z_ ]{1,40})"')


@dataclass(frozen=True)
class Counted:
    """How many requests of a kind there were since the agent's start."""

    operation: str
    outcome: str
    number: float


@dataclass(frozen=True)
class Counts:
    """All of them, and how long how many of them took together, in seconds."""

    requests: tuple[Counted, ...] = ()
    seconds: float = 0.0
    timed: float = 0.0


def scrape(host: str, port: int, context: ssl.SSLContext | None) -> Counts:
    """What is counted there; over TLS where a context says whose certificates are believed. Raises Unavailable."""
    try:
        with closing(_connection(host, port, context)) as connection:
            connection.request("GET", "/metrics")
            return counted(connection.getresponse().read(MOST_BYTES).decode("ascii", "replace"))
    except (OSError, HTTPException) as error:
        raise Unavailable(f"no metrics: {printable(told(error), 200)}") from error


def _connection(host: str, port: int, context: ssl.SSLContext | None) -> HTTPConnection:
    if context is None:
        return HTTPConnection(host, port, timeout=TIMEOUT)
    return HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


def counted(text: str) -> Counts:
    """The requests in an answer."""
    found = dict[tuple[str, str], float]()
    sums = {"_duration_seconds_sum": 0.0, "_duration_seconds_count": 0.0}
    for what, labels, number in _LINE.findall(text):
        named: Mapping[str, str] = dict(_LABEL.findall(labels))
        kind = (named.get("operation", ""), named.get("outcome", ""))
        if what in sums:
            sums[what] += _number(number)
        elif all(kind) and len(found) < MOST_KINDS:
            found[kind] = _number(number)
    requests = tuple(Counted(*kind, number) for kind, number in sorted(found.items()) if number)
    return Counts(requests, *sums.values())


def _number(text: str) -> float:
    try:
        return min(float(text), 1e15)
    except ValueError:
        return 0.0
