"""From the repository to a private server: the base, and the log up to a moment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbhandler.backup.base import FILE, Base, Bases
from dbhandler.backup.history import Moment, Unrecoverable
from dbhandler.backup.logs import Logs
from dbhandler.backup.replica import Replica, replica
from dbhandler.backup.repository import Repository
from dbhandler.backup.source import Source
from dbhandler.log import shown


def logs_of(source: Source, folder: Path) -> Logs:
    """The logs in a source's folder."""
    return Logs(folder / "logs", source.engine)


class Backup:
    """All there is of one source: what it is, its bases and its logs; scratch is a folder for private servers."""

    def __init__(self, source: Source, folder: Path, repository: Repository, scratch: Path) -> None:
        self.source, self.logs = source, logs_of(source, folder)
        self.bases = Bases(repository, source, folder)
        self._repository, self._scratch = repository, scratch

    @contextmanager
    def at(self, moment: Moment, base: Base | None = None) -> Iterator[Replica]:
        """A private server as the source was at that moment, made of this base, or of the newest one that is not after
        it. Raises Unrecoverable for a moment that is in no backup, DbHandlerError."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="restore-", dir=self._scratch))
        try:
            chosen, files = self._chosen(moment, folder, [base] if base else self.bases.list())
            with replica(self.source.engine, folder) as copy:
                with self._repository.dump(chosen.snapshot, FILE) as dump:
                    copy.load(dump)
                copy.replay(files, str(chosen.position))
                yield copy
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _chosen(self, moment: Moment, folder: Path, bases: list[Base]) -> tuple[Base, list[Path]]:
        refused = Unrecoverable(f"there is no base of {shown(self.source.name)} yet")
        for base in reversed(bases):
            try:
                return base, self.logs.cut(base.position, moment, folder / "logs", base.time)
            except Unrecoverable as error:
                refused = error
        raise refused
