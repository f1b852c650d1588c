"""Dumps of databases that are about to be dropped: written first, kept for some days."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from dbhandler.errors import ServerError, Unavailable
from dbhandler.log import shown
from dbhandler.spool import sync_folder

DAY = 86400.0
PATIENCE = 1.2
"""Seconds for which one query waits for a dump; a longer one goes on, and the next query finds it."""


class _Dump:
    """A dump under way: the client program, piped through gzip into a file that gets its name at the end."""

    def __init__(self, command: Sequence[str], target: Path) -> None:
        self._target, self._partial = target, target.with_suffix(".part")
        with os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            self._dump = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self._gzip = subprocess.Popen(["gzip", "-c"], stdin=self._dump.stdout, stdout=file)
        if self._dump.stdout:
            self._dump.stdout.close()

    def finish(self, timeout: float) -> bool | None:
        """True when the dump is whole and durable, False when it failed, None when it needs longer."""
        try:
            if self._gzip.wait(timeout) or self._dump.wait(timeout):
                self._partial.unlink()
                return False
        except subprocess.TimeoutExpired:
            return None
        with self._partial.open("rb") as file:
            os.fsync(file.fileno())
        self._partial.rename(self._target)
        sync_folder(str(self._target.parent))
        return True


class Trash:
    """The dumps in `folder`. command makes the dump program's command line for a database's name."""

    def __init__(
        self, folder: Path, command: Callable[[str], Sequence[str]], days: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._command, self._days, self._clock = folder, command, days, clock
        self._running: dict[str, _Dump] = {}

    def keep(self, database: str) -> None:
        """Writes a dump of a database; returns only when it is whole and durable.

        Raises Unavailable while it is still being written (ask again), ServerError when it cannot be written.
        """
        self.expire()
        dump = self._running.get(database) or self._start(database)
        done = dump.finish(PATIENCE)
        if done is None:
            raise Unavailable(f"the dump of {shown(database)} is still being written: ask again")
        del self._running[database]
        if not done:
            raise ServerError(f"the dump of {shown(database)} could not be written, so nothing is dropped")

    def expire(self) -> None:
        """Removes dumps that are older than the owner's number of days, and unfinished ones of former runs."""
        for file in self._folder.glob("*"):
            age = self._clock() - file.stat().st_mtime
            if age > self._days * DAY or (file.suffix == ".part" and age > DAY):
                file.unlink(missing_ok=True)

    def _start(self, database: str) -> _Dump:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            dump = _Dump(self._command(database), self._folder / f"{quote(database, safe='')[:150]}-{stamp}.sql.gz")
        except OSError as error:
            raise ServerError(f"the dump of {shown(database)} could not be begun: {error.strerror}") from error
        self._running[database] = dump
        return dump


def dump_command(engine: str, socket: Path, user: str) -> Callable[[str], Sequence[str]]:
    """The command line that dumps one database, whole and consistent, with the engine's own program."""
    program = {"mariadb": "mariadb-dump", "mysql": "mysqldump"}[engine]
    options = ("--single-transaction", "--routines", "--events", "--triggers", "--databases")
    return lambda database: [program, f"--socket={socket}", f"--user={user}", *options, "--", database]
