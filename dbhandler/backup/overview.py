"""What can be restored, and what is known of that: for people, and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dbhandler.backup.base import Bases
from dbhandler.backup.logs import Logs
from dbhandler.backup.record import Record, complaints
from dbhandler.backup.repository import Repository
from dbhandler.backup.restoring import logs_of
from dbhandler.backup.source import Source, remembered
from dbhandler.command import columns
from dbhandler.distant.position import Position

HEADINGS = ("SERVER", "ENGINE", "BASES", "RECOVERABLE FROM", "TO", "SHIPPED", "LAST PROVEN")


class Marked(Protocol):
    """A base, or what is noted of one: the moment (UTC seconds) it was begun at, and what is in it."""

    @property
    def time(self) -> float: ...
    @property
    def position(self) -> Position: ...


@dataclass(frozen=True)
class Range:
    """Every moment from `first` to `last` (UTC seconds) can be restored."""

    first: float
    last: float


@dataclass(frozen=True)
class Overview:
    """One source: its ranges of moments, oldest first, between which there are gaps; when it was proven and shipped
    last (None: never), what is wrong now, and what of the server nobody can read, so that no backup has it."""

    source: Source
    bases: int
    ranges: Sequence[Range]
    shipped: float | None
    proven: float | None
    complaints: Sequence[str]
    left_out: Sequence[str] = ()


def overview(folder: Path, repository: Repository) -> Overview:
    """The source in this folder. Raises DbHandlerError."""
    source, noted = remembered(folder), Record(folder).read()
    there = Bases(repository, source, folder).list()
    return Overview(
        source, len(there), ranges(there, logs_of(source, folder)),
        time_of(noted.get("shipped")), time_of(noted.get("proven")),
        list(complaints(noted)),
        [str(what) for what in _list(noted.get("left_out"))],
    )  # fmt: skip


def ranges(bases: Sequence[Marked], logs: Logs) -> list[Range]:
    """What these bases and logs can restore: in each span of the logs, what follows its first base."""
    found = []
    for span in logs.spans():
        inside = [base for base in bases if span.holds(base.position, base.time)]
        if inside:
            found.append(Range(inside[0].time, max(span.last, inside[-1].time)))
    return found


def table(overviews: Sequence[Overview]) -> list[str]:
    """Its lines: a row for each range, and a line for each complaint."""
    rows: list[Sequence[str]] = [HEADINGS]
    for one in overviews:
        shipped, proven = said(one.shipped), said(one.proven)
        first = (one.source.name, one.source.engine, str(one.bases))
        if not one.ranges:
            rows.append((*first, "nothing yet", "", shipped, proven))
        for number, span in enumerate(one.ranges):
            named = first if number == 0 else ("", "", "(gap)")
            rows.append((*named, said(span.first), said(span.last), shipped, proven))
    complaints = [f"{one.source.name}: {complaint}" for one in overviews for complaint in one.complaints]
    left_out = [f"{one.source.name}: not in its backup: {what}" for one in overviews for what in one.left_out]
    return columns(rows) + complaints + left_out


def said(time: float | None) -> str:
    """A time in UTC, as --at takes it."""
    return "never" if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"


def time_of(value: object) -> float | None:
    """A time as the record notes it; None where it has none."""
    return float(value) if isinstance(value, int | float) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
