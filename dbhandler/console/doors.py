"""Does a proxy lead to a server? Asked as a client asks, up to the greeting; nobody logs in.

Source of the greeting: MySQL's and MariaDB's client/server protocol, "Protocol::HandshakeV10" and "ERR_Packet".
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from dbhandler.address import split_address
from dbhandler.log import printable, told

TIMEOUT = 3.0
"""Seconds for which a connection, or a greeting, is waited for."""
_HEADER, _MOST = 4, 300
"""Bytes of a packet's header, and of a greeting that are read at most."""
_GREETING, _REFUSAL = 10, 255
_VERSION = re.compile(rb"[ -~]{1,64}")


@dataclass(frozen=True)
class Door:
    """A proxy's port: its address, the version of the server behind it (None: none answers), and what is wrong."""

    address: str
    version: str | None = None
    trouble: str = ""


def look(address: str, timeout: float = TIMEOUT) -> Door:
    """How a door is now. Raises nothing for what the network does."""
    try:
        with socket.create_connection(split_address(address, 3306), timeout) as connection:
            connection.settimeout(timeout)
            return Door(address, _greeted(_packet(connection)))
    except ValueError as error:
        return Door(address, trouble=str(error))
    except OSError as error:
        return Door(address, trouble=printable(told(error), 200))


def _packet(connection: socket.socket) -> bytes:
    """The first packet, as much of it as is read."""
    read = b""
    while len(read) < _HEADER or len(read) < min(_HEADER + int.from_bytes(read[:3], "little"), _MOST):
        if not (more := connection.recv(_MOST - len(read))):
            raise ValueError("it hangs up: no server is behind it")
        read += more
    return read[_HEADER:]


def _greeted(packet: bytes) -> str:
    if packet[:1] == bytes([_REFUSAL]):
        # The server is there, and refuses whoever comes from here, or has no connection left.
        return "refused"
    version = packet[1:].partition(b"\0")[0]
    if packet[:1] != bytes([_GREETING]) or not _VERSION.fullmatch(version):
        raise ValueError("what answers is no database server")
    return version.decode("ascii").partition("-")[0]
