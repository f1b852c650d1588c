"""Fills the empty servers that wait for a backup (DBHANDLER_RESTORE), one after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source, chosen, remembered
from dbhandler.backup.whole import Wish, fulfil
from dbhandler.backup.whole import told as told_wish
from dbhandler.distant.access import Access
from dbhandler.errors import DbHandlerError
from dbhandler.log import shown, told
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

WISHED = 10.0
"""Seconds until a server that waits still, though it was filled, is filled again."""
AGAIN = 2.0
"""The same for one that could not be filled, as when its certificate is not the pool's yet."""


class Filler:
    """Fills as `access`, which every waiting server has let in. folder holds those of all sources, backup_in makes of
    one of them, and what it is the folder of, all there is of it."""

    def __init__(
        self,
        backup_in: Callable[[Path, Source], Backup],
        folder: Path,
        access: Access,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._backup_in, self._folder, self._access, self._clock = backup_in, folder, access, clock
        self._next: dict[Wish, float] = {}
        self._unfulfilled = Complaint(logger.error)

    def look(self, wishes: Sequence[Wish], alive: Collection[str]) -> None:
        """Fills whoever waits, and has not just been tried; alive are the ids of the sources that serve."""
        for wish in wishes:
            if not 0.0 < self._next.get(wish, 0.0) - self._clock() <= WISHED:
                pause = WISHED if self._fills(wish, alive) else AGAIN
                self._next[wish] = self._clock() + pause

    def _fills(self, wish: Wish, alive: Collection[str]) -> bool:
        began = self._clock()
        try:
            backup = self._backup_of(wish.source, alive)
            logger.info("filling %s", told_wish(wish))
            for what in fulfil(wish, backup, self._access):
                logger.warning("%s goes without: %s", told_wish(wish), what)
            logger.info("filled %s: %.1f s", told_wish(wish), self._clock() - began)
        except (DbHandlerError, OSError) as error:
            self._unfulfilled.say(f"not filled is {told_wish(wish)}: {told(error)}")
            return False
        return True

    def _backup_of(self, name: str, alive: Collection[str]) -> Backup:
        folders = {remembered(folder): folder for folder in sorted(self._folder.glob("*/"))}
        source = chosen(folders, name)
        if source.id in alive:
            # It would be one server twice: applications know it by its key.
            raise DbHandlerError(f"{shown(name)} lives: stop it first, or restore databases of it")
        return self._backup_in(folders[source], source)
