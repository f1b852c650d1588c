"""One agent for one state folder: two would be served by one socket, and with the end of one, nobody."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from dbhandler.inventory import InState

STANDBY = 30.0
"""Seconds for which a second agent waits for the end of the first; supervisord starts it again after that."""


def alone(
    folder: Path, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Makes sure, for as long as this process lives, that no other agent works in the state folder. False when another
    still does after STANDBY."""
    lock, deadline = os.open(folder / InState.AGENT_LOCK, os.O_RDWR | os.O_CREAT, 0o600), clock() + STANDBY
    while not _locked(lock):
        if clock() >= deadline:
            os.close(lock)
            return False
        sleep(0.1)
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
