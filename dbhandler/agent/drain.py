"""From the spool to the worker: one name after another, in order of arrival, until each has been handled."""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dbhandler.agent.backoff import SLOW
from dbhandler.agent.worker import Worker
from dbhandler.errors import Busy, Unavailable
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.payload import Request
from dbhandler.spool import Entry, Spool

logger = logging.getLogger(__name__)

IDLE_WAIT = 1.0
"""Seconds between two looks at the spool when nobody pokes."""
RETRY_FIRST, RETRY_MOST = 0.1, 5.0
"""Seconds before the spool is tried again while the server is away; doubled each time."""
SECOND_SHARE = 4
"""A second try that failed is followed by so many times its length, and at least SECOND_PAUSE seconds, without one."""
SECOND_PAUSE = 0.01


@dataclass(order=True)
class _Task:
    """An event in work: its requests that are still to do, and those that cannot be done before `due`."""

    due: float
    name: str
    entry: Entry = field(compare=False)
    requests: deque[Request] = field(compare=False)
    delayed: list[Request] = field(default_factory=list, compare=False)
    is_second: bool = field(default=False, compare=False)

    @property
    def origin(self) -> str:
        return f"event {self.entry.event} #{self.entry.ltime}:"

    def delay(self, due: float, all_of_it: bool) -> None:
        """Puts off the first request, so that the event's others are tried, or all that are left."""
        self.due = max(self.due, due)
        self.delayed.append(self.requests.popleft())
        if all_of_it:
            self.delayed.extend(self.requests)
            self.requests.clear()


class SpoolDrain:
    """Takes events from the spool and handles one name of one event at a time.

    All wait, longer and longer, while the server is away. An event that cannot be carried out for a reason of its own
    steps aside until its next try, and lets the others pass.
    """

    def __init__(self, spool: Spool, worker: Worker, clock: Callable[[], float] = time.monotonic) -> None:
        self._spool, self._worker, self._clock = spool, worker, clock
        self._entries: deque[Entry] = deque()
        self._current: _Task | None = None
        self._aside: list[_Task] = []
        self._seconds_turn, self._no_second_before = False, 0.0
        self._not_before, self._delay = 0.0, RETRY_FIRST

    def step(self) -> bool:
        """Handles one name; False when there is none to handle now or the server is away."""
        if self._clock() < self._not_before:
            return False
        try:
            self._current = self._current or self._next()
            if self._current is None:
                self._worker.idle()
                return False
            self._work_on(self._current)
        except (Unavailable, OSError) as error:
            self._postpone(error)
            return False
        self._delay = RETRY_FIRST
        return True

    def wait(self) -> float:
        """Seconds until the next step makes sense, if nothing happens before."""
        now = self._clock()
        if self._aside:
            return min(IDLE_WAIT, max(0.0, max(self._not_before, self._second_due()) - now))
        return min(IDLE_WAIT, self._not_before - now) if self._not_before > now else IDLE_WAIT

    def _next(self) -> _Task | None:
        """The next event's work: first tries in order of arrival and second ones that are due, in turn."""
        self._seconds_turn = not self._seconds_turn
        is_due = bool(self._aside) and self._second_due() <= self._clock()
        if is_due and self._seconds_turn:
            return heapq.heappop(self._aside)
        if not self._entries:
            known = {task.name for task in self._aside}
            self._entries.extend(entry for entry in self._spool.entries() if entry.name not in known)
        if self._entries:
            return self._begun(self._entries[0])
        return heapq.heappop(self._aside) if is_due else None

    def _second_due(self) -> float:
        return max(self._aside[0].due, self._no_second_before)

    def _begun(self, entry: Entry) -> _Task:
        """The work that an event means; none where it cannot be read, or was refused at once."""
        task = _Task(0.0, entry.name, entry, deque())
        try:
            payload = self._spool.read(entry)
        except FileNotFoundError:
            pass
        except (PermissionError, IsADirectoryError):
            self._set_aside(task, "cannot be read")
        else:
            with self._in_nobodys_way(task):
                requests = self._worker.requests(payload, task.origin)
                task.requests.extend(() if isinstance(requests, Outcome) else requests)
        self._entries.popleft()
        return task

    def _work_on(self, task: _Task) -> None:
        with self._in_nobodys_way(task):
            if task.requests:
                self._try(task)
        if not task.requests:
            self._end(task)

    def _try(self, task: _Task) -> None:
        """Tries the first request of a task."""
        wanted, began = task.requests[0], self._clock()
        try:
            self._worker.carry_out(wanted, task.origin, task.entry.ltime)
        except Busy as busy:
            now = self._clock()
            if task.is_second:
                self._no_second_before = now + max(SECOND_PAUSE, SECOND_SHARE * (now - began))
            else:
                self._worker.tell_delay(task.origin, wanted, busy)
            task.delay(now + busy.wait, all_of_it=now - began >= SLOW)
        else:
            task.requests.popleft()

    @contextmanager
    def _in_nobodys_way(self, task: _Task) -> Iterator[None]:
        """One event that trips over a defect of ours must not hold up all others."""
        try:
            yield
        except (Unavailable, OSError):
            raise
        except Exception as error:
            self._set_aside(task, f"failed ({type(error).__name__})")

    def _end(self, task: _Task) -> None:
        """Forgets an event of which nothing is left to do, or lets it step aside until its next try."""
        if task.delayed:
            task.requests, task.delayed, task.is_second = deque(task.delayed), [], True
            heapq.heappush(self._aside, task)
        else:
            self._spool.remove(task.entry)
        self._current = None

    def _set_aside(self, task: _Task, why: str) -> None:
        where = self._spool.set_aside(task.entry)
        logger.error("event %s %s, set aside as %s", task.name, why, where)
        task.requests.clear()
        task.delayed.clear()

    def _postpone(self, error: Exception) -> None:
        if self._delay == RETRY_FIRST:
            waiting = len(self._entries) + len(self._aside) + (self._current is not None)
            logger.warning("%d event(s) wait: %s", waiting, error)
        self._not_before = self._clock() + self._delay
        self._delay = min(self._delay * 2, RETRY_MOST)
