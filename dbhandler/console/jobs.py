"""What was asked for by the page and takes a while: in threads, a few at a time; what comes of it is told once, to who
has asked."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dbhandler.console.actions import Done, Progress
from dbhandler.errors import DbHandlerError, TryLater
from dbhandler.log import printable, shown, told
from dbhandler.trust import words

logger = logging.getLogger(__name__)

MOST = 8
"""At a time."""
KEPT = 900.0
"""Seconds after which what nobody has looked at is forgotten: it may hold a password."""
MOST_LINES, MOST_LINE = 12, 400
"""Of what is told meanwhile."""

Act = Callable[[Progress], Done]


@dataclass
class Job:
    """One of them. done or failed is what has come of it; None, and empty, while it is at work."""

    title: str
    owner: str = field(repr=False)
    begun: float
    lines: list[str] = field(default_factory=list)
    done: Done | None = None
    failed: str = ""

    @property
    def is_over(self) -> bool:
        return self.done is not None or bool(self.failed)

    def tell(self, line: str) -> None:
        """Notes what is waited for; the same sentence once."""
        line = printable(line, MOST_LINE)
        if line not in self.lines[-1:]:
            self.lines = [*self.lines, line][-MOST_LINES:]


class Jobs:
    """All of one console."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._jobs: dict[str, Job] = {}

    def begin(self, title: str, owner: str, act: Act) -> str:
        """Begins one for whoever has this token; returns its id. Raises TryLater where there are too many."""
        job, id = Job(title, owner, self._clock()), words.encode(os.urandom(16))
        with self._lock:
            self._forget()
            if sum(not one.is_over for one in self._jobs.values()) >= MOST:
                raise TryLater(f"{MOST} things are being done: wait for one of them")
            self._jobs[id] = job
        threading.Thread(target=self._run, args=(job, act), name="job", daemon=True).start()
        return id

    def look(self, id: str, owner: str) -> Job | None:
        """The job of this id, if it is this owner's; one that is over is told once."""
        with self._lock:
            self._forget()
            job = self._jobs.get(id)
            if job is None or job.owner != owner:
                return None
            if job.is_over:
                del self._jobs[id]
            return job

    def _run(self, job: Job, act: Act) -> None:
        try:
            job.done = act(job.tell)
        except (DbHandlerError, OSError) as error:
            job.failed = printable(told(error), MOST_LINE)
        except Exception as error:
            # A defect of ours must not leave the page waiting for ever, nor show what is inside.
            logger.error("%s has failed (%s)", shown(job.title), type(error).__name__)
            job.failed = "This could not be done; the console's log says more."

    def _forget(self) -> None:
        now = self._clock()
        self._jobs = {id: job for id, job in self._jobs.items() if not job.is_over or now - job.begun < KEPT}
