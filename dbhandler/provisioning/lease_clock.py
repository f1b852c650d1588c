"""The clock that leases end by: it never goes back, whatever is done to the machine's.

It follows the machine's time, is not set back with it, and goes on by the time since the machine was started. What it
showed last is kept in a file, so that a clock that was set back while nobody looked gives no lease a second life. One
that is set forward ends leases early, and those that are given later have their full time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from dbhandler import files

KEEP_INTERVAL = 30_000
"""Milliseconds between two times that the file keeps."""


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseClock:
    """For several threads. wall gives seconds since 1970, steady seconds that only grow; raises OSError where the file
    cannot be read."""

    def __init__(
        self, path: Path, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _since_boot
    ) -> None:
        self._path, self._wall, self._steady = path, wall, steady
        self._lock = threading.Lock()
        self._kept = _read(path)
        # What passed between the last entry and now, nobody can tell where the machine's clock does not.
        self._anchor, self._anchored = max(self._kept, self._machine()), steady()

    def now(self) -> int:
        """Milliseconds since 1970, as far as the machine has ever said; never fewer than before."""
        with self._lock:
            passed = int((self._steady() - self._anchored) * 1000)
            now = max(self._anchor + passed, self._machine())
            if now > self._anchor + passed:
                self._anchor, self._anchored = now, self._steady()
            return now

    def keep(self) -> None:
        """Keeps what it shows, now and then. Raises OSError."""
        now = self.now()
        if now - self._kept >= KEEP_INTERVAL:
            files.write_private(self._path, f"{now}\n")
            self._kept = now

    def _machine(self) -> int:
        return int(self._wall() * 1000)


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0
