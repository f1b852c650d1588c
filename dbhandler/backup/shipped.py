"""What goes from the backup's volume to the repository: the logs of all sources, and what is noted of them."""

from __future__ import annotations

import logging
from pathlib import Path

from dbhandler.backup.repository import Repository
from dbhandler.backup.restic_failure import NoRepository
from dbhandler.errors import DbHandlerError

logger = logging.getLogger(__name__)

KIND = "logs"
_LEFT = 2
"""Snapshots that stay: each has all that is there, and the last one may be damaged."""


def ship(repository: Repository, folder: Path) -> None:
    """Saves what is in the folder of all sources. Raises DbHandlerError."""
    repository.save_folder(folder, {"kind": KIND})


def thin(repository: Repository) -> None:
    """Removes what is shipped again by now. Raises DbHandlerError."""
    repository.forget(repository.snapshots(kind=KIND)[:-_LEFT])


def bring_back(repository: Repository, folder: Path) -> None:
    """Gives a new volume, where there is no such folder, what was shipped of the one before: the streams go on where
    those ended. Where that fails they begin anew, and the log says so."""
    if folder.exists():
        return
    try:
        repository.open(make=False)
        for snapshot in repository.snapshots(kind=KIND)[-1:]:
            repository.fetch(snapshot, folder)
            logger.info("the volume is a new one, and has by now what was shipped until %s", f"{snapshot.time:%F %T}")
    except NoRepository:
        return
    except DbHandlerError as error:
        logger.error("the volume is a new one, and what was shipped of the one before is missing: %s", error)
