"""Follows one source's binary log for ever, and writes it down as it comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from dbhandler.backup.logs import Logs
from dbhandler.backup.recognition import AnotherHistory, Last, recognised
from dbhandler.backup.source import Source
from dbhandler.distant.access import Access, Connection
from dbhandler.distant.events import Kind, is_for_replica, is_heartbeat, kind_of
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.distant.replication import PATIENCE, NotThere, events, present_position
from dbhandler.errors import DbHandlerError
from dbhandler.log import shown, told
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

SYNC = 0.5
"""Seconds at most for which what has come is not on the disk."""
PAUSE = 1.0
"""Seconds between two rounds over nodes that do not give the log."""
DOUBT = 15.0
"""Seconds for which a server that knows less than we do may be one that has yet to catch up, as a cluster's node."""


@dataclass(frozen=True)
class _Start:
    """Where a stream begins, or goes on. anew: what came between is missing; last: by what the server is recognised."""

    position: Position
    anew: bool = False
    last: Last | None = None


class Stream:
    """The stream of one source into its logs. nodes may change while it runs."""

    def __init__(self, source: Source, logs: Logs, access: Access, clock: Callable[[], float] = time.time) -> None:
        self.nodes: Sequence[Node] = source.nodes
        self.complaint: str | None = "it has not begun"
        """Why nothing comes now; None while it does."""
        self.away = False
        """Is there no server of it that serves?"""
        self._source, self._logs, self._access, self._clock = source, logs, access, clock
        self._say = Complaint(partial(logger.warning, "%s: %s", shown(source.name)))
        self._behind_since: float | None = None
        self._synced = 0.0

    def run(self, stop: threading.Event) -> None:
        """Follows whichever node gives the log, until `stop` is set."""
        self._settle()
        while not stop.is_set():
            self.away = not self.nodes
            for node in self.nodes:
                self._try(node, stop)
                if stop.is_set():
                    break
            # Only where no other node holds it either.
            self._lost, self._refused = self._refused, False
            stop.wait(PAUSE)
        self._settle()

    def _try(self, node: Node, stop: threading.Event) -> None:
        start: _Start | None = None
        try:
            with closing(self._access.connect(node, PATIENCE)) as connection:
                start = self._start(present_position(connection, self._source.engine), node)
                self._follow(start, self._events(connection, start), node, stop)
        except NotThere as error:
            self._not_there(error, start, node)
        except (DbHandlerError, OSError) as error:
            self._complain(node, told(error))
        self._settle()

    def _events(self, connection: Connection, start: _Start) -> Iterator[bytes]:
        engine, last = self._source.engine, start.last
        if last is None:
            return events(connection, engine, start.position)
        return recognised(events(connection, engine, last.before), last, engine)

    def _not_there(self, error: NotThere, start: _Start | None, node: Node) -> None:
        if start and start.last and not isinstance(error, AnotherHistory):
            # Perhaps what it holds begins with what comes next.
            self._checks = False
            return
        self._complain(node, f"{error}; what came meanwhile is in no backup")
        self._refused = True

    def _settle(self) -> None:
        """What is not whole is cut off. Where even that fails, the next try begins with it."""
        try:
            self._logs.settle()
        except (DbHandlerError, OSError) as error:
            self.complaint = told(error)
            self._say.say(self.complaint)

    _lost = _refused = False
    """Did a node say that it does not hold what comes next, in the round before, in this one?"""
    _checks = True
    """Is a server asked for the last transaction that came from it?"""

    def _start(self, present: Position, node: Node) -> _Start:
        """Raises DbHandlerError while it is in doubt."""
        ours = self._logs.position
        if ours is None:
            return _Start(present)
        if self._lost:
            self._lost = False
            return _Start(present, anew=True)
        if present.covers(ours):
            self._behind_since = None
            return _Start(ours, last=self._logs.last(node.name) if self._checks else None)
        since = self._behind_since = self._behind_since or self._clock()
        if self._clock() - since < DOUBT:
            raise DbHandlerError(f"{shown(node.name)} knows less than came from it before")
        logger.warning("%s goes on from a former state: there is a gap in its backup", shown(self._source.name))
        self._behind_since = None
        return _Start(present, anew=True)

    def _follow(self, start: _Start, stream: Iterator[bytes], node: Node, stop: threading.Event) -> None:
        logs, begun = self._logs, False
        for event in stream:
            now, kind = self._clock(), kind_of(event)
            if kind == Kind.FORMAT:
                position = (begun and logs.position) or start.position
                logs.begin(position, node.name, now, anew=start.anew and not begun)
                logs.append(event, now)
                begun = True
                self._flowing(node)
            elif is_heartbeat(event):
                logs.heard(now)
            elif not is_for_replica(event):
                logs.append(event, now)
            if abs(now - self._synced) >= SYNC or is_heartbeat(event):
                logs.sync()
                self._synced = now
            if stop.is_set():
                return

    def _flowing(self, node: Node) -> None:
        if self.complaint is not None:
            logger.info("the binary log of %s comes from %s", shown(self._source.name), shown(node.name))
        self.complaint, self._refused, self._checks = None, False, True
        self._say.say("")

    def _complain(self, node: Node, why: str) -> None:
        self.complaint = f"{shown(node.name)}: {why}"
        self._say.say(self.complaint)
