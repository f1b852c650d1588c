"""Which locks of a repository are left from the dead.

restic tells it by the number of the lock's process alone: in a container numbers are few, and another has it soon. A
lock of another host it takes for a living one for half an hour, and each new container is another host. So a volume
remembers the hosts that have kept backups there, of which one at a time does.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbhandler.errors import DbHandlerError
from dbhandler.flock import is_locked

_HOSTS = "hosts"
_STANDBY = 10.0
"""Seconds for which a second container waits for the end of the first, as in a change of images."""


@dataclass(frozen=True)
class Lock:
    """A lock in a repository. host, pid: of the restic that has made it."""

    id: str
    host: str
    pid: int


def as_lock(id: str, told: Mapping[str, str]) -> Lock:
    """A lock as restic tells it. Raises ValueError, KeyError."""
    return Lock(id, told["hostname"], int(told["pid"]))


@contextmanager
def occupied(folder: Path, patience: float = _STANDBY) -> Iterator[frozenset[str]]:
    """For `with`: keeps a volume for this process alone, and gives the hosts that had it before. Raises DbHandlerError
    when another container has it, OSError."""
    # What is written is appended.
    with (folder / _HOSTS).open("a+") as file:
        if not is_locked(file.fileno(), patience):
            raise DbHandlerError(f"another container keeps its backups in {folder}: each needs a volume of its own")
        file.seek(0)
        here, known = socket.gethostname(), file.read().split()
        if here not in known:
            print(here, file=file, flush=True)
        yield frozenset(known) - {here}


def dead(locks: Iterable[Lock], former: Collection[str], here: str | None = None) -> list[Lock]:
    """Those of the locks that nobody holds any more, as far as is known here: made by one of the former hosts, or by a
    restic of this host that does not run."""
    here = here or socket.gethostname()
    return [lock for lock in locks if lock.host in former or (lock.host == here and not _lives(lock))]


def _lives(lock: Lock) -> bool:
    """Is the process of that number a restic?"""
    try:
        return Path(f"/proc/{lock.pid}/comm").read_text().strip() == "restic"
    except OSError:
        return False
