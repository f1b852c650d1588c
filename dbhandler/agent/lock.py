"""One agent for one state folder: two would be served by one socket, and with the end of one, nobody."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from dbhandler.flock import is_locked
from dbhandler.inventory import InState

STANDBY = 30.0
"""Seconds for which a second agent waits for the end of the first; supervisord starts it again after that."""


def alone(
    folder: Path, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Makes sure, for as long as this process lives, that no other agent works in the state folder. False when another
    still does after STANDBY."""
    lock = os.open(folder / InState.AGENT_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if is_locked(lock, STANDBY, clock, sleep):
        return True
    os.close(lock)
    return False
