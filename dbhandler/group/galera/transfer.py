"""The programs of a state transfer: they outlive the server that has started them, and stand in the way of the next."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from dbhandler.errors import DbHandlerError

logger = logging.getLogger(__name__)

PROGRAMS = frozenset({"wsrep_sst_maria", "mariadb-backup", "mariabackup", "mbstream", "socat", "timeout"})
"""By the names that the kernel knows them by: at most 15 characters."""


TIMEOUT, PAUSE = 10.0, 0.02
"""Seconds within which a killed process is gone, unless the kernel holds it, and between two looks."""


def end_remains(
    programs: frozenset[str] = PROGRAMS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Kills what is left of a transfer; to be called while no server runs. A receiver whose sender is gone waits for
    ever, and the next one waits for that one. Raises DbHandlerError when it cannot be ended within TIMEOUT."""
    deadline, told = clock() + TIMEOUT, ""
    # A script that is killed while it starts a program leaves that one for the next round.
    while left := list(_running(programs)):
        names = ", ".join(sorted({name for _, name in left}))
        if clock() >= deadline:
            raise DbHandlerError(f"what a cut state transfer has left cannot be ended within {TIMEOUT:.0f} s: {names}")
        if names != told:
            logger.info("ending what a cut state transfer has left: %s", names)
            told = names
        for pid, _ in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sleep(PAUSE)


def _running(programs: frozenset[str]) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            _pid, _, rest = (folder / "stat").read_text(errors="replace").partition(" (")
            name, _, state = rest.rpartition(") ")
            # One that has ended and waits for its parent is there until that has looked.
            if name in programs and state[:1] not in "ZX" and folder.stat().st_uid == os.geteuid():
                yield int(folder.name), name
