"""What is being carried out at this moment, noted so that a kill between a deed and its line is told by the next start.

Not synced: a kill leaves the note, a cut of the power may not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from dbhandler.audit.record import Audit, Entry, unaudited
from dbhandler.inventory import InState
from dbhandler.settings.config import Config

UNKNOWN = "unknown"
"""The outcome of what a kill has cut short: it may have been done."""
_CUT = "the agent was killed while it carried this out: it may have been done"
_NOTHING = b"-"
_LONGEST = 65536


class UnderWay:
    """One deed at a time, noted in a file. For one process and one of its threads; without a file it notes nothing."""

    def __init__(self, path: Path | None = None) -> None:
        # What cannot be noted is carried out all the same.
        self._descriptor: int | None = None
        with suppress(OSError):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) if path else None

    @contextmanager
    def noted(self, entry: Entry) -> Iterator[None]:
        """Notes an entry for as long as it is carried out."""
        self._note(f"{json.dumps(asdict(entry))}\n".encode())
        try:
            yield
        finally:
            # One process that ends by an error says so itself; only a kill leaves the note.
            self._note(_NOTHING)

    def tell_left(self, audit: Audit) -> None:
        """Tells the trail what a former process was at when it was killed."""
        if entry := self._left():
            audit(replace(entry, outcome=UNKNOWN, reason=_CUT))
        self._note(_NOTHING)

    def _left(self) -> Entry | None:
        if self._descriptor is None:
            return None
        try:
            return Entry(**json.loads(os.pread(self._descriptor, _LONGEST, 0).partition(b"\n")[0]))
        except (OSError, ValueError, TypeError):
            return None

    def _note(self, data: bytes) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, data, 0)


def under_way_of(config: Config, audit: Audit) -> UnderWay:
    """The note of this container's agent; what a former one has left is told to the trail."""
    if audit is unaudited:
        return UnderWay()
    under_way = UnderWay(config.state_dir / InState.AUDIT_UNDER_WAY)
    under_way.tell_left(audit)
    return under_way
