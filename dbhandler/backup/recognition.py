"""Is what a server goes on with the history that came from it before?

Its positions alone do not tell: a server whose power failed may have lost the end of its log, and numbers other
transactions like those since. So the last one that came is asked for again, and has to be the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbhandler.backup.binlog import HEADER, Assembler, Group, raw_events
from dbhandler.backup.history import Part, spans
from dbhandler.distant.events import Kind, is_for_replica, kind_of
from dbhandler.distant.position import Position
from dbhandler.distant.replication import NotThere


class AnotherHistory(NotThere):
    """The server has another transaction in this place."""


@dataclass(frozen=True)
class Last:
    """The last transaction that came: its GTID, the event it begins with, and the position before it."""

    gtid: str
    first: bytes
    before: Position


def last_of(parts: Sequence[Part], origin: str, engine: str) -> Last | None:
    """The last transaction in these files, which are in order, since the last gap, if it came from the node `origin`:
    another node of a cluster writes it in another way. Raises Damaged, OSError."""
    for part in reversed(spans(parts)[-1].parts if parts else ()):
        if part.file.begin.origin != origin:
            return None
        if part.summary.last is not None:
            return _last_in(part, engine)
    return None


def _last_in(part: Part, engine: str) -> Last | None:
    position, found = part.begin, None
    for group, first in _beginnings(part.file.path, engine):
        if group.end > part.summary.size:
            break
        found = Last(group.gtid, first, position)
        position = position.after(group.gtid) if group.gtid else position
    return found if found and found.gtid else None


def _beginnings(path: Path, engine: str) -> Iterator[tuple[Group, bytes]]:
    """The transactions of a file, and the event that each begins with."""
    assembler, first = Assembler(engine, len(HEADER)), b""
    with path.open("rb") as file:
        for raw in raw_events(file):
            was_open = assembler.open
            group = assembler.feed(raw)
            if assembler.open and not was_open:
                first = raw
            if group:
                yield group, first


def recognised(events: Iterable[bytes], last: Last, engine: str) -> Iterator[bytes]:
    """What a server sends after the position `last.before`, without the transaction that is known, once that is seen to
    be the same. Raises AnotherHistory, Damaged."""
    stream, assembler, description = iter(events), Assembler(engine), b""
    for raw in stream:
        if is_for_replica(raw):
            continue
        description = raw if kind_of(raw) == Kind.FORMAT else description
        was_open = assembler.open
        group = assembler.feed(raw)
        if assembler.open and not was_open and raw != last.first:
            raise AnotherHistory(f"it has another transaction {last.gtid} than the one that came from it")
        if group:
            break
    yield description
    yield from stream
