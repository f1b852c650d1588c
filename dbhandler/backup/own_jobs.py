"""Restores that applications have asked for: accepted, proven, and carried out one after another.

Whoever asks gets an answer at once, and asks again. What is not proven waits in a queue of its own, so that however
many ask, they take nobody's place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dbhandler.backup.history import Unrecoverable
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, Unavailable
from dbhandler.log import shown, told
from dbhandler.requests.answer import encode, unavailable
from dbhandler.requests.restore_box import Boxes, Wanted
from dbhandler.requests.vocabulary import Status

T = TypeVar("T")
logger = logging.getLogger(__name__)

MOST_ASKED = 32
"""Restores that nobody has looked at yet."""
MOST_WAITING = 16
"""Restores that are proven, and wait or are carried out."""
MOST_KNOWN = 1000
KEPT = 60.0
"""Seconds for which the end of a restore is told; who asks later asks anew."""
MOST_TOLD = 5
"""Things that could not be brought that an answer names."""
PAUSE = 0.2
"""Seconds until a queue is looked at again that was empty."""
_LOG = "the backup's log says why"


class Restores(Protocol):
    """What a restore is (OwnRestore)."""

    def check(self, id: str, wanted: Wanted) -> bool: ...
    def carry_out(self, id: str, wanted: Wanted) -> list[str]: ...


@dataclass
class Job:
    """One restore; at its end status is what became of it, and ended when (seconds)."""

    id: str
    wanted: Wanted
    status: Status = Status.WORKING
    reason: str | None = None
    ended: float | None = None

    @property
    def database(self) -> tuple[str, str]:
        """Whose turn it takes: no application has more than one."""
        return self.wanted.source, self.wanted.database


class OwnJobs:
    """The restores that are asked for with boxes that `boxes` opens; key is what their ids are made with. prove and
    work are for a thread each."""

    def __init__(
        self, boxes: Boxes, restores: Restores, key: bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._boxes, self._restores, self._key, self._clock = boxes, restores, key, clock
        self._lock = threading.RLock()
        self._known: dict[str, Job] = {}
        self._asked: list[Job] = []
        self._waiting: list[Job] = []

    def answer(self, payload: bytes) -> bytes:
        """The one-line answer to a query. Raises Denied or InvalidRequest, whose text is the answer."""
        try:
            wanted = self._boxes.wanted(payload)
            with self._lock:
                job = self._job(wanted)
                return encode({"status": job.status, "reason": job.reason or self._place(job)})
        except Unavailable as error:
            return unavailable(str(error))

    def prove(self, stop: threading.Event) -> None:
        """Looks at what is asked, until `stop` is set."""
        while not stop.is_set():
            if not self.prove_one():
                stop.wait(PAUSE)

    def work(self, stop: threading.Event) -> None:
        """Carries out what is proven, until `stop` is set."""
        while not stop.is_set():
            if not self.work_one():
                stop.wait(PAUSE)

    def prove_one(self) -> bool:
        """Looks at the first that is asked; False where there is none."""
        if (job := self._first(self._asked)) is None:
            return False
        done = self._tried(job, self._is_done)
        with self._lock:
            self._asked.remove(job)
            if done:
                self._end(job, Status.RESTORED)
            elif job.ended is None:
                self._wait(job)
        return True

    def work_one(self) -> bool:
        """Carries out the first that waits; False where there is none."""
        if (job := self._first(self._waiting)) is None:
            return False
        missing = self._tried(job, self._carried_out)
        with self._lock:
            self._waiting.remove(job)
            if missing is not None:
                self._end(job, Status.RESTORED, _told_missing(missing))
        return True

    def _job(self, wanted: Wanted) -> Job:
        """The job for a wish, a new one where there is none yet. Raises Unavailable where there is no room."""
        self._forget()
        id = wanted.id(self._key)
        if (job := self._known.get(id)) is None:
            if len(self._asked) >= MOST_ASKED:
                raise Unavailable(f"{MOST_ASKED} restores have been asked for just now: ask again")
            job = self._known[id] = Job(id, wanted)
            self._asked.append(job)
        elif job.status == Status.UNAVAILABLE:
            # Whoever asks once more asks anew.
            del self._known[id]
        return job

    def _forget(self) -> None:
        ended = [job for job in self._known.values() if job.ended is not None]
        surplus = len(ended) - MOST_KNOWN
        for number, job in enumerate(ended):
            if number < surplus or self._clock() - (job.ended or 0.0) > KEPT:
                del self._known[job.id]

    def _place(self, job: Job) -> str | None:
        if job.ended is not None:
            return None
        if job not in self._waiting:
            return "it waits to be looked at"
        before = self._waiting.index(job)
        return f"it waits for {before} others" if before else "it is being restored"

    def _first(self, queue: Sequence[Job]) -> Job | None:
        with self._lock:
            return queue[0] if queue else None

    def _wait(self, job: Job) -> None:
        if any(other.database == job.database for other in self._waiting):
            self._end(job, Status.UNAVAILABLE, "another restore of this database is not done yet: ask again")
        elif len(self._waiting) >= MOST_WAITING:
            self._end(job, Status.UNAVAILABLE, f"{MOST_WAITING} restores wait already: ask again")
        else:
            self._waiting.append(job)

    def _end(self, job: Job, status: Status, reason: str | None = None) -> None:
        with self._lock:
            job.status, job.reason, job.ended = status, reason, self._clock()

    def _is_done(self, job: Job) -> bool:
        try:
            return self._restores.check(job.id, job.wanted)
        except Unavailable as error:
            self._end(job, Status.UNAVAILABLE, str(error))
            return False

    def _carried_out(self, job: Job) -> list[str]:
        began, what = self._clock(), f"{shown(job.wanted.database)} as {shown(job.wanted.target)}"
        logger.info("restores %s, which its application has asked for, at %s", what, shown(job.wanted.at))
        missing = self._restores.carry_out(job.id, job.wanted)
        logger.info("restored %s: %.1f s", what, self._clock() - began)
        for one in missing:
            logger.warning("restored %s without: %s", what, one)
        return missing

    def _tried(self, job: Job, act: Callable[[Job], T]) -> T | None:
        """What a step returns; None where it has failed, and the job is at its end."""
        try:
            return act(job)
        except (Denied, InvalidRequest, Unrecoverable) as error:
            status = Status.DENIED if isinstance(error, Denied) else Status.INVALID
            self._end(job, status, str(error))
        except (DbHandlerError, OSError) as error:
            # What it says may be of others: of the repository, or of what else is in a base.
            logger.warning("not restored is %s: %s", shown(job.wanted.database), told(error))
            passes = isinstance(error, Unavailable)
            reason = f"it cannot be restored now: {_LOG}" if passes else f"it could not be restored: {_LOG}"
            self._end(job, Status.UNAVAILABLE if passes else Status.FAILED, reason)
        except Exception as error:
            # A defect of ours costs this one, not the backups.
            logger.error("restoring %s failed (%s)", shown(job.wanted.database), type(error).__name__)
            self._end(job, Status.FAILED, f"it could not be restored: {_LOG}")
        return None


def _told_missing(missing: Sequence[str]) -> str | None:
    if not missing:
        return None
    more = f", and {len(missing) - MOST_TOLD} more" if len(missing) > MOST_TOLD else ""
    return f"without {'; '.join(missing[:MOST_TOLD])}{more}"
