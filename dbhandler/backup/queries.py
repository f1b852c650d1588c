"""What members of the Serf cluster ask the backup: a payload in, one line of JSON out."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping

from dbhandler.errors import DbHandlerError
from dbhandler.log import shown, told
from dbhandler.provisioning.provision import refusal
from dbhandler.requests import door
from dbhandler.requests.answer import encode
from dbhandler.requests.vocabulary import BackupQuery, Status

logger = logging.getLogger(__name__)

HANDLER = f"-event-handler={','.join('query:' + name for name in BackupQuery)}=dbhandler-query"
"""The Serf agent's option by which they come to this container's socket."""
TURN = 0.5
"""Seconds in which the end is noticed."""


class Queries:
    """Answers them; known has what does by a query's name, sign adds the proof (name, payload, line)."""

    def __init__(
        self, known: Mapping[str, Callable[[bytes], bytes]], sign: Callable[[str, bytes, bytes], bytes]
    ) -> None:
        self._known, self._sign = known, sign

    def run(self, path: str, stop: threading.Event) -> None:
        """Answers at this socket until `stop` is set. Without one there are no answers: backups matter more."""
        try:
            listener = door.listen(path)
        except OSError as error:
            logger.error("no answers to queries: %s: %s", path, told(error))
            return
        with listener:
            listener.settimeout(TURN)
            while not stop.is_set():
                self._serve_one(listener, stop)

    def _serve_one(self, listener: socket.socket, stop: threading.Event) -> None:
        try:
            door.serve_one(listener, self.answer)
        except TimeoutError:
            return
        except OSError as error:
            logger.warning("a query could not be taken: %s", told(error))
            stop.wait(TURN)

    def answer(self, name: str, payload: bytes) -> bytes:
        """The one-line answer; never raises for what a query says."""
        return self._sign(name, payload, self._answered(name, payload))

    def _answered(self, name: str, payload: bytes) -> bytes:
        if (known := self._known.get(name)) is None:
            return encode({"status": Status.INVALID, "reason": f"a backup does not answer {shown(name)}"})
        try:
            return known(payload)
        except DbHandlerError as error:
            return encode({"status": refusal(error).status, "reason": str(error)})
        except Exception as error:
            # A defect of ours must not end the backup of all servers, whatever a payload has found.
            logger.error("query %s failed (%s)", shown(name), type(error).__name__)
            return encode({"status": Status.FAILED, "reason": "the backup could not handle it; its log says more"})
