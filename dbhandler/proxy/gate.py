"""Whether new connections to one database come through, or wait: nobody is refused for what is over in a moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dbhandler.proxy.haproxy import HaProxy
from dbhandler.serf.kept import Complaint

logger = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds for which they wait at most: who waits for longer had better be told."""


class Gate:
    """The gate of one of HAProxy's sections; what is logged calls it by `name`. All methods raise Unavailable when
    HAProxy does not do what it is told."""

    def __init__(self, proxy: HaProxy, section: str, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._proxy, self._section, self._name, self._clock = proxy, section, name, clock
        self._since: float | None = None
        self._is_tired, self._is_told = False, False
        self._why = Complaint(self._tell)

    def close(self) -> None:
        """New connections wait, until `look` lets them go: for what takes no time, so nothing is told."""
        if self._since is None:
            self._proxy.hold(self._section)
            self._since = self._clock()

    def look(self, why: str) -> None:
        """Lets new connections come through, or has them wait for the reason `why`, but not for ever: after PATIENCE
        each gets what is there."""
        if not why:
            self._open()
            return
        self.close()
        if not self._is_tired and self._waited() > PATIENCE:
            self._proxy.let_go(self._section)
            self._is_tired = True
        self._why.say(f"new connections {'are held no longer' if self._is_tired else 'wait'}: {why}")

    def _open(self) -> None:
        if self._since is None:
            return
        if not self._is_tired:
            self._proxy.let_go(self._section)
        if self._is_told:
            logger.info("%s: new connections come through, after %.1f s", self._name, self._waited())
        self._since, self._is_tired, self._is_told = None, False, False
        self._why.say("")

    def _waited(self) -> float:
        return self._clock() - (self._since or 0.0)

    def _tell(self, text: str) -> None:
        self._is_told = True
        logger.log(logging.WARNING if self._is_tired else logging.INFO, "%s: %s", self._name, text)
