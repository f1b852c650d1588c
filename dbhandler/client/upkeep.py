"""What goes on beside a program: the lease of its account or database is renewed, its password changed.

Whatever fails is told and tried again; nothing of it ends the program.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dbhandler.client.connection import Connection
from dbhandler.client.rotation import due_in
from dbhandler.client.state import StateFile
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import told

LOOK = 30.0
"""Seconds between two looks at a state file, at most: another process may have changed the password."""
LEAST, MOST = 0.2, 30.0
"""Seconds until what has failed is tried again."""
REFUSED = 10
"""So many times as long where a server has refused it."""
TOLD_AGAIN = 60.0
"""Seconds until the same failure is told again."""


@dataclass
class Chore:
    """One thing that goes on: act does it and returns after how many seconds to do it again; done and failed say that
    it works again, or does not; retry is after how many seconds a failure is tried again, due when it is to be done
    next, by the clock of Upkeep; told is the last failure, and since when it was told."""

    act: Callable[[], float]
    done: str
    failed: str
    retry: float
    due: float
    told: tuple[str, float] | None = None


class Upkeep:
    """Does chores until it is stopped; tell gets the sentences. To be called in a thread of its own."""

    def __init__(
        self, chores: Sequence[Chore], tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._chores, self._tell, self._clock = chores, tell, clock

    def __call__(self, stop: threading.Event) -> None:
        """Goes on until `stop` is set."""
        while not stop.wait(self.step()):
            pass

    def step(self) -> float:
        """Does what is due; returns after how many seconds something is again."""
        for chore in self._chores:
            if chore.due <= self._clock():
                self._do(chore)
        return max(0.0, min(chore.due for chore in self._chores) - self._clock())

    def _do(self, chore: Chore) -> None:
        began = self._clock()
        try:
            chore.due = began + chore.act()
        # A defect of ours, too: the program shall go on, and the next time may be better.
        except Exception as error:
            is_refused = isinstance(error, DbHandlerError) and not isinstance(error, Unavailable)
            chore.due = self._clock() + chore.retry * (REFUSED if is_refused else 1)
            self._complain(chore, error)
            return
        if chore.told:
            self._say(chore.done)
        chore.told = None

    def _complain(self, chore: Chore, error: Exception) -> None:
        known = isinstance(error, DbHandlerError | OSError)
        sentence = f"{chore.failed}: {told(error) if known else type(error).__name__}"
        last, at = chore.told or ("", 0.0)
        if sentence != last or self._clock() - at >= TOLD_AGAIN:
            self._say(sentence)
            chore.told = (sentence, self._clock())

    def _say(self, sentence: str) -> None:
        # Nobody may read it any more.
        with suppress(OSError):
            self._tell(sentence)


def renewal(act: Callable[[], object], ttl: float, ends_in: float, now: float) -> Chore:
    """The chore of renewing what lives for ttl seconds each time, and ends in so many from now: when a third of that
    has passed. now is by the clock of Upkeep."""

    def renewed() -> float:
        act()
        return ttl / 3

    retry = min(MOST, max(LEAST, ttl / 30))
    first = now + max(0.0, ends_in - ttl * 2 / 3)
    return Chore(renewed, "the lease is renewed again", "the lease cannot be renewed", retry, first)


def rotation(act: Callable[[], float], age: float, now: float) -> Chore:
    """The chore of a Rotation."""
    retry = min(MOST, max(LEAST, age / 30))
    return Chore(act, "the password can be changed again", "the password cannot be changed", retry, now)


class Rotation:
    """Changes the password of a state file whenever it is older than `age` seconds. rotate does that where it is due
    (Client.rotate_if_older), ask tells how to connect now, hand_on gets that whenever the password is another one than
    `password`: another process may have changed it, too. now gives seconds since 1970."""

    def __init__(
        self,
        file: StateFile,
        age: float,
        rotate: Callable[[], Connection | None],
        ask: Callable[[], Connection],
        hand_on: Callable[[Connection], None],
        password: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file, self._age, self._rotate, self._ask = file, age, rotate, ask
        self._hand_on, self._password, self._now = hand_on, password, now

    def __call__(self) -> float:
        """One look; returns after how many seconds the next one is due."""
        connection = self._rotate()
        if connection is None and self._file.known().password != self._password:
            connection = self._ask()
        if connection is not None and connection.password != self._password:
            self._hand_on(connection)
            self._password = connection.password
        return min(LOOK, max(LEAST, due_in(self._file.known(), self._age, self._now())))
