"""Bases: consistent dumps of a whole server, in the repository, each at a position that it tells itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dbhandler.backup.repository import Repository
from dbhandler.backup.snapshot import Snapshot
from dbhandler.backup.source import Source
from dbhandler.backup.tool import DUMPING, EVERYTHING
from dbhandler.distant import dump_note
from dbhandler.distant.access import Access
from dbhandler.distant.dump_note import DumpNote, position_in
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown

logger = logging.getLogger(__name__)

KIND = "base"
FILE = "dump.sql"
_DUMP = {
    "mariadb": ("mariadb-dump", "--master-data=2", "--gtid"),
    "mysql": ("mysqldump", "--set-gtid-purged=COMMENTED", "--no-tablespaces"),
}


@dataclass(frozen=True)
class Base:
    """One base: the snapshot that holds it, the moment (UTC seconds) it was begun at, what is in it
    already, and what could not be read then."""

    snapshot: Snapshot
    time: float
    position: Position
    missing: Sequence[str] = ()


class Bases:
    """The bases of one source; folder is the source's, which remembers what each dump says of itself."""

    def __init__(self, repository: Repository, source: Source, folder: Path) -> None:
        self.source = source
        self._repository, self._folder = repository, folder / "bases"
        self._useless: set[str] = set()

    def take(self, access: Access, clock: Callable[[], float] = time.time) -> Base:
        """Takes one from whichever node gives it. Raises DbHandlerError, and leaves no snapshot then."""
        complaint: Exception = Unavailable("no server of it is ready")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for node in self.source.nodes:
            try:
                reached, began = access.option_file(node, self.source.engine), clock()
            except (DbHandlerError, OSError) as error:
                complaint = error
                continue
            return self._saved(dump_command(self.source.engine, reached), began)
        raise complaint

    def _saved(self, dump: Sequence[str], began: float) -> Base:
        note = self._folder / "note"
        command = ["dbhandler-backup-dump", str(note), self.source.engine, *dump]
        tags = {"kind": KIND, "source": self.source.id, "time": f"{began:.3f}"}
        snapshot = self._repository.save_output(command, FILE, tags)
        note.replace(self._noted(snapshot))
        return self._read(snapshot)

    def list(self) -> list[Base]:
        """All of them, oldest first, but for those that cannot be read for good. Raises DbHandlerError."""
        found = self._repository.snapshots(kind=KIND, source=self.source.id)
        return [base for snapshot in found if (base := self._readable(snapshot))]

    def _readable(self, snapshot: Snapshot) -> Base | None:
        if snapshot.id in self._useless:
            return None
        try:
            return self._read(snapshot)
        except Unavailable:
            raise
        except DbHandlerError as error:
            logger.warning("a base of %s is none: %s", shown(self.source.name), error)
            self._useless.add(snapshot.id)
            return None

    def forget(self, base: Base) -> None:
        """Removes one that is worth nothing. Raises DbHandlerError."""
        self._repository.forget([base.snapshot])

    def _read(self, snapshot: Snapshot) -> Base:
        with suppress(FileNotFoundError, ValueError):
            return _base(snapshot, dump_note.read(self._noted(snapshot), self.source.engine))
        # Of another volume's, or damaged: what was left out nobody knows any more.
        with self._repository.dump(snapshot, FILE) as dump:
            note = DumpNote(position_in(dump.read, self.source.engine))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write(self._noted(snapshot))
        return _base(snapshot, note)

    def _noted(self, snapshot: Snapshot) -> Path:
        return self._folder / f"{snapshot.id}.json"

    def forget_all_but(self, kept: Sequence[Base]) -> None:
        """Forgets what was noted of bases that are gone."""
        names = {f"{base.snapshot.id}.json" for base in kept}
        for noted in self._folder.glob("*.json"):
            if noted.name not in names:
                noted.unlink()


def _base(snapshot: Snapshot, note: DumpNote) -> Base:
    return Base(snapshot, _time(snapshot), note.position, note.missing)


def _time(snapshot: Snapshot) -> float:
    return float(snapshot.tags.get("time", "0"))


def dump_command(engine: str, option_file: Path) -> list[str]:
    """The command that prints a base of the server that the option file names."""
    tool, *options = _DUMP[engine]
    return [tool, f"--defaults-file={option_file}", *options, *DUMPING, *EVERYTHING, "--quick", "--skip-lock-tables"]
