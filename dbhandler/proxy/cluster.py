"""Port 3306 as one address for a cluster: HAProxy's servers are kept true from the Serf members."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from dbhandler.errors import DbHandlerError
from dbhandler.proxy.configuration import SLOTS
from dbhandler.proxy.haproxy import HaProxy, Slots
from dbhandler.proxy.nodes import ready_nodes
from dbhandler.serf.kept import Complaint, KeptConnection
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks at the members."""


class Keeper:
    """Keeps HAProxy's servers true. connect opens a connection to a Serf agent; while none answers HAProxy goes on
    with the servers of before, by its own checks. Only nodes that prove to be of one of the pools get connections, any
    where none is named."""

    def __init__(self, cluster: str, connect: Callable[[], Serf], proxy: HaProxy, pools: Sequence[str] = ()) -> None:
        self._believer = Believer(pools)
        self._cluster, self._kept, self._proxy = cluster, KeptConnection(connect), proxy
        self._slots = Slots(SLOTS)
        self._complaint = Complaint(partial(logger.warning, "the servers stay as they are: %s"))

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(INTERVAL)

    def look(self) -> None:
        """Looks once; logs a failure once, until it changes."""
        complaint = ""
        try:
            with self._kept.use() as serf:
                nodes = ready_nodes(self._believer.believed(serf.members()), self._cluster)
                for change in self._slots.changes(nodes):
                    logger.info("cluster %s: %s", self._cluster, change)
                    self._proxy.carry_out(change)
        except (DbHandlerError, OSError) as error:
            complaint = str(error)
        self._complaint.say(complaint)
