"""A client of Serf's RPC: members, tags, join, query, event.

Source: Serf's documentation, "RPC Protocol", version 1.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgpack

from dbhandler.address import MAX_NODE_NAME, RPC_PORT, is_node_name, split_address
from dbhandler.errors import Denied, Unavailable
from dbhandler.log import printable, shown
from dbhandler.serf import members
from dbhandler.spool import MAX_LTIME

_RESPONSE, _DONE = "response", "done"
_WRONG_KEY = ("Authentication required", "Invalid authentication token")

_LIMITS = {"max_buffer_size": 16 * 1024 * 1024, "max_array_len": 16_384, "max_map_len": 1024, "max_ext_len": 0}
"""Of what is believed of a reply before it has come: whoever answers at the address may be no Serf at all."""


class Serf:
    """One RPC connection to the Serf agent at `address` (host:port). Every wait is bounded by `timeout` seconds.

    All methods raise Unavailable when the agent cannot be reached or answers nothing in time, and Denied when it
    refuses the key.
    """

    def __init__(self, address: str, auth_key: str | None = None, timeout: float = 5.0) -> None:
        self._address, self._timeout, self._seq = address, timeout, 0
        self._unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape", **_LIMITS)
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
        name = self._stat("agent", "name")
        if not is_node_name(name):
            raise self._away(f"a name has 1 to {MAX_NODE_NAME} printable characters, not {shown(name)}")
        return name

    def event_clock(self) -> int:
        """The Lamport time of the next user event, at most MAX_LTIME: any member can set it forward."""
        time = self._stat("serf", "event_time")
        if not (time.isascii() and time.isdigit() and len(time) <= 20):
            raise self._away(f"{shown(time)} is no Lamport time")
        return min(int(time), MAX_LTIME)

    def _stat(self, part: str, name: str) -> str:
        values = self._call("stats", body=True).get(part)
        value = values.get(name) if isinstance(values, dict) else None
        if not isinstance(value, str):
            raise self._away(f"its statistics have no {part}.{name}")
        return value

    def members(self) -> list[members.Member]:
        """All members that the agent knows, dead ones too; without those whose record is wrong."""
        try:
            return members.checked(self._call("members", body=True).get("Members"))
        except ValueError as error:
            raise self._away(error) from error

    def join(self, addresses: Sequence[str], replay: bool, timeout: float | None = None) -> int:
        """Joins the cluster through `addresses`; returns how many answered. With replay, the user events that
        its members remember are delivered here, too.

        After `timeout` seconds (default: the connection's) the agent still tries, but this connection is closed.
        """
        body = self._call("join", {"Existing": list(addresses), "Replay": replay}, body=True, timeout=timeout)
        if not isinstance(count := body.get("Num"), int):
            raise self._away("it does not say how many it has joined")
        return count

    def set_tags(self, tags: Mapping[str, str], delete: Sequence[str] = ()) -> None:
        """Sets tags of the agent's own member and deletes others."""
        self._call("tags", {"Tags": dict(tags), "DeleteTags": list(delete)})

    def gossip_keys(self) -> Mapping[str, int]:
        """The keys of the cluster's gossip, in base64, and how many members have each."""
        keys = self._call("list-keys", body=True).get("Keys")
        if not isinstance(keys, dict) or not all(isinstance(count, int) for count in keys.values()):
            raise self._away("it does not say which keys there are")
        return {str(key): count for key, count in keys.items()}

    def change_gossip_key(self, command: str, key: str) -> None:
        """Has all members install, use (to send with) or remove a key. Raises Unavailable where one has not."""
        self._call(f"{command}-key", {"Key": key}, body=True)

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
            if record.get("Type") == _RESPONSE and is_node_name(record.get("From")):
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
        _check(command, header.get("Error") or "")
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
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unavailable(f"no Serf agent answers at {address}: {reason}") from error


def _check(command: str, error: object) -> None:
    if error in _WRONG_KEY:
        raise Denied(f"the Serf agent refuses {command}: its RPC wants another key (SERF_RPC_AUTH)")
    if error:
        # What it says may quote members, and be no Serf agent's at all.
        raise Unavailable(f"the Serf agent refuses {command}: {printable(str(error)[:200])}")


def _bytes(raw: object) -> bytes:
    # Serf 0.8's msgpack has one type for text and bytes, so what is not UTF-8 has to survive as text.
    if isinstance(raw, bytes):
        return raw
    return raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else b""
