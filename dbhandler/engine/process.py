"""The server's process, ended from beside it: supervisord, its parent, starts it again."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

END_TIMEOUT = 60.0
"""Seconds within which a server ends that was asked to. Without a quorum it writes nothing that a kill could lose, and
Galera 26.4 may hang for ever in its shutdown after a state transfer that has failed."""


class ServerProcess:
    """The process that the server's own pid_file names."""

    def __init__(self, pid_file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid_file, self._clock = pid_file, clock
        self._asked: tuple[int, float] | None = None

    def end(self) -> None:
        """Asks the process to end in order."""
        if pid := self._pid():
            self._asked = pid, self._clock()
            self._signal(pid, signal.SIGTERM)

    def insist(self) -> None:
        """Kills a process that was asked to end a minute ago and is still there."""
        if self._asked is None:
            return
        pid, since = self._asked
        if self._pid() != pid:
            self._asked = None
        elif self._clock() - since >= END_TIMEOUT:
            logger.warning("the server has not ended within %.0f s: it is killed", END_TIMEOUT)
            self._asked = None
            self._signal(pid, signal.SIGKILL)

    @property
    def is_ending(self) -> bool:
        return self._asked is not None

    def _pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None

    def _signal(self, pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except OSError as error:
            logger.warning("the server cannot be ended: %s", error.strerror)
