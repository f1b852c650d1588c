"""The HTTP server that Prometheus scrapes, in a thread of its own."""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

logger = logging.getLogger(__name__)

CLIENT_TIMEOUT = 5.0
"""Seconds that one scrape may take, and for which a client that hangs holds up the others."""


class ScrapeServer(WSGIServer):
    """Serves one scrape after another: however many clients hang, they hold one thread and none of the agent's."""

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], app: WSGIApplication) -> None:
        self.address_family = family
        super().__init__(address, _Handler)
        self.set_app(_guarded(app))

    def server_bind(self) -> None:
        """As the base class does, but without asking the DNS for the host's full name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serves one client, and hangs up when its time is over, however it spends it."""
        timer = threading.Timer(CLIENT_TIMEOUT, _hang_up, (request,))
        timer.daemon = True
        timer.start()
        try:
            super().finish_request(request, client_address)
        finally:
            timer.cancel()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that go away half-way."""


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: a scrape every few seconds is no news."""

    def get_stderr(self) -> io.StringIO:
        # What goes wrong is said by _guarded, in a sentence; this would get tracebacks of clients that went away.
        return io.StringIO()


def serve(address: tuple[str, int], registry: CollectorRegistry) -> ScrapeServer:
    """Serves the registry's metrics at `address` (host, port; an empty host means all IPv4 addresses) in a thread,
    until the process ends or `shutdown` is called. Raises OSError where it cannot listen."""
    host, port = address
    family, _, _, _, target = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]  # noqa: S104
    server = ScrapeServer(family, (str(target[0]), int(target[1])), make_wsgi_app(registry))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _guarded(app: WSGIApplication) -> WSGIApplication:
    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except Exception as error:
            logger.error("a scrape failed (%s)", type(error).__name__)
            start_response("500 Internal Server Error", [])
            return []

    return guarded


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
