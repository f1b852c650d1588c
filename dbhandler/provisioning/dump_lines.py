"""The lines of a dump while an engine's program writes it, for whoever loads them elsewhere at once."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dbhandler.errors import ServerError
from dbhandler.log import shown

STALLED = 60.0
"""Seconds without a line more, after which a dump waits for a lock and is given up."""


@contextmanager
def dump_lines(
    command: Sequence[str], database: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[Iterator[bytes]]:
    """The lines that the command writes, which dumps that database. Raises ServerError at the end of the block, with
    the program's complaint, where it has failed; the program is ended with the block."""
    dump = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert dump.stdout is not None and dump.stderr is not None  # noqa: S101
    watch = _Watch(dump, clock)
    try:
        with dump.stdout, dump.stderr:
            yield watch.lines(dump.stdout)
            complaint = " ".join(dump.stderr.read(1000).decode(errors="replace").split())
        if dump.wait():
            reason = watch.reason or shown(complaint, 300)
            raise ServerError(f"the database {shown(database)} was not copied: {reason}")
    finally:
        dump.kill()
        dump.wait()
        watch.stop()


class _Watch:
    """Ends a dump that stands still: it waits for a lock, and nobody for it."""

    def __init__(self, dump: subprocess.Popen[bytes], clock: Callable[[], float]) -> None:
        self._dump, self._clock, self._last, self.reason = dump, clock, clock(), ""
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def lines(self, output: Iterator[bytes]) -> Iterator[bytes]:
        """The lines of the dump."""
        for line in output:
            # Whoever takes it may take his time.
            self._last = math.inf
            yield line
            self._last = self._clock()

    def stop(self) -> None:
        """The dump has ended."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            if self._clock() - self._last > STALLED:
                self.reason = f"its dump stood still for {STALLED:.0f} s: somebody holds a lock"
                self._dump.kill()
                return
