"""The head of the chain, in a small private file: the newest line itself, whether it has been written where the trail
goes, and how many entries could not be written since.

It is stored before the line goes out, so a kill at any moment loses no line and tears none for good: whoever writes
next finds here what is still to be written. That a line was not finished is thereby no sign of tampering.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from dbhandler import files
from dbhandler.audit.record import Link, read

# Equally long: one becomes the other in place, without the price of a durable file.
_WRITTEN, _PENDING = "written", "pending"


@dataclass(frozen=True)
class Head:
    """The newest line (None: there was none yet). lost entries could be written nowhere after it."""

    line: str | None = None
    written: bool = True
    lost: int = 0

    @property
    def number(self) -> int:
        """The number of the newest line."""
        return self._link.number if self._link else 0

    @property
    def surely(self) -> int:
        """The number up to which all lines have been written."""
        return self.number if self.written else self.number - 1

    @property
    def hash(self) -> str:
        """What the next line names as the one before. What the first one names nobody can guess, so nobody who does not
        read the trail can make a line that fits."""
        return self._link.hash if self._link else secrets.token_hex(32)

    @property
    def _link(self) -> Link | None:
        return read(self.line) if self.line else None


def load(path: Path) -> Head | None:
    """The head in that file, None where there is none. Raises ValueError for a damaged one, OSError."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    first, _, rest = text.partition("\n")
    state, _, lost = first.partition(" ")
    head = Head(rest.removesuffix("\n") or None, state == _WRITTEN, int(lost))
    if state not in (_WRITTEN, _PENDING) or (head.line and read(head.line) is None):
        raise ValueError("it is no head of a trail")
    return head


def store(path: Path, head: Head) -> None:
    """Makes that the head, durably. Raises OSError."""
    files.write_private(path, f"{_WRITTEN if head.written else _PENDING} {head.lost}\n{head.line or ''}\n")


def mark_written(path: Path) -> None:
    """Notes that the head's line has been written. Not synced: after a power cut it may be written again, never lost.
    Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, _WRITTEN.encode(), 0)
    finally:
        os.close(descriptor)
