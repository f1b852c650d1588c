"""One source while it is backed up: all that belongs to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from dbhandler.backup.base import Base
from dbhandler.backup.record import Record
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source
from dbhandler.backup.stream import Stream

AGAIN = 60.0
"""Seconds until a base that failed is tried again, doubled each time up to an hour."""

NEVER = float("-inf")


@dataclass
class Followed:
    """One source that is backed up."""

    source: Source
    backup: Backup
    stream: Stream
    record: Record
    thread: threading.Thread
    next_try: float = 0.0
    pause: float = AGAIN
    bases: list[Base] = field(default_factory=list)
    """Those there were when they were listed last."""
    listed: float = NEVER
    """When that was, UTC seconds."""

    def be(self, source: Source) -> None:
        """Knows of the source what is known now."""
        self.source = self.backup.source = self.backup.bases.source = source
        self.stream.nodes = source.nodes
