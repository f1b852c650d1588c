"""What a backup's container answers when any member asks how the backups stand: times, and one word of what is wrong.

No more: who asks need not be of the pool. Sentences, which may name databases, are told by `dbhandler-backup list`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum

from dbhandler.log import printable
from dbhandler.requests.answer import decode, encode
from dbhandler.requests.vocabulary import Status

MOST_NAME = 64
"""Characters of a source's name."""
_ROOM = 700
"""Bytes that its proof leaves of an answer."""
_LATEST = 253_402_300_799
"""UTC seconds: the end of the year 9999."""
_ID = re.compile(r"[A-Za-z0-9_.+~:-]{1,80}")


class Trouble(StrEnum):
    """Why a backup does not go on, or is not proven."""

    STREAM = "stream"
    """The log of its server does not come."""
    BASE = "base"
    """No base could be taken, or it could not be proven."""
    REPOSITORY = "repository"
    """Nothing comes into the repository."""
    AWAY = "away"
    """No server of it is there, which is not the backup's fault."""


_WORST = (Trouble.STREAM, Trouble.BASE, Trouble.REPOSITORY)


@dataclass(frozen=True)
class BackupState:
    """The backup of one server or cluster: id as restore_box.source_id gives it, name as people call it; every
    moment from `first` to `last` can be restored, but for so many gaps; when it was proven last. Times are UTC seconds,
    None: never."""

    id: str
    name: str
    first: int | None
    last: int | None
    gaps: int
    proven: int | None
    trouble: Trouble | None = None

    @property
    def rank(self) -> tuple[int, str]:
        """The more worrying, the less."""
        if self.trouble in _WORST:
            return 0, self.name
        worries = (self.first is None, self.proven is None, self.gaps > 0, self.trouble is not None)
        return worries.index(True) + 1 if any(worries) else len(worries) + 1, self.name


def told(states: Iterable[BackupState]) -> bytes:
    """The answer: the most worrying first, as many as there is room for, and how many more there are."""
    rows = [
        [state.id, state.name[:MOST_NAME], *astuple(state)[2:]] for state in sorted(states, key=lambda one: one.rank)
    ]
    fitting: list[Sequence[object]] = []
    for row in rows:
        if len(_line([*fitting, row], len(rows))) > _ROOM:
            break
        fitting.append(row)
    return _line(fitting, len(rows) - len(fitting))


def heard(line: bytes) -> tuple[list[BackupState], int]:
    """The states in an answer, and how many more there are. Raises ValueError for whatever is none."""
    values = decode(line)
    rows, more = values.get("backups"), values.get("more")
    if values.get("status") != Status.OK or not isinstance(rows, list) or not _is_count(more):
        raise ValueError("it does not say how the backups stand")
    return [_state(row) for row in rows], int(str(more))


def _line(rows: Sequence[Sequence[object]], more: int) -> bytes:
    return encode({"status": Status.OK, "backups": rows, "more": more})


def _state(row: object) -> BackupState:
    if not isinstance(row, list) or len(row) != len(_RULES):
        raise ValueError("it holds what is no state of a backup")
    for value, valid in zip(row, _RULES, strict=True):
        if not valid(value):
            raise ValueError("it holds a state of a backup that cannot be")
    id, name, first, last, gaps, proven, trouble = row
    return BackupState(id, printable(name), first, last, gaps, proven, Trouble(trouble) if trouble else None)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 1_000_000


def _is_time(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= _LATEST)


_RULES: Sequence[Callable[[object], bool]] = (
    lambda value: isinstance(value, str) and _ID.fullmatch(value) is not None,
    lambda value: isinstance(value, str) and 0 < len(value) <= MOST_NAME,
    _is_time,
    _is_time,
    _is_count,
    _is_time,
    lambda value: value is None or value in list(Trouble),
)
"""What a row of an answer holds, in the order of a BackupState."""
