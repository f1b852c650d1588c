"""Somebody between an application and its server: shows a certificate of his own, and wants to be told the password.

Sources: MySQL 9.7 Developer Documentation, "Connection Phase"; MariaDB Server Documentation, "Connecting".
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from tests.support.fakes import SocketServer
from tests.support.handshake import Identity

PATIENCE = 10.0
"""Seconds for which a client may be silent."""

# Words of the protocol.
LONG_PASSWORD, PROTOCOL_41, TLS, SECURE, PLUGINS, ANY_LENGTH = 1, 1 << 9, 1 << 11, 1 << 15, 1 << 19, 1 << 21
CAPABILITIES = LONG_PASSWORD | PROTOCOL_41 | TLS | SECURE | PLUGINS | ANY_LENGTH
SSL_REQUEST_BYTES = 32
SCRAMBLE = b"twenty-bytes-of-salt"
OK = b"\0\0\0\2\0\0\0"
FULL_AUTHENTICATION = b"\1\4"
"""Of caching_sha2_password: the server asks for the password itself."""
CLEAR_PASSWORD = b"\xfemysql_clear_password\0"

PLUGIN = {"mariadb": b"mysql_native_password", "mysql": b"caching_sha2_password"}
ASKS_FOR_THE_PASSWORD = {"mariadb": CLEAR_PASSWORD, "mysql": FULL_AUTHENTICATION}


class ManInTheMiddle(SocketServer):
    """A server on all addresses of this machine that speaks as an engine does. `heard` is all that clients have told
    him, over TLS or without; `met` counts who has come."""

    def __init__(self, engine: str, shown: Identity) -> None:
        self.heard, self.met = list[bytes](), 0
        self._engine = engine
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(shown.certificates, shown.key)
        listener = socket.create_server(("", 0))
        self.port = int(listener.getsockname()[1])
        super().__init__(listener)

    def _talk(self, connection: socket.socket) -> None:
        self.met += 1
        connection.settimeout(PATIENCE)
        with suppress(OSError):
            _send(connection, 0, self._greeting())
            request = _receive(connection)
            if len(request) != SSL_REQUEST_BYTES:
                self.heard.append(request)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._listen(secured)

    def _listen(self, connection: socket.socket) -> None:
        for number, answer in ((3, ASKS_FOR_THE_PASSWORD[self._engine]), (5, OK), (1, OK)):
            if not (said := _receive(connection)):
                return
            self.heard.append(said)
            _send(connection, number, answer)

    def _greeting(self) -> bytes:
        version = b"5.5.5-11.8.0-MariaDB" if self._engine == "mariadb" else b"9.0.0"
        low, high = (CAPABILITIES & 0xFFFF).to_bytes(2, "little"), (CAPABILITIES >> 16).to_bytes(2, "little")
        first = b"\x0a" + version + b"\0" + b"\1\0\0\0" + SCRAMBLE[:8] + b"\0" + low + b"\x2d" + b"\2\0" + high
        return first + b"\x15" + bytes(10) + SCRAMBLE[8:] + b"\0" + PLUGIN[self._engine] + b"\0"


def _send(connection: socket.socket, number: int, content: bytes) -> None:
    connection.sendall(len(content).to_bytes(3, "little") + bytes([number]) + content)


def _receive(connection: socket.socket) -> bytes:
    """The content of the next packet, nothing where the client has gone."""
    header = _exactly(connection, 4)
    return _exactly(connection, int.from_bytes(header[:3], "little"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (more := connection.recv(size - len(received))):
        received += more
    return received
