"""The way into the servers of a pool whose secret is known: what they hold, and their figures, by the account that the
pool's backups read with. It reads, and changes no data.

Loaded only where there is a secret: it brings the driver and certificates along.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler.distant.access import Access
from dbhandler.distant.node import node_of
from dbhandler.engine.distant import DistantServer
from dbhandler.engine.sql import Statement
from dbhandler.provisioning.overview import Row
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.survey import Survey
from dbhandler.serf.members import Member
from dbhandler.trust import backup

TIMEOUT = 5.0
"""Seconds for one statement."""
MOST_OPEN = 64
"""Connections that are kept, one for each server."""
FIGURES = (
    "Questions", "Slow_queries", "Threads_connected", "wsrep_local_recv_queue", "wsrep_flow_control_paused_ns",
)  # fmt: skip


class Ways:
    """To the servers of the pool with these secrets; folder takes private files. Its methods raise Unavailable, Denied
    or ServerError as a server does, and are for one thread."""

    def __init__(self, secrets: Sequence[bytes], folder: Path) -> None:
        self._access = Access(secrets, folder, backup.USER, backup.account_password)
        self._open: OrderedDict[tuple[str, str, int], DistantServer] = OrderedDict()

    def rows(self, member: Member) -> list[Row]:
        """Its databases with their accounts."""
        server = self._server(member)
        return Survey(server, Registry(server)).rows()

    def figures(self, member: Member) -> Mapping[str, float]:
        """What it counts of itself, of FIGURES as many as it knows."""
        wanted = ", ".join(["%s"] * len(FIGURES))
        statement = Statement(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({wanted})", FIGURES)
        return {str(name): float(str(value)) for name, value in self._server(member).execute(statement)}

    def size(self, member: Member) -> int:
        """Bytes of all its databases, as its engine estimates them."""
        return sum({row.database: row.size or 0 for row in self.rows(member)}.values())

    def _server(self, member: Member) -> DistantServer:
        node = node_of(member)
        place = (node.name, node.host, node.port)
        if place not in self._open:
            self._open[place] = self._access.server(node, member.engine, TIMEOUT)
        self._open.move_to_end(place)
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[place]
