"""The Unix socket at which Serf's handler of queries (handlers/query.py) asks whoever answers them."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

from dbhandler.spool import MAX_PAYLOAD

logger = logging.getLogger(__name__)

HANDOVER_TIMEOUT = 1.0
"""Seconds for a local process to hand over its query; it sends it in one go."""


def listen(path: str) -> socket.socket:
    """The socket, for this user alone. Raises OSError."""
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o600)
    listener.listen(64)
    return listener


def serve_one(listener: socket.socket, answer: Callable[[str, bytes], bytes]) -> None:
    """Takes the next query, waiting for it as long as the listener's time-out says, and gives it the answer to its name
    and payload. Raises OSError where none comes; one that goes away is a line of the log."""
    connection, _ = listener.accept()
    with connection:
        try:
            name, _, payload = _read_all(connection).partition(b"\n")
            connection.settimeout(HANDOVER_TIMEOUT)
            connection.sendall(answer(name.decode("ascii", "replace"), payload))
        except OSError as error:
            logger.warning("a query went away before its answer: %s", error)


def _read_all(connection: socket.socket) -> bytes:
    chunks, room, end = [], MAX_PAYLOAD + 256, time.monotonic() + HANDOVER_TIMEOUT
    while room > 0:
        # For all of it: who drips a byte now and then must not hold the others up.
        if (left := end - time.monotonic()) <= 0:
            raise TimeoutError("it takes too long")
        connection.settimeout(left)
        if not (chunk := connection.recv(room)):
            break
        chunks.append(chunk)
        room -= len(chunk)
    return b"".join(chunks)
