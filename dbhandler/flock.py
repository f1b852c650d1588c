"""Files that one process at a time holds, whatever becomes of it: its lock ends with it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable

_PAUSE = 0.1


def is_locked(
    descriptor: int,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Locks an open file or folder for as long as this descriptor is open; False when somebody else still holds it
    after so many seconds."""
    deadline = clock() + patience
    while not _try(descriptor):
        if clock() >= deadline:
            return False
        sleep(_PAUSE)
    return True


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
