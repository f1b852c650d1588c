"""Pure: which server a new database goes to.

Of all servers that may have it two are drawn by the name itself, so that every agent draws the same two; the less
loaded of them gets it. Two that are drawn and compared come far closer to even than one that is drawn, and nobody has
to ask all of them. Source: M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbhandler.directory.standing import Standing
from dbhandler.log import shown
from dbhandler.requests.weight import weight
from dbhandler.requests.where import Where

SLACK = 0.01
"""By how much the first of two may be more loaded and gets the database all the same: applications ask it first."""
EMPTY = (20, 100_000_000, 20)
"""Databases, bytes and connections that every server counts as having: of two that are nearly empty neither is twice
as loaded as the other."""
MOST_TOLD = 5
"""Servers of which it is told why they take nothing."""


@dataclass(frozen=True)
class Place:
    """The server that a database goes to, and why."""

    server: Standing
    why: str


def place(name: str, servers: Sequence[Standing], where: Where) -> Place | None:
    """Where a new database goes, of the servers that are there now; None where none may have it."""
    fitting = [server for server in servers if not server.refuses and where.allows(server.labels, server.engine)]
    if not fitting:
        return None
    first, *others = sorted(fitting, key=lambda server: weight(server.server, name), reverse=True)[:2]
    if not others:
        return Place(first, "it is the only one that takes it")
    second = others[0]
    if _share(first, second) > 0.5 + SLACK:
        return Place(second, f"it is less loaded than {shown(first.node)} ({_told(second)} against {_told(first)})")
    return Place(first, f"it is not more loaded than {shown(second.node)} ({_told(first)} against {_told(second)})")


def refusal(servers: Sequence[Standing], where: Where) -> str:
    """A sentence for whoever gets no place."""
    allowed = [server for server in servers if where.allows(server.labels, server.engine)]
    if not allowed:
        wanted = ", ".join(map(shown, [*sorted(where.labels), *([f"engine={where.engine}"] if where.engine else [])]))
        return f"no server of the pool that is ready now has {wanted}" if wanted else "no server of the pool is ready"
    full = [f"{shown(server.node)} {server.refuses}" for server in allowed[:MOST_TOLD]]
    more = [f"{len(allowed) - MOST_TOLD} more are full, too"] if len(allowed) > MOST_TOLD else []
    return f"no server of the pool has room: {'; '.join(full + more)}"


def _share(one: Standing, other: Standing) -> float:
    """How much of what both carry together is the first one's: half where they are even."""
    pairs = zip(_figures(one), _figures(other), EMPTY, strict=True)
    shares = [(mine + base) / (mine + its + 2 * base) for mine, its, base in pairs]
    return sum(shares) / len(shares)


def _figures(server: Standing) -> tuple[int, int, int]:
    return server.names, server.bytes, server.connections


def _told(server: Standing) -> str:
    return f"{server.names} databases, {server.bytes / 1e6:.0f} MB, {server.connections} connections"
