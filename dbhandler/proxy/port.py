"""One database's port: leads to the server that has it, and holds new connections while nobody is let in there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain

from dbhandler.errors import DbHandlerError, TryLater
from dbhandler.log import shown, told
from dbhandler.proxy.configuration import ALONE, ALONE_SLOTS, SLOTS, section_of
from dbhandler.proxy.finding import Finder, Found
from dbhandler.proxy.gate import Gate
from dbhandler.proxy.haproxy import HaProxy, Slots
from dbhandler.proxy.nodes import Addresses, ready_nodes, server_alone
from dbhandler.serf.kept import Complaint, KeptConnection
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf

logger = logging.getLogger(__name__)

INTERVAL, SOON = 0.5, 0.1
"""Seconds between two looks, and while it moves."""


class Port:
    """Keeps the port of one database true. connect opens a connection to a Serf agent; while none answers, or no server
    says where the database is, connections go where they went. Only servers that prove to be of one of the pools are
    asked and get any, all where none is named."""

    def __init__(
        self,
        database: str,
        connect: Callable[[], Serf],
        proxy: HaProxy,
        pools: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._section = f"database {shown(database)}", section_of(database)
        self._kept, self._believer, self._finder = KeptConnection(connect), Believer(pools), Finder(database, pools)
        self._proxy, self._gate = proxy, Gate(proxy, self._section, self._name, clock)
        self._nodes, self._alone = Slots(SLOTS), Slots(ALONE_SLOTS, ALONE)
        self._complaint = Complaint(
            lambda text: logger.warning("%s: connections go where they went: %s", self._name, text)
        )
        self._at: Member | None = None
        self._is_moving, self._why = False, "nobody has said where it is"

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        with suppress(DbHandlerError):
            # Until the first look is done nobody knows that there is none.
            self._gate.close()
        while not stop.wait(self.look()):
            pass

    def look(self) -> float:
        """Looks once; returns after how many seconds to look again. Logs a failure once, until it changes."""
        complaint = ""
        try:
            with self._kept.use() as serf:
                complaint = self._look(serf)
        except (DbHandlerError, OSError) as error:
            complaint = told(error)
        if self._at is None and complaint:
            self._why, complaint = complaint, ""
        self._complaint.say(complaint)
        with suppress(DbHandlerError):
            self._gate.look(self._why)
        return SOON if self._is_moving else INTERVAL

    def _look(self, serf: Serf) -> str:
        """Returns why it is not known where the database is now; nothing where it is."""
        members = self._believer.believed(serf.members())
        self._lead(members)
        try:
            self._learn(self._finder.find(serf, members))
        except TryLater as error:
            return str(error)
        self._lead(members)
        return ""

    def _learn(self, found: Found | None) -> None:
        """Takes what was found for true."""
        if found is None:
            self._at, self._is_moving, self._why = None, False, "no server of the pool has it"
        elif found.is_sure and found.moving:
            self._is_moving, self._why = True, "it is being moved"
        elif found.is_sure:
            self._at, self._is_moving, self._why = found.server, False, ""
        elif self._at is None or self._at.identity != found.server.identity:
            server = shown(found.server.name)
            self._is_moving, self._why = True, f"the server {server} shall have it, and does not say so itself yet"

    def _lead(self, members: Sequence[Member]) -> None:
        """Sees to it that connections lead to the server where it is."""
        nodes, alone = self._addresses(members)
        for change in chain(self._nodes.changes(nodes), self._alone.changes(alone)):
            # Between the old one and the new one there is none.
            self._gate.close()
            logger.info("%s: %s", self._name, change)
            self._proxy.carry_out(change, self._section)
        if self._at is None:
            return
        if not self._is_moving:
            self._why = "" if nodes or alone else f"its server {shown(self._at.name)} is away"
        # At once: to find out more may take a while.
        self._gate.look(self._why)

    def _addresses(self, members: Sequence[Member]) -> tuple[Addresses, Addresses]:
        """Of the nodes of its cluster, and of a server that is in none."""
        if self._at is None or (identity := self._at.identity) is None:
            return {}, {}
        return (ready_nodes(members, identity), {}) if self._at.group else ({}, server_alone(members, identity))
