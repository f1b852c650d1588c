"""A thread that dies of a defect of ours ends its process: else nobody would miss what it did."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class ThreadFailure:
    """To be threading.excepthook: tells what a thread has died of, and calls `end`, which ends the process.
    `happened` says whether there was one."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self.happened = False

    def __call__(self, failure: threading.ExceptHookArgs) -> None:
        name = failure.thread.name if failure.thread else "unknown"
        logger.error("the thread %s has failed (%s): this process ends", name, failure.exc_type.__name__)
        self.happened = True
        self._end()
