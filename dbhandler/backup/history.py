"""What a source's log can bring back: the ranges without a gap, and the files up to one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbhandler.backup.binlog import HEADER, Group
from dbhandler.backup.logfile import LogFile, Summary
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError

_PIECE = 1 << 20


class Unrecoverable(DbHandlerError):
    """The moment is in no backup, or not after this base; the text tells the ranges there are."""


@dataclass(frozen=True)
class Time:
    """The last moment of this time (UTC seconds): what is later begins with the first transaction that is."""

    at: float


@dataclass(frozen=True)
class Through:
    """The moment after this transaction."""

    gtid: str


@dataclass(frozen=True)
class Before:
    """The moment before this transaction."""

    gtid: str


@dataclass(frozen=True)
class Latest:
    """The last moment that is known."""


Moment = Time | Through | Before | Latest | Position
"""A Position is the first moment at which all of it was in."""


@dataclass(frozen=True)
class Part:
    """A file, and what is in it now."""

    file: LogFile
    summary: Summary

    @property
    def begin(self) -> Position:
        """The position before it."""
        return self.file.begin.position

    @property
    def last(self) -> float:
        """The last time (UTC seconds) of which it is known what was then."""
        known = (self.file.begin.began, self.summary.last, self.summary.rest)
        return max(time for time in known if time is not None)


@dataclass(frozen=True)
class Span:
    """A range without a gap: from `first` to `last` (UTC seconds), between these positions."""

    first: float
    last: float
    from_position: Position
    to_position: Position
    parts: Sequence[Part] = ()

    def holds(self, position: Position, taken: float | None = None) -> bool:
        """Is this position in the range? `taken` (UTC seconds) is when it was the source's: of one that went back to a
        former state a position alone does not tell which history it is of."""
        inside = position.covers(self.from_position) and self.to_position.covers(position)
        return inside and (taken is None or self.first <= taken)


@dataclass(frozen=True)
class _Piece:
    """The first `size` bytes of a file."""

    file: LogFile
    size: int


def spans(parts: Sequence[Part]) -> list[Span]:
    """The ranges that these files make, which are in order."""
    chains: list[list[Part]] = []
    for part in parts:
        if chains and not part.file.begin.anew and _same(chains[-1][-1].summary.position, part.begin):
            chains[-1].append(part)
        else:
            chains.append([part])
    return [_span(chain) for chain in chains]


def cut(parts: Sequence[Part], base: Position, at: Moment, folder: Path, taken: float | None) -> list[Path]:
    """As Logs.cut."""
    ranges = spans(parts)
    fitting = [span for span in ranges if span.holds(base, taken)]
    if not fitting:
        raise Unrecoverable(f"the log does not go on from this base: {_told(ranges)}")
    try:
        pieces = _pieces(fitting[-1], base, at, ranges)
    except ValueError as error:
        raise Unrecoverable(str(error)) from error
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [_brought(piece, folder) for piece in pieces]


def groups(parts: Sequence[Part], begin: float, end: float) -> Iterator[tuple[Group, float]]:
    """As Logs.groups."""
    for part in parts:
        if (part.summary.last or 0.0) >= begin and (part.summary.first or 0.0) <= end:
            yield from ((group, time) for group, time in part.file.groups() if begin <= time <= end)


def needless(parts: Sequence[Part], position: Position, taken: float | None = None) -> list[Part]:
    """The files that nobody needs who has all of this position, as Span.holds has it: never the last."""
    old = [part for part in parts if position.covers(part.summary.position)]
    for span in spans(parts):
        if span.holds(position, taken):
            # From what is older than this range nobody goes on to here, whatever history it is of. Its last file
            # stays: by it a base at its very end is a moment.
            old = [part for part in old if part in span.parts[:-1]]
            old = [*parts[: parts.index(span.parts[0])], *old]
            break
    return [part for part in old if part is not parts[-1]]


def _span(chain: Sequence[Part]) -> Span:
    began = [chain[0].file.begin.began, chain[0].summary.first]
    first = min(time for time in began if time is not None)
    return Span(first, max(part.last for part in chain), chain[0].begin, chain[-1].summary.position, chain)


def _pieces(span: Span, base: Position, at: Moment, ranges: Sequence[Span]) -> list[_Piece]:
    """The files after the base, up to the one in which the moment is."""
    end, pieces = _end_of(at), []
    if (isinstance(at, Time) and not span.first <= at.at <= span.last) or (
        isinstance(at, Latest) and span != ranges[-1]
    ):
        raise Unrecoverable(f"the moment is in no backup that goes on from this base: {_told(ranges)}")
    for part in span.parts[_place(span, base) :]:
        if whole := end.is_after(part):
            size, reached = part.summary.size, part.summary.position
        else:
            size, reached = _last_inside(part, end, ranges)
        if not reached.covers(base):
            raise Unrecoverable(f"this base is later than the moment: {_told(ranges)}")
        if not base.covers(reached):
            pieces.append(_Piece(part.file, size))
        if not whole:
            return pieces
    if end.has_to_come:
        raise _not_there(ranges)
    return pieces


def _place(span: Span, base: Position) -> int:
    """Which file the base ends in."""
    return next(place for place, part in enumerate(span.parts) if part.summary.position.covers(base))


def _last_inside(part: Part, end: _End, ranges: Sequence[Span]) -> tuple[int, Position]:
    size, reached = len(HEADER), part.begin
    if end.is_reached("", reached):
        return size, reached
    for group, time in part.file.groups():
        # What was written since we looked is not there for us.
        if group.end > part.summary.size:
            break
        if end.is_before(group, time):
            return size, reached
        size, reached = group.end, reached.after(group.gtid) if group.gtid else reached
        if end.is_reached(group.gtid, reached):
            return size, reached
    raise _not_there(ranges)


@dataclass(frozen=True)
class _End:
    """How a moment is found among transactions."""

    is_after: Callable[[Part], bool]
    """Is it after all of this file?"""
    is_before: Callable[[Group, float], bool] = lambda _group, _time: False
    """Is it before this transaction, of this time?"""
    is_reached: Callable[[str, Position], bool] = lambda _gtid, _reached: False
    """Is it after this transaction ("": none yet), with which this position is reached?"""
    has_to_come: bool = True
    """Is there no such moment after all there is?"""


def _end_of(at: Moment) -> _End:
    if isinstance(at, Time):
        return _End(lambda part: (part.summary.last or at.at) <= at.at, lambda _, time: time > at.at, has_to_come=False)
    if isinstance(at, Latest):
        return _End(lambda _: True, has_to_come=False)
    if isinstance(at, Position):
        return _End(lambda part: not part.summary.position.covers(at), is_reached=lambda _, reached: reached.covers(at))
    gtid = at.gtid.lower()
    if isinstance(at, Before):
        return _End(lambda part: not part.summary.position.holds(gtid), lambda group, _: group.gtid == gtid)
    return _End(lambda part: not part.summary.position.holds(gtid), is_reached=lambda found, _: found == gtid)


def _not_there(ranges: Sequence[Span]) -> Unrecoverable:
    return Unrecoverable(f"this moment is not in what follows this base: {_told(ranges)}")


def _told(ranges: Sequence[Span]) -> str:
    """The ranges, as a sentence ends with them."""
    return "known is " + (
        " and ".join(f"{_said(span.first)} to {_said(span.last)}" for span in ranges) or "nothing yet"
    )


def _said(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S.%f}"


def _brought(piece: _Piece, folder: Path) -> Path:
    target = folder / piece.file.path.name
    target.unlink(missing_ok=True)
    if piece.size == piece.file.path.stat().st_size and piece.file.closed():
        with suppress(OSError):
            target.hardlink_to(piece.file.path)
            return target
    with piece.file.path.open("rb") as source, target.open("wb") as sink:
        left = piece.size
        while left and (read := source.read(min(left, _PIECE))):
            sink.write(read)
            left -= len(read)
    return target


def _same(one: Position, other: Position) -> bool:
    return one.covers(other) and other.covers(one)
