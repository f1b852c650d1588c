"""dbhandler-supervise: PID 1. supervisord that ends with a non-zero status when a program cannot be kept running."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from supervisor import events, supervisord
from supervisor.medusa import asyncore_25
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates

from dbhandler import log
from dbhandler.config import log_format

logger = logging.getLogger(__name__)

MAX_EXITS, WINDOW = 6, 60.0
"""A program that ends by itself so often within so many seconds is not worth another start."""


class GiveUp:
    """Decides when to end the container: a program became FATAL, or keeps ending.

    end is called once, at the decision; `reason` then says why.
    """

    def __init__(self, end: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._end, self._clock = end, clock
        self._exits: dict[str, deque[float]] = {}
        self.reason: str | None = None

    def fatal(self, program: str) -> None:
        """Notes that supervisord has given up starting a program."""
        self._decide(f"{program} cannot be started")

    def exited(self, program: str) -> None:
        """Notes that a program that had been running has ended by itself."""
        exits = self._exits.setdefault(program, deque(maxlen=MAX_EXITS))
        exits.append(self._clock())
        if len(exits) == MAX_EXITS and exits[-1] - exits[0] < WINDOW:
            self._decide(f"{program} has ended {MAX_EXITS} times within {WINDOW:.0f} s")

    def _decide(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
            logger.error("%s: this container ends", reason)
            self._end()


class PromptPoller:
    """supervisord's poller, which returns at once for a signal and the first time.

    supervisord looks for ended children, stop requests and programs to start once a second; since PEP 475 no signal
    interrupts that wait, so every start and stop of the container would take up to a second longer.
    """

    def __init__(self, poller: Any) -> None:
        self._poller = poller
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        os.write(waker, b"start")

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """Waits at most `timeout` seconds; returns the descriptors that are readable, and those that are writable."""
        self._poller.register_readable(self._woken)
        readable, writable = self._poller.poll(timeout)
        if self._woken in readable:
            os.read(self._woken, 4096)
        return [descriptor for descriptor in readable if descriptor != self._woken], writable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)


class _Supervisor(supervisord.Supervisor):  # type: ignore[misc]
    def __init__(self, options: ServerOptions, give_up: GiveUp) -> None:
        super().__init__(options)
        self._give_up = give_up

    def runforever(self) -> None:
        # supervisord forgets all subscriptions when it starts to run, so this is the moment.
        events.subscribe(events.ProcessStateFatalEvent, lambda event: self._give_up.fatal(_name(event)))
        events.subscribe(events.ProcessStateExitedEvent, self._exited)
        self.options.poller = PromptPoller(self.options.poller)
        with suppress(asyncore_25.ExitNow):
            super().runforever()

    def _exited(self, event: events.ProcessStateExitedEvent) -> None:
        if not event.expected:
            self._give_up.exited(_name(event))


def _name(event: events.ProcessStateEvent) -> str:
    return str(event.process.config.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: runs supervisord with its own arguments in the foreground until it is told to stop.

    Returns 0 then, and 1 when it ended because a program could not be kept running.
    """
    log.configure(log_format(os.environ))
    give_up = GiveUp(lambda: os.kill(os.getpid(), signal.SIGTERM))
    for first in itertools.chain([True], itertools.repeat(False)):
        options = ServerOptions()
        options.realize(list(sys.argv[1:] if argv is None else argv), doc=__doc__)
        options.first, options.test = first, False
        _Supervisor(options, give_up).main()
        options.close_httpservers()
        options.close_logger()
        if options.mood < SupervisorStates.RESTARTING:
            break
    return 1 if give_up.reason else 0
