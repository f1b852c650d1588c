"""Looking at a proxy's port."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dbhandler.console.doors import Door, look
from tests.support.fakes import SocketServer


class Greeting(SocketServer):
    """Says something to whoever connects, and hangs up, or does not."""

    def __init__(self, said: bytes, rest: float = 0.0) -> None:
        self._said, self._rest = said, rest
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        super().__init__(listener)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self._said)
        time.sleep(self._rest)


@contextmanager
def greeting(said: bytes, rest: float = 0.0) -> Iterator[str]:
    server = Greeting(said, rest)
    yield server.address
    server.close()


def packet(content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + b"\0" + content


def test_a_server_is_known_by_its_greeting() -> None:
    with greeting(packet(b"\x0a11.8.3-MariaDB-0+deb13u1\0" + bytes(60))) as address:
        assert look(address) == Door(address, "11.8.3")
    with greeting(packet(b"\xff\x10\x04Too many connections")) as address:
        assert look(address) == Door(address, "refused")


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"", "it hangs up"), (b"\x05\0", "it hangs up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(300), "no database server"),
        (packet(b"\x0a<script>\x1b\0"), "no database server"), (packet(b"\x0a" + b"9" * 70 + b"\0"), "no database"),
    ],
)  # fmt: skip
def test_what_is_no_server_is_told(said: bytes, trouble: str) -> None:
    with greeting(said) as address:
        door = look(address)
    assert door.version is None and trouble in door.trouble


def test_who_says_nothing_is_waited_for_a_moment_only() -> None:
    with greeting(b"", rest=1.0) as address:
        began = time.monotonic()
        assert "timed out" in look(address, timeout=0.1).trouble
        assert time.monotonic() - began < 0.9


def test_nobody_at_home() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    assert "refused" in look(address).trouble
