"""Dumps of databases that are about to be dropped: written first, kept for some days.

Only files that are named as ours are ever looked at or removed.
"""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dbhandler.errors import ServerError
from dbhandler.log import shown
from dbhandler.provisioning.dump import Header, write_dump
from dbhandler.spool import sync_folder

DAY = 86400.0
ABANDONED = 600.0
"""Seconds without a byte more after which nobody writes a dump any more: its program is given up much earlier."""
_NAME = re.compile(r"(?P<database>.+)-\d{8}T\d{6}Z(?:-[0-9a-f]{16})?\.sql\.(?P<kind>gz|part)")
_LONGEST = 150
"""Characters of a database's name in a file's; the whole name stands in the dump."""


@dataclass(frozen=True)
class Kept:
    """A dump in the trash: its file, its size in bytes, and when it was written (seconds since 1970)."""

    path: Path
    size: int
    written: float


class Trash:
    """The dumps in `folder`, kept for so many days; 0 keeps one only until its drop is done.

    command makes the dump program's command line for a database's name.
    """

    def __init__(
        self, folder: Path, command: Callable[[str], Sequence[str]], days: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self._command, self.days, self._clock = folder, command, days, clock

    def keep(self, header: Header, attempt: str) -> str:
        """Writes a dump for one drop; returns the name of its file, which is whole and durable then.

        attempt is the drop's own hexadecimal number: two within a second do not share a file. Raises ServerError.
        """
        what = f"the dump of {shown(header.database)}"
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        name = f"{_quoted(header.database)}-{stamp}-{attempt}.sql"
        partial, whole = self.folder / f"{name}.part", self.folder / f"{name}.gz"
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            write_dump(self._command(header.database), header, partial)
            partial.rename(whole)
            sync_folder(str(self.folder))
        except OSError as error:
            self.remove(partial.name)
            raise ServerError(f"{what} cannot be written, so nothing is dropped: {error.strerror}") from error
        except ServerError as error:
            self.remove(partial.name)
            raise ServerError(f"{what} failed, so nothing is dropped: {error}") from error
        return whole.name

    def remove(self, name: str) -> None:
        """Removes a dump; one that is not there is fine."""
        with suppress(OSError):
            (self.folder / name).unlink()

    def remove_all(self, attempt: str) -> None:
        """Removes whatever was written for one drop."""
        for kept in self._files("gz") + self._files("part"):
            if f"-{attempt}." in kept.path.name:
                self.remove(kept.path.name)

    def holds(self, name: str) -> bool:
        """Is that dump there, whole?"""
        return any(kept.path.name == name for kept in self.dumps())

    def dumps(self, database: str | None = None) -> list[Kept]:
        """The whole dumps, newest first, of one database or of all."""
        found = [kept for kept in self._files("gz") if database is None or _is_of(kept.path.name, database)]
        return sorted(found, key=lambda kept: (kept.written, kept.path.name), reverse=True)

    def expire(self, in_use: Collection[str] = ()) -> list[str]:
        """Removes dumps that are older than the owner's number of days, but for those of drops that are not done, and
        unfinished ones that nobody writes any more. Returns the names of the former."""
        old = [kept.path.name for kept in self._files("gz") if self.expires(kept) < self._clock()]
        expired = [name for name in old if name not in in_use]
        for name in expired:
            self.remove(name)
        for unfinished in self._files("part"):
            if unfinished.written + ABANDONED < self._clock():
                self.remove(unfinished.path.name)
        return [name for name in expired if not (self.folder / name).exists()]

    def expires(self, kept: Kept) -> float:
        """When a dump is removed, in seconds since 1970."""
        return kept.written + self.days * DAY

    def _files(self, kind: str) -> list[Kept]:
        found = []
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in self.folder.iterdir():
                match = _NAME.fullmatch(path.name)
                if match and match["kind"] == kind and stat.S_ISREG((status := path.lstat()).st_mode):
                    found.append(Kept(path, status.st_size, status.st_mtime))
        return found


def _quoted(database: str) -> str:
    return quote(database, safe="")[:_LONGEST]


def _is_of(name: str, database: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and match["database"] == _quoted(database)
