"""A server's binary log that is played: events as they come over the network, and the connection they come by."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dbhandler.distant.access import Connection
from dbhandler.distant.node import Node

Played = bytes | Exception | Callable[[], None] | None
"""An event, what reading it raises, what happens meanwhile, or the end (None)."""


def raw(kind: int, body: bytes = b"", time: int = 1000, flags: int = 0) -> bytes:
    """One event."""
    content = struct.pack("<IBIIIH", time, kind, 5, 23 + len(body), 0, flags) + body
    return content + struct.pack("<I", zlib.crc32(content))


FORMAT = raw(15, struct.pack("<H50sIB", 4, b"11.8.9-MariaDB", 0, 19) + bytes([1] * 40) + b"\1")
XID = raw(16, bytes(8))
ROTATE = raw(4, bytes(8) + b"log.000002")
HEARTBEAT = raw(27, b"log.000001")


def gtid(number: int, time: int = 1000) -> bytes:
    """Begins MariaDB's transaction 0-5-number."""
    return raw(162, struct.pack("<QIB6x", number, 0, 0), time)


class Packet:
    """A packet of the protocol."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def is_eof_packet(self) -> bool:
        return self._data[:1] == b"\xfe"


class PlayedConnection:
    """A connection to a server that is at `position` and sends these; notes what it is told."""

    def __init__(self, position: str, *events: Played, log_bin: int = 1) -> None:
        self.statements: list[str] = []
        self.commands: list[tuple[int, bytes]] = []
        self.closed = False
        self._row, self._events = (log_bin, position), iter(events)

    @contextmanager
    def cursor(self) -> Iterator[PlayedConnection]:
        yield self

    def execute(self, text: str) -> None:
        self.statements.append(text)

    def fetchall(self) -> list[tuple[object, ...]]:
        return [self._row]

    def _execute_command(self, command: int, content: bytes) -> None:
        self.commands.append((command, content))

    def _read_packet(self) -> Packet:
        for played in self._events:
            if isinstance(played, Exception):
                raise played
            if isinstance(played, bytes):
                return Packet(b"\0" + played)
            if played is not None:
                played()
        return Packet(b"\xfe")

    def close(self) -> None:
        self.closed = True


class PlayedAccess:
    """Connects to each node with what is played for it next."""

    def __init__(self, **nodes: Sequence[PlayedConnection | Exception]) -> None:
        self._nodes = {name: iter(played) for name, played in nodes.items()}
        self.asked: list[str] = []

    def connect(self, node: Node, read_timeout: float) -> Connection:
        self.asked.append(node.name)
        played = next(self._nodes[node.name])
        if isinstance(played, Exception):
            raise played
        return played  # type: ignore[return-value]
