"""The log of one source, a server or a cluster, as it is written and read on the backup's volume.

One thread writes; others, and other processes, may read meanwhile. What they see ends with a whole transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dbhandler import files
from dbhandler.backup import history
from dbhandler.backup.binlog import Damaged, Group
from dbhandler.backup.history import Moment, Part, Span
from dbhandler.backup.logfile import Begin, LogFile, Summary, log_files
from dbhandler.backup.recognition import Last, last_of
from dbhandler.backup.writer import REST, Writer
from dbhandler.distant.position import Position


class Logs:
    """The log in this folder. Nothing is there before the first `begin`."""

    def __init__(self, folder: Path, engine: str) -> None:
        self._folder, self._engine = folder, engine
        self._writer: Writer | None = None
        self._known: dict[str, LogFile] = {}
        self._position: Position | None = None

    @property
    def position(self) -> Position | None:
        """The position after all that is whole; None before the first `begin`. Raises Damaged, OSError."""
        if self._position is None and (parts := self._parts()):
            self._position = parts[-1].summary.position
        return self._position

    def last(self, origin: str) -> Last | None:
        """The last transaction, where it came from this node. Raises Damaged, OSError."""
        return last_of(self._parts(), origin, self._engine)

    def begin(self, position: Position, origin: str, now: float, anew: bool = False) -> None:
        """Begins a new file for what comes after this position, from the node `origin`. anew: it does not go on from
        what is there, even at the same position. Raises OSError, Damaged."""
        self.settle()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        began, number = now, 1
        if present := self._parts():
            last = present[-1]
            number = last.file.number + 1
            if last.summary.first is None and last.begin == position and not anew:
                # It holds nothing, but knows for how long the source has been at this position.
                began, anew = min(now, last.file.begin.began), last.file.begin.anew
                last.file.remove()
        file = LogFile(self._folder, number, self._engine)
        file.create(Begin(position, origin, began, anew))
        self._writer, self._position = Writer(file), position

    def append(self, raw: bytes, now: float) -> None:
        """Writes down one event, as it came: first after `begin` the description of the format. Raises Damaged for what
        is no event, and writes nothing then; OSError."""
        if self._writer is None:
            raise Damaged("an event came before the description of the format")
        if self._writer.append(raw, now):
            self._position = self._writer.summary.position

    def heard(self, now: float) -> None:
        """Notes that the source is at rest: all that has happened has come. Directly after an event it does not count.
        Raises OSError."""
        if self._writer is not None:
            self._writer.heard(now)

    def sync(self) -> None:
        """Returns when all that was appended is on the disk. Raises OSError."""
        if self._writer is not None:
            self._writer.sync()

    def close(self) -> None:
        """Ends writing, as settle does."""
        self.settle()

    def settle(self) -> None:
        """Ends the file that is written: what is not a whole transaction is cut off, and so it is with one that was
        left behind by a process that was killed. Raises Damaged, OSError."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for file in self.files()[-1:]:
            if file.closed() is None:
                file.settle(self._rest(file))

    def files(self) -> list[LogFile]:
        """The files there are, in order."""
        # They read once what is noted of them.
        listed = log_files(self._folder, self._engine)
        self._known = {file.path.name: self._known.get(file.path.name, file) for file in listed}
        return list(self._known.values())

    def spans(self) -> list[Span]:
        """The ranges without a gap, oldest first. Raises Damaged, OSError."""
        return history.spans(self._parts())

    def cut(self, base: Position, at: Moment, folder: Path, taken: float | None = None) -> list[Path]:
        """The files by which what was at the position `base` becomes what was at that moment, in `folder`; the last
        ends with the last transaction of it. None where there is nothing to add. `taken` as Span.holds has it. Raises
        Unrecoverable, Damaged, OSError."""
        return history.cut(self._parts(), base, at, folder, taken)

    def groups(self, begin: float, end: float) -> Iterator[tuple[Group, float]]:
        """The transactions from one time to another (UTC seconds, both included), and their times, in the order of the
        log. Raises Damaged, OSError."""
        return history.groups(self._parts(), begin, end)

    def goes_on_from(self, position: Position, taken: float) -> bool:
        """Does what comes now go on, without a gap, from what the source was at this position? `taken` as Span.holds
        has it. Raises Damaged, OSError."""
        # None while the first file begins.
        last = next(reversed(self.spans()), None)
        return last is not None and last.holds(position, taken)

    def expire(self, position: Position, taken: float | None = None) -> None:
        """Removes the files that are not needed to go on from this position, nor from a later one; never the last.
        `taken` as Span.holds has it. Raises Damaged, OSError."""
        for part in history.needless(self._parts(), position, taken):
            part.file.remove()

    def _parts(self) -> list[Part]:
        return [Part(file, self._summary(file)) for file in self.files()]

    def _summary(self, file: LogFile) -> Summary:
        writer = self._writer
        if writer is not None and writer.file.number == file.number:
            return writer.summary
        return file.closed() or replace(file.scanned(), rest=self._rest(file))

    def _rest(self, file: LogFile) -> float | None:
        """Until when there was nothing more, as whoever writes has noted it."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            noted = files.read_json(self._folder / REST)
            if isinstance(noted, dict) and noted["number"] == file.number:
                return float(noted["time"]) if noted["size"] <= file.path.stat().st_size else None
        return None
