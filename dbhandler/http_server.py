"""An HTTP server for WSGI applications, with a limit on what clients can hold: each has a thread."""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

CLIENT_TIMEOUT = 5.0
"""Seconds without a byte, after which a client is hung up on."""


class BoundedServer(ThreadingMixIn, WSGIServer):
    """Serves each client in a thread of its own, most_clients of them at once: for one more the eldest is hung up on,
    of those that come from the address with the most."""

    request_queue_size = 128
    daemon_threads = True
    most_clients = 16

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self._clients: deque[tuple[str, socket.socket]] = deque()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """As the base class does, but without asking the DNS for the host's full name, which may take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Called for each connection, by the one thread that accepts them."""
        request.settimeout(CLIENT_TIMEOUT)
        self._clients.append((str(client_address[0]), request))
        while len(self._clients) > self.most_clients:
            _hang_up(self._out())
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Called when a client has been served, by its own thread."""
        with suppress(StopIteration, ValueError):
            self._clients.remove(next(one for one in list(self._clients) if one[1] is request))
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that go away half-way."""

    def _out(self) -> socket.socket:
        hosts = [host for host, _ in list(self._clients)]
        most = max(hosts, key=hosts.count)
        eldest = next(one for one in list(self._clients) if one[0] == most)
        self._clients.remove(eldest)
        return eldest[1]


def family_and_address(host: str, port: int) -> tuple[int, tuple[str, int]]:
    """The kind of socket that listens there, and where; an empty host means all IPv4 addresses. Raises OSError."""
    family, _, _, _, target = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]  # noqa: S104
    return family, (str(target[0]), int(target[1]))


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
