"""Is there a Serf agent beside this server? Who sees it leaves word in the run folder for those who ask."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dbhandler.inventory import InRun
from dbhandler.log import printable

PATIENCE = 30.0
"""Seconds without a Serf agent that are a restart, or a slow look: nothing to be told yet."""
MAX_WORDS = 600
"""Characters of what is kept of an agent that ended."""


class SerfPresence:
    """The two files of a run folder: when the agent answered last, and how the last one ended.

    clock says the seconds since 1970. Nothing here raises: whoever notes something has more important things to do.
    """

    def __init__(self, run_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._seen, self._end, self._clock = run_dir / InRun.SERF_SEEN, run_dir / InRun.SERF_END, clock

    def note_seen(self) -> None:
        """The agent has answered just now."""
        with suppress(OSError):
            try:
                os.utime(self._seen)
            except FileNotFoundError:
                self._seen.touch(mode=0o600)

    def note_end(self, sentence: str) -> None:
        """An agent has ended, in a way that the sentence tells."""
        with suppress(OSError):
            self._end.write_text(printable(sentence, MAX_WORDS))

    @property
    def end(self) -> str:
        """How the last agent that ended did; empty where none has."""
        try:
            return printable(self._end.read_text(errors="replace"), MAX_WORDS)
        except OSError:
            return ""

    def trouble(self, since: Path) -> str | None:
        """A sentence when no agent has answered for longer than PATIENCE, None while all is well. The file `since` is
        as old as the wait for the first answer."""
        away = self._clock() - max(_changed(self._seen), _changed(since))
        if away <= PATIENCE:
            return None
        return f"no Serf agent has answered for {away:.0f} s" + (f": {self.end}" if self.end else "")


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
