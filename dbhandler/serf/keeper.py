"""dbhandler-serf-keeper: keeps a Serf agent running, within limits of its own, and starts it again for ever."""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler import edge, log, paths, usage
from dbhandler.serf.output import relay
from dbhandler.serf.presence import SerfPresence
from dbhandler.settings.output import log_format

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-serf-keeper [--alone] COMMAND ...

What dbhandler-serf and dbhandler-serf-agent become: runs the Serf agent COMMAND, shows its output as lines of our log,
and starts it again when it ends by itself. --alone: ends with it where its first start fails.

exit status: that of COMMAND once a signal has ended it, 64 wrong usage, 78 there is no such command
"""

MEMORY = 512 * 1024 * 1024
"""Bytes that the agent may have for its data. At rest Go takes 98 MB, most of them never touched; a kilobyte from the
network can make Serf ask for four gigabytes."""
SOFT_MEMORY = "256MiB"
"""Beyond this Go cleans up harder."""
OOM_SCORE = 500
"""Of 1000: where memory is short the kernel takes Serf, never the database."""
STEADY = 10.0
"""Seconds. An agent that has run for so long is started again at once."""
PAUSE_FIRST, PAUSE_MOST = 1.0, 10.0
"""Seconds before an agent that keeps ending is started again; doubled each time."""
EX_WRONG = 1
"""How Serf ends when it cannot start, its options or addresses being wrong."""


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class SerfKeeper:
    """Runs the agent `command` with the environment `environ`. `presence` is told how it ended.

    alone: there is nothing else in this container, so a first start that fails ends it, as it would without us.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        presence: SerfPresence,
        alone: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # The kernel ends the agent with its keeper, which else would find its ports taken.
        self._command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        self._environ = {**environ, "GOMEMLIMIT": SOFT_MEMORY}
        self._presence, self._alone, self._clock, self._sleep = presence, alone, clock, sleep
        self._process: subprocess.Popen[bytes] | None = None
        self._told_to_end = False
        self._reload_waits = False
        self._pause = 0.0

    def run(self) -> int:
        """Works until a signal ends it; returns the exit status, that of the last agent. Raises OSError where there is
        no Serf."""
        for number in _SIGNALS:
            signal.signal(number, self._pass_on)
        first = True
        while True:
            began = self._clock()
            status, failure = self._run_once()
            if self._told_to_end or (first and self._alone and status == EX_WRONG):
                return status
            first = False
            self._rest(self._clock() - began, status, failure)
            if self._told_to_end:
                return 0

    def _run_once(self) -> tuple[int, str]:
        # What starts from here on reads its configuration anyway.
        self._reload_waits = False
        # In a session of its own: a terminal's interrupt reaches it through us, once.
        process = self._process = subprocess.Popen(
            self._command, env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_limit,
        )  # fmt: skip
        # A signal that came while the agent was being started has reached nobody yet.
        if self._told_to_end:
            process.terminate()
        elif self._reload_waits:
            process.send_signal(signal.SIGHUP)
        assert process.stdout  # noqa: S101
        with process.stdout as output:
            failure = relay(output)
        status = process.wait()
        self._process = None
        return status if status >= 0 else 128 - status, failure

    def _rest(self, ran: float, status: int, failure: str) -> None:
        _reap()
        steady = ran >= STEADY
        self._pause = 0.0 if steady else min(max(PAUSE_FIRST, self._pause * 2), PAUSE_MOST)
        how = f"the Serf agent has ended by itself with status {status}" + (f": {failure}" if failure else "")
        self._presence.note_end(how)
        logger.warning("%s; it is started again %s", how, f"in {self._pause:.0f} s" if self._pause else "at once")
        due = self._clock() + self._pause
        while self._clock() < due and not self._told_to_end:
            self._sleep(0.1)

    def _pass_on(self, number: int, _: object) -> None:
        self._told_to_end = self._told_to_end or number != signal.SIGHUP
        if self._process:
            self._process.send_signal(number)
        else:
            self._reload_waits = True


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    alone = argv[:1] == ["--alone"]
    if not argv or usage.asked(argv):
        return usage.show(argv, USAGE)
    presence = SerfPresence(Path(paths.run_dir(environ)))
    return edge.started("serf", SerfKeeper(argv[1:] if alone else argv, environ, presence, alone).run)


def _limit() -> None:
    """In the agent's process, before it is one. Its handlers inherit all of it."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def _reap() -> None:
    """As a container's first process we inherit what an agent leaves behind."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
