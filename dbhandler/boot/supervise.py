"""What the container's first process is for most of its life: supervisord, but one that ends with a non-zero status
when the server cannot be kept running."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor import events, supervisord
from supervisor.medusa import asyncore_25
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates, SupervisorStates

logger = logging.getLogger(__name__)

SERVER = "mysqld"
"""The one program whose end ends the container: without any other the server still serves."""

LATE, PATIENCE, PAUSE = ("agent", "serf"), 1.0, 0.02
"""The programs that load once the server listens, so that it has the processors for itself until then, or after so many
seconds; how often it is looked for."""

MAX_EXITS, WINDOW = 6, 60.0
"""A server that ends by itself so often within so many seconds is not worth another start."""


class GiveUp:
    """Decides when to end the container: the server became FATAL, or keeps ending.

    end is called once, at the decision; `reason` then says why.
    """

    def __init__(self, end: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._end, self._clock = end, clock
        self._exits: deque[float] = deque(maxlen=MAX_EXITS)
        self.reason: str | None = None

    def fatal(self, program: str) -> None:
        """Notes that supervisord has given up starting a program."""
        if program == SERVER:
            self._decide(f"{program} cannot be started")
        else:
            logger.error("%s keeps ending: it is tried again and again, and the server goes on without it", program)

    def exited(self, program: str) -> None:
        """Notes that a program that had been running has ended by itself."""
        if program != SERVER:
            return
        self._exits.append(self._clock())
        if len(self._exits) == MAX_EXITS and self._exits[-1] - self._exits[0] < WINDOW:
            self._decide(f"{program} has ended {MAX_EXITS} times within {WINDOW:.0f} s")

    def _decide(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
            logger.error("%s: this container ends", reason)
            self._end()


class _AroundPoller:
    """A poller of supervisord's with another `poll`, and all the rest as it is."""

    def __init__(self, poller: Any) -> None:
        self._poller = poller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)


class PromptPoller(_AroundPoller):
    """supervisord's poller, which returns at once for a signal and the first time.

    supervisord looks for ended children, stop requests and programs to start once a second; since PEP 475 no signal
    interrupts that wait, so every start and stop of the container would take up to a second longer.
    """

    def __init__(self, poller: Any) -> None:
        super().__init__(poller)
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        # A child closes all that it has inherited before it becomes a program: a signal meanwhile would be a traceback.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
        os.write(waker, b"start")

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """Waits at most `timeout` seconds; returns the descriptors that are readable, and those that are writable."""
        self._poller.register_readable(self._woken)
        readable, writable = self._poller.poll(timeout)
        if self._woken in readable:
            os.read(self._woken, 4096)
        return [descriptor for descriptor in readable if descriptor != self._woken], writable


class LatePoller(_AroundPoller):
    """supervisord's poller, which calls `start` once: as soon as `due` says so, or PATIENCE seconds have passed."""

    def __init__(
        self,
        poller: Any,
        due: Callable[[], bool],
        start: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(poller)
        self._due, self._start, self._clock = due, start, clock
        self._waits, self._latest = True, clock() + PATIENCE

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """Waits at most `timeout` seconds; returns the descriptors that are readable, and those that are writable."""
        if self._waits and (self._due() or self._clock() >= self._latest):
            self._waits = False
            self._start()
        result: tuple[list[int], list[int]] = self._poller.poll(min(timeout, PAUSE) if self._waits else timeout)
        return result


class _Supervisor(supervisord.Supervisor):  # type: ignore[misc]
    def __init__(self, options: ServerOptions, give_up: GiveUp, listens: Callable[[], bool]) -> None:
        super().__init__(options)
        self._give_up, self._listens = give_up, listens

    def runforever(self) -> None:
        # supervisord forgets all subscriptions when it starts to run, so this is the moment.
        events.subscribe(events.ProcessStateFatalEvent, lambda event: self._give_up.fatal(_name(event)))
        events.subscribe(events.ProcessStateExitedEvent, self._exited)
        events.subscribe(events.Tick5Event, self._try_again)
        self.options.poller = LatePoller(PromptPoller(self.options.poller), self._listens, self._start_late)
        with suppress(asyncore_25.ExitNow):
            super().runforever()

    def _exited(self, event: events.ProcessStateExitedEvent) -> None:
        if not event.expected:
            self._give_up.exited(_name(event))

    def _start_late(self) -> None:
        for process in self._processes():
            if process.config.name in LATE and not process.laststart:
                process.spawn()

    def _try_again(self, _event: events.Tick5Event) -> None:
        for process in self._processes():
            if process.config.name != SERVER and _has_failed(process):
                process.spawn()

    def _processes(self) -> list[Any]:
        """Those that may be started: none while all are being stopped."""
        if self.options.mood < SupervisorStates.RUNNING:
            return []
        return [process for group in self.process_groups.values() for process in group.processes.values()]


def _has_failed(process: Any) -> bool:
    """Has supervisord given it up, or has it ended with an error, so that nobody starts it again but we?"""
    state = process.get_state()
    unexpected = process.exitstatus not in process.config.exitcodes
    return bool(state == ProcessStates.FATAL or (state == ProcessStates.EXITED and unexpected))


def _name(event: events.ProcessStateEvent) -> str:
    return str(event.process.config.name)


def supervise(conf: Path, listens: Callable[[], bool]) -> int:
    """Runs supervisord with that configuration until it is told to stop. listens tells whether the server does, or
    needs the other programs before.

    Returns 0 then, 1 when it ended because the server could not be kept running.
    """
    give_up = GiveUp(lambda: os.kill(os.getpid(), signal.SIGTERM))
    for first in itertools.chain([True], itertools.repeat(False)):
        options = ServerOptions()
        options.realize(["-n", "-c", str(conf)], doc=__doc__)
        options.first, options.test = first, False
        _Supervisor(options, give_up, listens).main()
        options.close_httpservers()
        options.close_logger()
        if options.mood < SupervisorStates.RESTARTING:
            break
    return 1 if give_up.reason else 0
