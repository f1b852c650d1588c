"""How the page is served: bounded in threads, bytes and time, with what keeps a browser from doing more.

Source of the headers: W3C, "Content Security Policy Level 3"; OWASP, "HTTP Headers Cheat Sheet".
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from dbhandler.http_server import BoundedServer, family_and_address

logger = logging.getLogger(__name__)

MOST_CLIENTS = 64
"""At once: each page that is open is one."""
MOST_BODY = 8192
"""Bytes of a form."""
HEADERS = (
    ("Server", "dbhandler-console"),
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not no-referrer: our own forms would come from an origin that is called null.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)  # fmt: skip


class PageServer(BoundedServer):
    """Serves each reader in a thread of its own."""

    most_clients = MOST_CLIENTS


class _Handler(WSGIRequestHandler):
    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: who looks is no news."""

    def get_stderr(self) -> Any:
        # What goes wrong is said in a sentence; this would get tracebacks of readers that went away.
        return io.StringIO()


def serve(address: tuple[str, int], app: WSGIApplication, is_for_us: Callable[[WSGIEnvironment], bool]) -> PageServer:
    """A server that listens at the address (host, port; an empty host means all IPv4 addresses); its serve_forever
    serves. Raises OSError where it cannot listen."""
    family, target = family_and_address(*address)
    kind = type("PageServer", (PageServer,), {"address_family": family})
    made: PageServer = make_server(*target, guarded(app, is_for_us), kind, _Handler)
    return made


def guarded(app: WSGIApplication, is_for_us: Callable[[WSGIEnvironment], bool]) -> WSGIApplication:
    """The application behind what every request has to pass, with the headers that every answer gets."""

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *HEADERS], *more)

        if (refused := _refused(environ, is_for_us)) is not None:
            start(refused, [("Content-Type", "text/plain")])
            return [f"{refused}\n".encode()]
        try:
            return app(environ, start)
        except Exception as error:
            # A defect of ours ends neither the page for others nor shows what is inside.
            logger.error("a page failed (%s)", type(error).__name__)
            start("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"This page failed; the log says more.\n"]

    return respond


def _refused(environ: WSGIEnvironment, is_for_us: Callable[[WSGIEnvironment], bool]) -> str | None:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdigit() or "HTTP_TRANSFER_ENCODING" in environ:
        return "411 Length Required"
    if int(length) > MOST_BODY:
        return "413 Content Too Large"
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD", "POST"):
        return "405 Method Not Allowed"
    return None if is_for_us(environ) else "421 Misdirected Request"
