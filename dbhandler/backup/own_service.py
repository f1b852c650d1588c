"""What the backup's container does for applications that want their own databases as they were: its parts, together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dbhandler.backup.own import OwnRestore
from dbhandler.backup.own_jobs import OwnJobs
from dbhandler.backup.own_record import OwnRecord
from dbhandler.backup.repository import Repository
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source
from dbhandler.distant.access import Access
from dbhandler.requests.box import Keys
from dbhandler.requests.restore_box import Boxes
from dbhandler.settings.backup import SCRATCH, SOURCES, BackupSettings

KEY = "key"
"""The file of the backup's key pair on its volume."""
FOLDER, RECORD = "own", "done.json"


class OwnService:
    """Restores for applications. access reads every server; nobody else uses this repository object, so that what is
    done with it can be ended."""

    def __init__(self, settings: BackupSettings, access: Access, repository: Repository) -> None:
        self.keys, self._repository = Keys(settings.folder / KEY), repository
        self._scratch, folder = settings.folder / SCRATCH, settings.folder / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = OwnRecord(folder / RECORD)
        self._restore = OwnRestore(access, self._backup_in, settings.folder / SOURCES, folder, record)
        self._jobs = OwnJobs(Boxes(self.keys), self._restore, self.keys.private)
        self.answer = self._jobs.answer

    @property
    def threads(self) -> Mapping[str, Callable[[threading.Event], None]]:
        """What has a thread of its own, by its name."""
        return {"own-prove": self._jobs.prove, "own-restore": self._jobs.work}

    def look(self, sources: Sequence[Source]) -> None:
        """Knows what serves now."""
        self._restore.sources = sources

    def close(self) -> None:
        """Ends what is done in the repository."""
        self._repository.end()

    def _backup_in(self, folder: Path, source: Source) -> Backup:
        self._repository.open(make=False)
        return Backup(source, folder, self._repository, self._scratch)
