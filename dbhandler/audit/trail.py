"""The trail as it is written: by the agent, by its threads, by dbhandler-admin, one line after another."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dbhandler import files
from dbhandler.audit import head as heads
from dbhandler.audit.head import Head
from dbhandler.audit.output import ContainerLog, File, Output
from dbhandler.audit.record import Audit, Entry, line_of, read, unaudited
from dbhandler.flock import is_locked
from dbhandler.inventory import InRun, InState
from dbhandler.log import told
from dbhandler.settings.config import Config

logger = logging.getLogger(__name__)

PATIENCE, PAUSE = 2.0, 0.002
"""Seconds for which other processes' lines are waited for, and between two looks."""


class Trail:
    """Writes entries to `output`, chained by what stands in the state folder. node is this server's name in Serf.

    An entry that cannot be written is counted, and costs nobody anything: what it tells of goes on.
    """

    def __init__(self, output: Output, state_dir: Path, node: str, clock: Callable[[], float] = time.time) -> None:
        self._output, self._node, self._clock = output, node, clock
        self._head_file, self._lock_file = state_dir / InState.AUDIT_HEAD, state_dir / InState.AUDIT_LOCK
        self._threads, self._lost, self._fails = threading.Lock(), 0, False

    def __call__(self, entry: Entry) -> None:
        """Writes an entry. Never raises."""
        with self._threads, self._told():
            # Until it is safe.
            self._lost += 1
            with locked(self._lock_file):
                self._write(entry)

    def mend(self) -> None:
        """Finishes the line that a kill has cut, and removes what it has left. Never raises."""
        with self._threads, self._told(), locked(self._lock_file):
            self._settle(self._head())
            for unfinished in self._head_file.parent.glob(f".{self._head_file.name}.*"):
                unfinished.unlink(missing_ok=True)

    def _write(self, entry: Entry) -> None:
        before = self._head()
        try:
            self._settle(before)
        except OSError:
            # For the next process, should this one end.
            self._store(replace(before, lost=before.lost + self._lost))
            raise
        lost = before.lost + self._lost - 1
        line = line_of(entry, before.number + 1, before.hash, self._node, self._clock(), lost)
        self._store(Head(line, written=False))
        # Whatever happens from here on, the line is not lost.
        with self._told():
            self._finish(line)

    def _store(self, head: Head) -> None:
        heads.store(self._head_file, head)
        self._lost = 0

    def _settle(self, head: Head) -> None:
        """Has the head's line where it belongs. Raises OSError while that cannot be."""
        if head.line and not head.written:
            self._finish(head.line)

    def _finish(self, line: str) -> None:
        self._output.complete(line)
        heads.mark_written(self._head_file)
        if self._fails:
            self._fails = False
            logger.warning("the audit trail is written again")

    def _head(self) -> Head:
        try:
            if head := heads.load(self._head_file):
                return head
        except ValueError:
            logger.error("the head of the audit trail was damaged: it lies in %s", files.set_aside(self._head_file))
        # With another state volume: what stands in the file goes on.
        last = self._output.last()
        link = read(last) if last else None
        return Head(last) if link and link.intact else Head()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._fails:
                logger.error("the audit trail cannot be written, requests go on: %s", told(error))
            self._fails = True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time in. Raises OSError, and when others are in there for too long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not is_locked(descriptor, PATIENCE, sleep=lambda _: time.sleep(PAUSE)):
            raise TimeoutError(f"{path} is held by another process")
        yield
    finally:
        os.close(descriptor)


def trail_of(config: Config) -> Audit:
    """The trail of this container's server, whose cut line is finished; none where its owner wants none."""
    if config.audit is None:
        return unaudited
    output = File(config.audit.path) if config.audit.path else ContainerLog(config.run_dir / InRun.SUPERVISORD_PID)
    trail = Trail(output, config.state_dir, config.serf.node or socket.gethostname())
    trail.mend()
    return trail
