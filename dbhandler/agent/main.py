"""dbhandler-agent: the resident process that carries out requests, over its one connection to the server."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial

from dbhandler import edge, log, usage
from dbhandler.agent.lock import alone
from dbhandler.agent.wiring import Parts, build
from dbhandler.settings.config import Config
from dbhandler.settings.output import log_format
from dbhandler.thread_failure import ThreadFailure

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-agent
Carries out requests, keeps this node's Serf tags true and its peers joined. supervisord keeps it running.
exit status: 0 it was told to stop, 64 wrong usage, 70 one of its threads failed, 75 another agent is at work, 78 it
cannot start
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv:
        return usage.show(argv, USAGE)
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    return edge.started("the agent", partial(_start, environ))


def _start(environ: Mapping[str, str]) -> int:
    config = Config.from_environ(environ)
    if not alone(config.state_dir):
        logger.error("another agent is at work in %s", config.state_dir)
        return os.EX_TEMPFAIL
    return _run(build(config, environ))


def _run(parts: Parts) -> int:
    signal.signal(signal.SIGTERM, parts.agent.stop)
    signal.signal(signal.SIGINT, parts.agent.stop)
    stop = threading.Event()
    threading.excepthook = failed = ThreadFailure(parts.agent.stop)
    for name, run in parts.threads.items():
        threading.Thread(target=run, args=(stop,), name=name, daemon=True).start()
    parts.agent.run()
    stop.set()
    return os.EX_SOFTWARE if failed.happened else os.EX_OK
