"""The program restic, 0.17 and later: what it is started with, and how long it may take."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dbhandler.backup.passing import passes, passwords_in, place, secrets_of
from dbhandler.backup.restic_failure import Said
from dbhandler.errors import DbHandlerError
from dbhandler.log import told

QUICK = 180.0
"""Seconds for what reads little. restic itself tries a place that does not answer for 15 minutes."""
GRACE = 10.0
"""Seconds for restic to remove its lock when it is asked to end."""
# Its lock is to go with it, even when we are killed: TERM. Backups are never urgent. What it says beside what is asked
# of it, as that it waits for a lock, would stand in the middle of a dump: quiet.
_START = ("setpriv", "--pdeathsig", "TERM", "nice", "-n", "10", "restic", "--quiet", "--retry-lock=1m")
# Two cores and half the memory are for the databases; the time zone is that of --time.
_FRUGAL = {"GOMAXPROCS": "1", "GOGC": "20", "TZ": "UTC"}

_COMMON = frozenset({"HOME", "PATH", "TMPDIR", "TZ"})
_CHUNK = 65_536


class Restic:
    """Runs restic for one repository. environ is the process's, of which what `passes` is handed on."""

    def __init__(self, location: str, cache: Path, environ: Mapping[str, str]) -> None:
        self.place = place(location)
        own = {"RESTIC_REPOSITORY": location, "RESTIC_CACHE_DIR": str(cache)}
        self._environ = _FRUGAL | {name: value for name, value in environ.items() if passes(name)} | own
        self._secrets = passwords_in(location) | secrets_of(self._environ)
        self._running: set[_Child] = set()

    def end(self) -> None:
        """Asks whatever runs now to end: killed with this process it would leave its locks behind."""
        for child in tuple(self._running):
            child.ask_to_end()

    @property
    def secret_names(self) -> list[str]:
        """The variables that a command started by restic does not need to know."""
        return sorted({"RESTIC_PASSWORD"} | {name for name in self._environ if name not in _COMMON})

    def run(
        self,
        *arguments: str,
        password: str,
        patience: float = QUICK,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> bytes:
        """What restic prints. patience: seconds until it is ended; extra: more variables; folder: where it runs.

        Raises the errors of restic_failure.py, Unavailable where trying again later is right, else DbHandlerError.
        """
        with self._started(arguments, password, extra or {}, folder) as child:
            try:
                output, _ = child.process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                child.end()
                raise child.said.late(patience) from None
            if child.process.returncode:
                raise child.said.error(child.process.returncode, output)
        return output

    @contextmanager
    def reading(self, *arguments: str, password: str, patience: float) -> Iterator[IO[bytes]]:
        """What restic prints, as it comes. Who leaves before the end ends it; else the end of the block raises as run
        does, also where what was read so far has made its reader fail."""
        with self._started(arguments, password, {}, None) as child, child.limited(patience) as late:
            try:
                with child.output() as output:
                    yield output
            except Exception as error:
                if failure := child.failure(late, patience):
                    raise failure from error
                raise
            if failure := child.failure(late, patience):
                raise failure

    @contextmanager
    def _started(
        self, arguments: Sequence[str], password: str, extra: Mapping[str, str], folder: Path | None
    ) -> Iterator[_Child]:
        environ = {**extra, **self._environ, "RESTIC_PASSWORD": password}
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    (*_START, *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    env=environ,
                    cwd=folder,
                    start_new_session=True,
                )
            except OSError as error:
                raise DbHandlerError(f"restic cannot be started: {told(error)}") from error
            child = _Child(process, said, arguments[0], self.place, self._secrets | {password} | secrets_of(extra))
            self._running.add(child)
            try:
                yield child
            finally:
                child.end()
                self._running.discard(child)


class _Child:
    """One restic that runs, and what it says on its standard error."""

    def __init__(
        self, process: subprocess.Popen[bytes], said: IO[bytes], what: str, place: str, secrets: Iterable[str]
    ) -> None:
        assert process.stdout  # noqa: S101 (it was started with a pipe)
        self.process, self._pipe = process, process.stdout
        self.said = Said(said, what, place, secrets)

    def output(self) -> IO[bytes]:
        """What it prints. Whoever closes this does not close ours, by which is seen whether all was read."""
        return os.fdopen(os.dup(self._pipe.fileno()), "rb")

    def ask_to_end(self) -> None:
        """Does not wait until it has."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Ends it, and whatever it has started, that still runs."""
        self.ask_to_end()
        # What it still writes is read: a broken pipe would end it at once, and leave its lock behind.
        with suppress(subprocess.TimeoutExpired):
            self._drain(time.monotonic() + GRACE)
            self.process.wait(GRACE)
        self._pipe.close()
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _drain(self, until: float) -> None:
        while not self._pipe.closed and select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            if not os.read(self._pipe.fileno(), _CHUNK):
                return

    def _signal(self, number: signal.Signals) -> None:
        # The group: a command that restic has started would go on without it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    @contextmanager
    def limited(self, patience: float) -> Iterator[threading.Event]:
        """Ends it after so many seconds; the event tells that this has happened."""
        late, over = threading.Event(), threading.Event()

        def watch() -> None:
            if over.wait(patience):
                return
            late.set()
            self._signal(signal.SIGTERM)
            if not over.wait(GRACE):
                self._signal(signal.SIGKILL)

        watcher = threading.Thread(target=watch, name="restic deadline", daemon=True)
        watcher.start()
        try:
            yield late
        finally:
            over.set()
            watcher.join()

    def failure(self, late: threading.Event, patience: float) -> DbHandlerError | None:
        """Why what was read is not the whole, None where it is, or where its reader did not want the whole."""
        if late.is_set():
            return self.said.late(patience)
        if not self._is_read():
            return None
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return self.said.late(GRACE)
        return self.said.error(status, b"") if status else None

    def _is_read(self) -> bool:
        """Has its output been read to the end?"""
        return bool(select.select([self._pipe], [], [], 0)[0]) and not os.read(self._pipe.fileno(), 1)
