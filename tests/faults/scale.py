"""How much of each fault: DBHANDLER_FAULTS=short for every change, =full for the numbers of the issue."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The numbers of one run; seconds where nothing else is said. adapts: to how fast this machine runs handlers."""

    kills: int
    burst: int
    own: int
    paced: int
    disk_full: float
    cut_off: float
    spool: int
    lock: float
    flood: int
    adapts: bool


SCALES = {
    "short": Scale(
        kills=5, burst=200, own=200, paced=200, disk_full=3, cut_off=15, spool=2_000, lock=6, flood=400, adapts=True
    ),
    "full": Scale(
        kills=50,
        burst=500,
        own=1_000,
        paced=2_000,
        disk_full=10,
        cut_off=60,
        spool=10_000,
        lock=30,
        flood=2_000,
        adapts=False,
    ),
}

NAME = os.environ.get("DBHANDLER_FAULTS", "short")
SCALE = SCALES[NAME]
