"""HAProxy as tests need it: its socket, played, and one that notes what it is told."""

from __future__ import annotations

import socket
from pathlib import Path

from dbhandler.proxy.haproxy import Change
from tests.support.fakes import SocketServer


class Runtime(SocketServer):
    """HAProxy's socket for one test."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.told: list[str] = []
        self._answer, listener = answer, socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        super().__init__(listener)

    def _talk(self, connection: socket.socket) -> None:
        self.told.append(connection.recv(4096).decode().strip())
        connection.sendall(self._answer)


class Recording:
    """A HaProxy that notes what it is told, unless it refuses: `told` is all of it, in order, `changes` those of
    servers."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.changes: list[Change] = []
        self.refuses: Exception | None = None

    def carry_out(self, change: Change, section: str = "") -> None:
        self._note(f"{section}: {change}")
        self.changes.append(change)

    def hold(self, section: str) -> None:
        self._note(f"hold {section}")

    def let_go(self, section: str) -> None:
        self._note(f"let go {section}")

    def _note(self, order: str) -> None:
        if self.refuses:
            raise self.refuses
        self.told.append(order)
