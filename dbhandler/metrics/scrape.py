"""What Prometheus scrapes: prometheus_client's own HTTP server, with a limit on what clients can hold."""

from __future__ import annotations

import io
import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

logger = logging.getLogger(__name__)

MOST_CLIENTS = 16
"""Clients at once, each with a thread: for one more the eldest is hung up on. A scrape takes milliseconds, so whoever
is the eldest of so many hangs."""
CLIENT_TIMEOUT = 5.0
"""Seconds without a byte, after which a client is hung up on."""


class ScrapeServer(ThreadingWSGIServer):
    """Serves each client in a thread of its own."""

    request_queue_size = 128
    tls_files: tuple[Path, Path] | None = None
    """Certificate and key; None where it is spoken to in clear."""

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self._clients: deque[socket.socket] = deque()
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
        self._clients.append(request)
        while len(self._clients) > MOST_CLIENTS:
            _hang_up(self._clients.popleft())
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Called in the client's own thread."""
        if self.tls_files is None:
            super().finish_request(request, client_address)
            return
        # For each anew: the certificate is renewed while the server runs.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.tls_files)
        with context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Called when a client has been served, by its own thread."""
        with suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that go away half-way."""


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: a scrape every few seconds is no news."""

    def get_stderr(self) -> io.StringIO:
        # What goes wrong is said by _guarded, in a sentence; this would get tracebacks of clients that went away.
        return io.StringIO()


def serve(
    address: tuple[str, int], registry: CollectorRegistry, tls_files: tuple[Path, Path] | None = None
) -> ScrapeServer:
    """Serves the registry's metrics at `address` (host, port; an empty host means all IPv4 addresses) in threads,
    until the process ends or `shutdown` is called; with a certificate and its key over TLS. Raises OSError where it
    cannot listen."""
    host, port = address
    family, _, _, _, target = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]  # noqa: S104
    kind = type("ScrapeServer", (ScrapeServer,), {"address_family": family, "tls_files": tls_files})
    server: ScrapeServer = make_server(
        str(target[0]), int(target[1]), _guarded(make_wsgi_app(registry)), kind, _Handler
    )
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
