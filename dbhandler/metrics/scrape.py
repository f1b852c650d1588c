"""What Prometheus scrapes: prometheus_client's own HTTP server, with a limit on what clients can hold."""

from __future__ import annotations

import io
import logging
import ssl
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from dbhandler.http_server import BoundedServer, family_and_address

logger = logging.getLogger(__name__)

MOST_CLIENTS = 16
"""Clients at once."""


class ScrapeServer(BoundedServer):
    """A scrape takes milliseconds, so whoever is the eldest of so many clients hangs."""

    most_clients = MOST_CLIENTS
    tls_files: tuple[Path, Path] | None = None
    """Certificate and key; None where it is spoken to in clear."""

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
    family, target = family_and_address(*address)
    kind = type("ScrapeServer", (ScrapeServer,), {"address_family": family, "tls_files": tls_files})
    server: ScrapeServer = make_server(*target, _guarded(make_wsgi_app(registry)), kind, _Handler)
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
