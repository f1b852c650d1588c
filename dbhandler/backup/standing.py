"""How the backup of each source stands, for whoever asks often: by what is noted and written here, without a word of
the repository."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dbhandler.backup.followed import Followed
from dbhandler.backup.overview import Range, ranges, time_of
from dbhandler.backup.record import Record, complaints
from dbhandler.backup.restoring import logs_of
from dbhandler.backup.source import Source, remembered
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError
from dbhandler.requests.backup_state import BackupState, Trouble, told

FRESH = 1.0
"""Seconds for which what was found is told again: any member may ask, and as often as it likes."""


@dataclass(frozen=True)
class Mark:
    """A base as the keeper notes it: the moment (UTC seconds) it was begun at, and what is in it."""

    time: float
    position: Position


@dataclass(frozen=True)
class Standing:
    """One source, as Overview; streaming says whether its server's log comes now, trouble what is wrong in one word."""

    source: Source
    ranges: Sequence[Range]
    shipped: float | None
    proven: float | None
    streaming: bool
    trouble: Trouble | None

    @property
    def gaps(self) -> int:
        """How many there are between what can be restored."""
        return max(0, len(self.ranges) - 1)

    @property
    def state(self) -> BackupState:
        """The same as others are told."""
        first, last = (self.ranges[0].first, self.ranges[-1].last) if self.ranges else (None, None)
        times = [None if time is None else int(time) for time in (first, last, self.proven)]
        return BackupState(self.source.id, self.source.name, times[0], times[1], self.gaps, times[2], self.trouble)


class Standings:
    """Of the sources in this folder; followed gives what is backed up now by its id."""

    def __init__(
        self, folder: Path, followed: Callable[[str], Followed | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._followed, self._clock = folder, followed, clock
        self._lock = threading.Lock()
        self._found: list[Standing] = []
        self._until = float("-inf")
        self._ranges: dict[str, tuple[object, Sequence[Range]]] = {}

    def read(self) -> list[Standing]:
        """All of them, for any thread."""
        with self._lock:
            if self._clock() >= self._until:
                self._found = [one for folder in sorted(self._folder.glob("*/")) if (one := self._of(folder))]
                self._until = self._clock() + FRESH
            return self._found

    def told(self, _payload: bytes) -> bytes:
        """The answer to whoever asks how they stand."""
        return told(one.state for one in self.read())

    def _of(self, folder: Path) -> Standing | None:
        # A folder that says nothing is the health check's to tell.
        with suppress(DbHandlerError):
            source, noted = remembered(folder), Record(folder).read()
            followed = self._followed(source.id)
            noted |= _now(followed)
            streaming = followed is not None and not noted["stream"]
            shipped, proven = time_of(noted.get("shipped")), time_of(noted.get("proven"))
            return Standing(source, self._of_now(folder, source, noted), shipped, proven, streaming, _trouble(noted))
        return None

    def _of_now(self, folder: Path, source: Source, noted: Mapping[str, object]) -> Sequence[Range]:
        bases, followed = noted.get("bases"), self._followed(source.id)
        before, found = self._ranges.get(source.id, (None, ()))
        if followed is None and bases == before:
            # Nobody writes there, and its last file would be read from its beginning each time.
            return found
        # While a file ends and the next one begins, what was found before stands.
        with suppress(DbHandlerError, OSError, ValueError, TypeError, KeyError):
            logs = followed.backup.logs if followed else logs_of(source, folder)
            self._ranges[source.id] = bases, ranges(_marks(bases, source.engine), logs)
        return self._ranges.get(source.id, (None, ()))[1]


def _now(followed: Followed | None) -> dict[str, object]:
    """What is not noted while the keeper is busy elsewhere. One that was not met since the start is away."""
    if followed is None:
        return {"away": True}
    return {"stream": followed.stream.complaint, "away": followed.stream.away}


def _marks(bases: object, engine: str) -> list[Mark]:
    pairs = bases if isinstance(bases, list) else []
    return [Mark(float(time), Position.parse(position, engine)) for time, position in pairs]


def _trouble(noted: Mapping[str, object]) -> Trouble | None:
    if any(complaints(noted)):
        stream = noted.get("stream") and not noted.get("away")
        return Trouble.STREAM if stream else Trouble.BASE if noted.get("base") else Trouble.REPOSITORY
    return Trouble.AWAY if noted.get("away") else None
