"""One file of a source's log on the backup's volume, and what lies beside it.

`00000001.log` is a binary log as a server writes it: a format description, and whole transactions. `00000001.times`
says when what had come, since MariaDB tells only seconds. `00000001.json` says where it begins and, once it is closed,
where it ends.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from dbhandler import files
from dbhandler.backup.binlog import HEADER, Damaged, Group, complete_end, read
from dbhandler.distant.position import Position

ARRIVAL = struct.Struct("<dQ")
"""When it was (UTC seconds), and how many bytes of whole transactions the file had then."""
_SECOND = 0.999999
"""What MariaDB cuts off a time."""


@dataclass(frozen=True)
class Begin:
    """How a file began: after `position`, from the node `origin`, at the time `began` (UTC seconds). anew: it does not
    go on from the file before it, even where that ended at this position."""

    position: Position
    origin: str
    began: float
    anew: bool = False


@dataclass(frozen=True)
class Summary:
    """What is in a file: the position after it, the times of its first transaction and of its last (None: there is
    none), the time until which there was nothing more, and the bytes of what is whole."""

    position: Position
    first: float | None = None
    last: float | None = None
    rest: float | None = None
    size: int = 0

    def plus(self, group: Group, time: float) -> Summary:
        """The same with one transaction more, that of this time. One without a GTID moves nothing."""
        position = self.position.after(group.gtid) if group.gtid else self.position
        first = time if self.first is None else self.first
        return Summary(position, first, max(time, self.last or time), self.rest, group.end)


class LogFile:
    """The file of this number in this folder."""

    def __init__(self, folder: Path, number: int, engine: str) -> None:
        self.number, self.engine = number, engine
        self.path = folder / f"{number:08}.log"
        self.times, self.note = self.path.with_suffix(".times"), self.path.with_suffix(".json")
        self._end: Summary | None = None

    @cached_property
    def begin(self) -> Begin:
        """How it began. Raises Damaged, OSError."""
        return self._noted()[0]

    def create(self, begin: Begin) -> None:
        """Notes how it begins; the file itself comes with its first event. Raises OSError."""
        self._write(begin, {})

    def close(self, summary: Summary) -> None:
        """Notes what is in it, for ever. Raises OSError."""
        self._write(self.begin, {"end": {**asdict(summary), "position": str(summary.position)}})

    def closed(self) -> Summary | None:
        """What `close` has noted. Raises Damaged, OSError."""
        if self._end is None:
            self._end = self._noted()[1]
        return self._end

    def scanned(self) -> Summary:
        """What is in it, read from itself: as far as it is whole now. Raises Damaged, OSError."""
        summary = Summary(self.begin.position, size=len(HEADER))
        for group, time in self.groups():
            summary = summary.plus(group, time)
        return summary

    def settle(self, rest: float | None) -> Summary | None:
        """Closes it as it is after an interruption: without what is not whole, which is cut off. `rest` as Summary has
        it. None where nothing is left, and the file is gone. Raises OSError, Damaged."""
        if not (end := complete_end(self.path, self.engine)):
            self.remove()
            return None
        with self.path.open("rb+") as file:
            file.truncate(end)
        self.close(summary := replace(self.scanned(), size=end, rest=rest))
        return summary

    def remove(self) -> None:
        """Removes it; what is left after an interruption is no log. Raises OSError."""
        for path in (self.path, self.times, self.note):
            path.unlink(missing_ok=True)

    def groups(self) -> Iterator[tuple[Group, float]]:
        """The whole transactions in it, and the time each counts for (UTC seconds). Raises Damaged, OSError."""
        arrivals = arrival_times(self.times)
        arrived, until = 0.0, 0
        for group in read(self.path, self.engine):
            while until < group.end:
                # Of what came last before an interruption nothing may be noted: it counts as late as it can.
                arrived, until = next(arrivals, (float("inf"), group.end))
            yield group, effective(group, arrived)

    def _write(self, begin: Begin, more: Mapping[str, object]) -> None:
        noted = {"engine": self.engine, "from": str(begin.position), "origin": begin.origin, "began": begin.began}
        if begin.anew:
            noted["anew"] = True
        files.write_private(self.note, json.dumps(noted | dict(more)))

    def _noted(self) -> tuple[Begin, Summary | None]:
        try:
            noted = files.read_json(self.note)
            if not isinstance(noted, dict) or noted["engine"] != self.engine:
                raise ValueError("it is of another engine")
            position, anew = Position.parse(noted["from"], self.engine), bool(noted.get("anew"))
            begin = Begin(position, str(noted["origin"]), float(noted["began"]), anew)
            return begin, self._summary(noted["end"]) if "end" in noted else None
        except (ValueError, TypeError, KeyError) as error:
            raise Damaged(f"{self.note} is damaged") from error

    def _summary(self, noted: Mapping[str, object]) -> Summary:
        first, last, rest = (_time(noted[name]) for name in ("first", "last", "rest"))
        return Summary(Position.parse(str(noted["position"]), self.engine), first, last, rest, int(str(noted["size"])))


def effective(group: Group, arrived: float) -> float:
    """The time that a transaction counts for: what its server says, and where that is a second, when in this second it
    arrived."""
    return group.time if group.precise else min(max(arrived, group.time), group.time + _SECOND)


def arrival_times(path: Path) -> Iterator[tuple[float, int]]:
    """The records of a file of times; one that is cut off does not count. Raises OSError; a file that is not there has
    none."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while len(record := file.read(ARRIVAL.size)) == ARRIVAL.size:
            yield ARRIVAL.unpack(record)


def log_files(folder: Path, engine: str) -> list[LogFile]:
    """All files of a folder, in order."""
    names = sorted(path.stem for path in folder.glob("*.log") if path.with_suffix(".json").exists())
    return [LogFile(folder, int(name), engine) for name in names if name.isdecimal() and len(name) == 8]


def _time(value: object) -> float | None:
    return None if value is None else float(str(value))
