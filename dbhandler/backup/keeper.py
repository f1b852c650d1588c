"""Keeps the backups of a pool: a stream of every source, and one job after another in the repository."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from dbhandler.backup import shipped
from dbhandler.backup.base import KIND, Base
from dbhandler.backup.filling import Filler
from dbhandler.backup.followed import AGAIN, NEVER, Followed
from dbhandler.backup.proof import prove
from dbhandler.backup.record import Record
from dbhandler.backup.repository import Repository
from dbhandler.backup.restoring import Backup
from dbhandler.backup.retention import DEFAULT, Retention
from dbhandler.backup.source import Source, remember
from dbhandler.backup.stream import Stream
from dbhandler.backup.tool import Unloadable
from dbhandler.backup.whole import Wish
from dbhandler.distant.access import Access
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown, told
from dbhandler.serf.kept import Complaint
from dbhandler.settings.backup import SCRATCH, SOURCES, BackupSettings

logger = logging.getLogger(__name__)

LOOKED = 10.0
"""Seconds until it is looked again whether a base of a source is due."""
LISTED = 300.0
"""Seconds until its bases are listed again: each time that is a run of restic."""
MOST_TOLD = 20
"""Differences that are told, of all there are."""
PROVEN_FOR = 24 * 3600.0
"""Seconds after which a base is proved again."""
THINNED = 3600.0
"""Seconds between two looks at what is shipped twice by now: each time all is shipped that there is."""


class Keeper:
    """Backs up what `look` is told of, until `stop` is set. access reads every server, restorer fills what waits;
    former: the hosts that had this volume before."""

    def __init__(
        self,
        settings: BackupSettings,
        access: Access,
        restorer: Access,
        repository: Repository,
        stop: threading.Event,
        former: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._access, self._repository = settings, access, repository
        self._stop, self._former, self._clock = stop, former, clock
        self._folder = settings.folder / SOURCES
        self._filler = Filler(self._backup_in, self._folder, restorer, clock)
        self._kept = Retention(settings.keep or DEFAULT)
        self._followed: dict[str, Followed] = {}
        self._wishes: Sequence[Wish] = ()
        self._alive: set[str] = set()
        self._shipped = self._thinned = 0.0
        self._opened = self._clean = False
        self._say = Complaint(partial(logger.warning, "the repository: %s"))

    def close(self) -> None:
        """Ends what is done in the repository, and waits until all that has come is on the disk, once `stop` is set."""
        self._repository.end()
        for followed in list(self._followed.values()):
            followed.thread.join(2.0)

    def look(self, sources: Sequence[Source], wishes: Sequence[Wish] = ()) -> None:
        """Follows what is new, and knows where the others are by now; of those that are away the backups stay. wishes
        are the empty servers that wait to be filled."""
        self._wishes = wishes
        self._alive = {source.id for source in sources if source.nodes}
        for source in sources:
            if source.nodes and source.id not in self._followed:
                self._followed[source.id] = self._follow(source)
        present = {source.id: source for source in sources}
        for followed in list(self._followed.values()):
            # Where one was another may be by now.
            followed.be(present.get(followed.source.id) or replace(followed.source, nodes=()))

    def followed(self, id: str) -> Followed | None:
        """What is backed up now by this id."""
        return self._followed.get(id)

    def _follow(self, source: Source) -> Followed:
        folder = self._folder / source.id
        remember(folder, source)
        backup = self._backup_in(folder, source)
        stream = Stream(source, backup.logs, self._access, self._clock)
        thread = threading.Thread(target=stream.run, args=(self._stop,), name=source.name, daemon=True)
        thread.start()
        return Followed(source, backup, stream, Record(folder), thread)

    def _backup_in(self, folder: Path, source: Source) -> Backup:
        return Backup(source, folder, self._repository, self._settings.folder / SCRATCH)

    def work(self) -> None:
        """One job after another, until the end. A repository that is away costs nothing but time."""
        while not self._stop.wait(1.0):
            try:
                self._work()
                self._tell(None)
            except (DbHandlerError, OSError) as error:
                if self._stop.is_set():
                    return
                self._tell(told(error))
                self._clean = False
                self._stop.wait(5.0)

    def _tell(self, why: str | None) -> None:
        """Why nothing comes into the repository now, for the log and for whoever asks; None where it does."""
        self._say.say(why or "")
        for followed in list(self._followed.values()):
            with suppress(OSError):
                followed.record.note(repository=why)

    def _work(self) -> None:
        if not self._opened:
            self._repository.open()
            self._opened = True
        if not self._clean:
            # What those have left behind who were killed, or whose repository went away.
            self._repository.unlock(self._former)
            self._clean = True
        self._filler.look(self._wishes, self._alive)
        for followed in self._remaining():
            self._look_after(followed)
            if abs(self._clock() - self._shipped) >= self._settings.ship:
                self._ship()

    def _remaining(self) -> list[Followed]:
        """What is followed, without what somebody has had forgotten."""
        for id in [id for id in list(self._followed) if not (self._folder / id).exists()]:
            self._followed.pop(id, None)
        return list(self._followed.values())

    def _look_after(self, followed: Followed) -> None:
        followed.record.note(stream=followed.stream.complaint, away=followed.stream.away)
        # From what a base is while nothing flows, nobody could go on.
        if self._clock() < followed.next_try or not followed.source.nodes or followed.stream.complaint is not None:
            return
        try:
            self._back_up(followed)
            followed.next_try, followed.pause = self._clock() + LOOKED, AGAIN
        except (DbHandlerError, OSError) as error:
            if self._stop.is_set():
                # It was ended, which is no failure.
                return
            followed.next_try, followed.pause = self._clock() + followed.pause, min(3600.0, followed.pause * 2)
            followed.listed = NEVER
            followed.record.note(base=told(error))
            self._clean = False
            logger.warning("no proven base of %s: %s", shown(followed.source.name), told(error))

    def _back_up(self, followed: Followed) -> None:
        bases = self._bases(followed)
        if self._is_due(followed, bases):
            bases.append(self._take(followed))
        followed.record.note(bases=[[base.time, str(base.position)] for base in bases])
        if not followed.record.is_proven(bases[-1].snapshot.id, self._clock() - PROVEN_FOR):
            self._prove(followed, bases[-1])
            self._tidy(followed)
        followed.record.note(base=None)

    def _bases(self, followed: Followed) -> list[Base]:
        if abs(self._clock() - followed.listed) >= LISTED:
            followed.bases, followed.listed = followed.backup.bases.list(), self._clock()
        return followed.bases

    def _is_due(self, followed: Followed, bases: Sequence[Base]) -> bool:
        """Is there none that the stream of now goes on from, or is the last one too old? At what time of the day it is
        taken is different for each source."""
        goes_on_from = followed.backup.logs.goes_on_from
        last = next((base for base in reversed(bases) if goes_on_from(base.position, base.time)), None)
        if last is None:
            return True
        every = self._settings.every
        offset = zlib.crc32(followed.source.id.encode()) % every
        return (self._clock() + offset) // every > (last.time + offset) // every

    def _take(self, followed: Followed) -> Base:
        began = self._clock()
        base = followed.backup.bases.take(self._access, self._clock)
        logger.info("a base of %s, %.1f s", shown(followed.source.name), self._clock() - began)
        for what in base.missing:
            logger.warning("not in the backup of %s: %s", shown(followed.source.name), what)
        followed.record.note(left_out=list(base.missing))
        self._ship()
        return base

    def _prove(self, followed: Followed, base: Base) -> None:
        """Compares a base with the server. One that differs is told, and stays: nobody knows yet why."""
        began = self._clock()
        try:
            proven = prove(followed.backup, base, self._access)
        except Unloadable:
            # What it was taken of was changed meanwhile: the next one is better.
            followed.backup.bases.forget(base)
            raise
        wrong, took = list(proven.differences)[:MOST_TOLD], self._clock() - began
        followed.record.note(wrong=wrong, took=took)
        if wrong:
            raise DbHandlerError(f"what it restores is not as the server: {'; '.join(wrong)}")
        if followed.stream.complaint is not None or not followed.backup.logs.goes_on_from(base.position, base.time):
            raise Unavailable("what came from the server was interrupted meanwhile")
        followed.record.note(proven=began, base_proven=base.snapshot.id)
        logger.info("the backup of %s is proven: %d tables", shown(followed.source.name), proven.tables)

    def _ship(self) -> None:
        now = self._clock()
        shipped.ship(self._repository, self._folder)
        self._shipped = now
        for followed in list(self._followed.values()):
            followed.record.note(shipped=now)
        if abs(now - self._thinned) >= THINNED:
            shipped.thin(self._repository)
            self._thinned = now

    def _tidy(self, followed: Followed) -> None:
        """Forgets bases that are not to be kept, and the logs that none of those left needs."""
        removed = self._repository.keep(self._kept.options, kind=KIND, source=followed.source.id)
        followed.listed = NEVER
        bases = self._bases(followed)
        followed.backup.bases.forget_all_but(bases)
        if bases:
            followed.backup.logs.expire(bases[0].position, bases[0].time)
        if removed:
            self._repository.prune()
