"""Writes one file of a source's log."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path

from dbhandler.backup.binlog import HEADER, Assembler, Group
from dbhandler.backup.logfile import ARRIVAL, LogFile, Summary, effective
from dbhandler.distant.events import Kind, kind_of
from dbhandler.spool import sync_folder

GRAIN = 1 / 64
"""Seconds by which times of arrival differ: what comes within them is noted once, as come at their end. In binary it is
exact, so that whoever reads finds the very same times."""
RESTED = 1.0
"""Seconds at least between two notes that nothing came."""
QUIET = 0.25
"""Seconds after an event in which a word of the server does not mean that it rests: MySQL says one after what a replica
knows already, however much comes then."""
REST = "rest.json"
"""The file with the last such note."""
_PIECE = 1 << 16
"""Bytes of a transaction that are written at once."""


class Writer:
    """Writes this file, which has been created. What is in it ends with a whole transaction whenever append is back,
    but for a long one that is still coming."""

    def __init__(self, file: LogFile) -> None:
        self.file = file
        self.summary = Summary(file.begin.position)
        """What is in the file for whoever reads it."""
        self._assembler = Assembler(file.engine, len(HEADER))
        self._log: FileIO | None = None
        self._times: FileIO | None = None
        self._waiting = bytearray()
        self._size = self._whole = 0
        self._unrecorded: tuple[float, int] | None = None
        self._recorded = self._noted = self._appended = float("-inf")
        self._is_new = True

    def append(self, raw: bytes, now: float) -> Group | None:
        """Writes one event; returns the transaction that it completes. Raises Damaged, and writes nothing then;
        OSError."""
        if kind_of(raw) == Kind.GTID_LIST:
            # mariadb-binlog takes the first one it meets for the beginning of all files, and not each of ours has one:
            # a server leaves it out where a replica begins.
            return None
        group = self._assembler.feed(raw)
        if self._log is None:
            self._log, self._times = _opened(self.file.path), _opened(self.file.times)
            self._waiting += HEADER
        self._waiting += raw
        self._appended = now
        if not self._assembler.open:
            self._size += _written(self._log, self._waiting)
            self._whole = self._size
        elif len(self._waiting) >= _PIECE:
            self._size += _written(self._log, self._waiting)
        if group:
            self._completed(group, now)
        return group

    def heard(self, now: float) -> None:
        """Notes that nothing more has happened, unless something came just now. Raises OSError."""
        if self._log is None or self._assembler.open or abs(now - self._appended) < QUIET:
            return
        self._record()
        self.summary = replace(self.summary, rest=now)
        if abs(now - self._noted) >= RESTED:
            self._noted = now
            # Lost with the power it costs nothing: the log itself knows how far it goes.
            path = self.file.path.with_name(REST)
            temporary = path.with_suffix(".new")
            temporary.write_text(json.dumps({"number": self.file.number, "time": now, "size": self._whole}))
            temporary.replace(path)

    def sync(self) -> None:
        """Returns when all of it is on the disk. Raises OSError."""
        self._record()
        for file in filter(None, (self._log, self._times)):
            os.fsync(file.fileno())
        if self._is_new and self._log:
            sync_folder(str(self.file.path.parent))
            self._is_new = False

    def close(self) -> None:
        """Ends the file with its last whole transaction; one without any event is gone. Raises OSError."""
        try:
            if self._log is not None and self._whole:
                self._log.truncate(self._whole)
                self.sync()
        finally:
            for file in filter(None, (self._log, self._times)):
                with suppress(OSError):
                    file.close()
        if self._whole:
            self.file.close(replace(self.summary, size=self._whole))
        else:
            self.file.remove()

    def _completed(self, group: Group, now: float) -> None:
        arrived = math.ceil(now / GRAIN) * GRAIN
        if not group.precise:
            self._arrived(arrived, group.end)
        self.summary = self.summary.plus(group, effective(group, arrived))

    def _arrived(self, arrived: float, end: int) -> None:
        is_first = arrived != self._recorded
        if is_first:
            self._record()
        self._unrecorded = arrived, end
        if is_first:
            self._recorded = arrived
            self._record()

    def _record(self) -> None:
        if self._unrecorded is not None and self._times is not None:
            _written(self._times, bytearray(ARRIVAL.pack(*self._unrecorded)))
            self._unrecorded = None


def _written(file: FileIO, waiting: bytearray) -> int:
    """Writes what waits, which is empty then, and returns how much it was. Raises OSError."""
    size = len(waiting)
    while waiting:
        del waiting[: file.write(waiting)]
    return size


def _opened(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
