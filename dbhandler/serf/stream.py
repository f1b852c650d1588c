"""Requests to a Serf agent's RPC and what comes back, on one connection.

Source: Serf's documentation, "RPC Protocol", version 1.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any

import msgpack

from dbhandler.address import RPC_PORT, split_address
from dbhandler.errors import Denied, Unavailable
from dbhandler.log import printable

_WRONG_KEY = ("Authentication required", "Invalid authentication token")

_LIMITS = {"max_buffer_size": 16 * 1024 * 1024, "max_array_len": 16_384, "max_map_len": 1024, "max_ext_len": 0}
"""Of what is believed of a reply before it has come: whoever answers at the address may be no Serf at all."""

Record = tuple[Any, dict[str, Any]]
"""What comes for a query: the number of the request that has sent that, and what is told."""


class Stream:
    """One connection to the RPC at `address` (host:port). Every wait is bounded by `timeout` seconds.

    All methods raise Unavailable when the agent cannot be reached or answers nothing in time, and Denied when it
    refuses the key.
    """

    def __init__(self, address: str, timeout: float) -> None:
        self._address, self._timeout, self._seq = address, timeout, 0
        self._unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape", **_LIMITS)
        self._socket = _connect(address, timeout)

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def call(
        self,
        command: str,
        request: Mapping[str, object] | None = None,
        body: bool = False,
        timeout: float | None = None,
        early: list[Record] | None = None,
    ) -> dict[str, Any]:
        """The reply to one request; empty unless it has a body. Records of queries that come before it are put into
        `early`, and thrown away without it: their asker had enough. timeout is another one than the connection's."""
        self._seq += 1
        message = msgpack.packb({"Command": command, "Seq": self._seq})
        if request is not None:
            message += msgpack.packb(request)
        deadline = time.monotonic() + (timeout or self._timeout)
        try:
            self._send(message)
            header = self._reply_header(deadline, early)
            reply = self._receive(deadline) if body and not header.get("Error") else {}
        except Unavailable:
            # A reply that comes after all would be taken for that to the next request.
            self.close()
            raise
        _check(command, header.get("Error") or "")
        return reply

    @property
    def number(self) -> int:
        """That of the last request."""
        return self._seq

    def record(self, deadline: float) -> Record | None:
        """The next record of any query, or None at the deadline."""
        try:
            header = self._receive(deadline)
        except Unavailable:
            if time.monotonic() >= deadline:
                return None
            raise
        return header.get("Seq"), self._receive(time.monotonic() + self._timeout)

    def away(self, reason: object) -> Unavailable:
        """The error of an agent that says nothing of use."""
        return Unavailable(f"the Serf agent at {self._address} does not answer: {reason}")

    def _reply_header(self, deadline: float, early: list[Record] | None) -> dict[str, Any]:
        while (header := self._receive(deadline)).get("Seq") != self._seq:
            record = self._receive(deadline)
            if early is not None:
                early.append((header.get("Seq"), record))
        return header

    def _send(self, message: bytes) -> None:
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(message)
        except OSError as error:
            raise self.away(error) from error

    def _receive(self, deadline: float) -> dict[str, Any]:
        while True:
            try:
                for message in self._unpacker:
                    return dict(message)
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                data = self._socket.recv(65536)
                self._unpacker.feed(data)
            except OSError as error:
                raise self.away(error) from error
            except (msgpack.UnpackException, ValueError, TypeError) as error:
                raise self.away("it does not speak Serf's RPC") from error
            if not data:
                raise self.away("it closed the connection")


def _connect(address: str, timeout: float) -> socket.socket:
    try:
        return socket.create_connection(split_address(address, RPC_PORT), timeout)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unavailable(f"no Serf agent answers at {address}: {reason}") from error


def _check(command: str, error: object) -> None:
    if error in _WRONG_KEY:
        raise Denied(f"the Serf agent refuses {command}: its RPC wants another key (SERF_RPC_AUTH)")
    if error:
        # What it says may quote members, and be no Serf agent's at all.
        raise Unavailable(f"the Serf agent refuses {command}: {printable(str(error)[:200])}")
