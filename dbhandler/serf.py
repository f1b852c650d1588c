"""A client of Serf's RPC: members, tags, join, query, event.

Source: Serf's documentation, "RPC Protocol", version 1.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import msgpack

from dbhandler.address import RPC_PORT, join_address, split_address
from dbhandler.errors import Denied, Unavailable

_RESPONSE, _DONE = "response", "done"
_WRONG_KEY = ("Authentication required", "Invalid authentication token")


@dataclass(frozen=True)
class Member:
    """One node of the cluster; address is `host:port` of its gossip, status is alive, leaving, left or failed."""

    name: str
    host: str
    port: int
    status: str
    tags: Mapping[str, str]

    @property
    def alive(self) -> bool:
        return self.status == "alive"

    @property
    def address(self) -> str:
        return join_address(self.host, self.port)

    @property
    def is_database(self) -> bool:
        """Is it a node with a database server?"""
        return self.tags.get("role") == "db"


class Serf:
    """One RPC connection to the Serf agent at `address` (host:port). Every wait is bounded by `timeout` seconds.

    All methods raise Unavailable when the agent cannot be reached or answers nothing in time, and Denied when it
    refuses the key.
    """

    def __init__(self, address: str, auth_key: str | None = None, timeout: float = 5.0) -> None:
        self._address, self._timeout, self._seq = address, timeout, 0
        self._unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape")
        self._socket = _connect(address, timeout)
        try:
            self._call("handshake", {"Version": 1})
            if auth_key is not None:
                self._call("auth", {"AuthKey": auth_key})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Serf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def self_name(self) -> str:
        """The node name of the agent at the other end."""
        return str(self._call("stats", body=True)["agent"]["name"])

    def event_clock(self) -> int:
        """The Lamport time of the next user event."""
        return int(self._call("stats", body=True)["serf"]["event_time"])

    def members(self) -> list[Member]:
        """All members that the agent knows, dead ones too."""
        return [_member(record) for record in self._call("members", body=True)["Members"]]

    def join(self, addresses: Sequence[str], replay: bool, timeout: float | None = None) -> int:
        """Joins the cluster through `addresses`; returns how many answered. With replay, the user events that
        its members remember are delivered here, too.

        After `timeout` seconds (default: the connection's) the agent still tries, but this connection is closed.
        """
        body = self._call("join", {"Existing": list(addresses), "Replay": replay}, body=True, timeout=timeout)
        return int(body["Num"])

    def set_tags(self, tags: Mapping[str, str], delete: Sequence[str] = ()) -> None:
        """Sets tags of the agent's own member and deletes others."""
        self._call("tags", {"Tags": dict(tags), "DeleteTags": list(delete)})

    def event(self, name: str, payload: bytes, coalesce: bool = False) -> None:
        """Fires a user event."""
        self._call("event", {"Name": name, "Payload": payload, "Coalesce": coalesce})

    def query(
        self,
        name: str,
        payload: bytes,
        timeout: float,
        nodes: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[tuple[str, bytes]]:
        """Asks the cluster and yields (node, answer) as answers come in, for at most `timeout` seconds.

        nodes and tags (name -> regular expression) restrict who is asked. Stop reading whenever an answer is enough.
        """
        deadline = time.monotonic() + timeout
        self._call("query", {
            "Name": name, "Payload": payload, "Timeout": int(timeout * 1e9), "RequestAck": False,
            "FilterNodes": list(nodes), "FilterTags": dict(tags or {}),
        })  # fmt: skip
        seq = self._seq
        while (record := self._record(seq, deadline)) and record.get("Type") != _DONE:
            # Around the deadline Serf sends records without a sender; they are nobody's answer.
            if record.get("Type") == _RESPONSE and record.get("From"):
                yield record["From"], _bytes(record.get("Payload"))

    def _record(self, seq: int, deadline: float) -> dict[str, Any] | None:
        """The next record of the query with this number, or None at the deadline."""
        while True:
            try:
                header = self._receive(deadline)
            except Unavailable:
                if time.monotonic() >= deadline:
                    return None
                raise
            record = self._receive(time.monotonic() + self._timeout)
            if header.get("Seq") == seq:
                return record

    def _call(
        self,
        command: str,
        request: Mapping[str, object] | None = None,
        body: bool = False,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        self._seq += 1
        message = msgpack.packb({"Command": command, "Seq": self._seq})
        if request is not None:
            message += msgpack.packb(request)
        deadline = time.monotonic() + (timeout or self._timeout)
        try:
            self._send(message)
            header = self._reply_header(deadline)
            reply = self._receive(deadline) if body and not header.get("Error") else {}
        except Unavailable:
            # A reply that comes after all would be taken for that to the next request.
            self.close()
            raise
        _check(command, str(header.get("Error") or ""))
        return reply

    def _reply_header(self, deadline: float) -> dict[str, Any]:
        while (header := self._receive(deadline)).get("Seq") != self._seq:
            # A header and a record for a query whose asker had enough.
            self._receive(deadline)
        return header

    def _send(self, message: bytes) -> None:
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(message)
        except OSError as error:
            raise self._away(error) from error

    def _receive(self, deadline: float) -> dict[str, Any]:
        while True:
            try:
                for message in self._unpacker:
                    return dict(message)
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                data = self._socket.recv(65536)
                self._unpacker.feed(data)
            except OSError as error:
                raise self._away(error) from error
            except (msgpack.UnpackException, ValueError, TypeError) as error:
                raise self._away("it does not speak Serf's RPC") from error
            if not data:
                raise self._away("it closed the connection")

    def _away(self, reason: object) -> Unavailable:
        return Unavailable(f"the Serf agent at {self._address} does not answer: {reason}")


def _connect(address: str, timeout: float) -> socket.socket:
    try:
        return socket.create_connection(split_address(address, RPC_PORT), timeout)
    except OSError as error:
        raise Unavailable(f"no Serf agent answers at {address}: {error.strerror or error}") from error


def _check(command: str, error: str) -> None:
    if error in _WRONG_KEY:
        raise Denied(f"the Serf agent refuses {command}: its RPC wants another key (SERF_RPC_AUTH)")
    if error:
        raise Unavailable(f"the Serf agent refuses {command}: {error}")


def _member(record: Mapping[str, Any]) -> Member:
    return Member(
        name=record["Name"],
        host=_host(record["Addr"]),
        port=record["Port"],
        status=record["Status"],
        tags=dict(record["Tags"] or {}),
    )


def _host(raw: bytes | str) -> str:
    address = ipaddress.ip_address(_bytes(raw))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _bytes(raw: bytes | str | None) -> bytes:
    # Serf 0.8's msgpack has one type for text and bytes, so what is not UTF-8 has to survive as text.
    if isinstance(raw, bytes):
        return raw
    return (raw or "").encode("utf-8", "surrogateescape")
