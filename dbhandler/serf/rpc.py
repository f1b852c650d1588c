"""A client of Serf's RPC: members, tags, join, query, event.

Source: Serf's documentation, "RPC Protocol", version 1.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import TracebackType

from dbhandler.address import MAX_NODE_NAME, is_node_name
from dbhandler.log import shown
from dbhandler.serf import members
from dbhandler.serf.stream import Record, Stream
from dbhandler.spool import MAX_LTIME

_RESPONSE, _DONE = "response", "done"


class Serf:
    """One RPC connection to the Serf agent at `address` (host:port). Every wait is bounded by `timeout` seconds.

    All methods raise Unavailable when the agent cannot be reached or answers nothing in time, and Denied when it
    refuses the key.
    """

    def __init__(self, address: str, auth_key: str | None = None, timeout: float = 5.0) -> None:
        self._stream = Stream(address, timeout)
        try:
            self._stream.call("handshake", {"Version": 1})
            if auth_key is not None:
                self._stream.call("auth", {"AuthKey": auth_key})
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
        self._stream.close()

    def self_name(self) -> str:
        """The node name of the agent at the other end."""
        name = self._stat("agent", "name")
        if not is_node_name(name):
            raise self._stream.away(f"a name has 1 to {MAX_NODE_NAME} printable characters, not {shown(name)}")
        return name

    def is_encrypted(self) -> bool | None:
        """Is the cluster's gossip encrypted? None where the agent does not say so."""
        return {"true": True, "false": False}.get(self._stat("serf", "encrypted"))

    def event_clock(self) -> int:
        """The Lamport time of the next user event, at most MAX_LTIME: any member can set it forward."""
        time = self._stat("serf", "event_time")
        if not (time.isascii() and time.isdigit() and len(time) <= 20):
            raise self._stream.away(f"{shown(time)} is no Lamport time")
        return min(int(time), MAX_LTIME)

    def _stat(self, part: str, name: str) -> str:
        values = self._stream.call("stats", body=True).get(part)
        value = values.get(name) if isinstance(values, dict) else None
        if not isinstance(value, str):
            raise self._stream.away(f"its statistics have no {part}.{name}")
        return value

    def members(self) -> list[members.Member]:
        """All members that the agent knows, dead ones too; without those whose record is wrong."""
        try:
            return members.checked(self._stream.call("members", body=True).get("Members"))
        except ValueError as error:
            raise self._stream.away(error) from error

    def join(self, addresses: Sequence[str], replay: bool, timeout: float | None = None) -> int:
        """Joins the cluster through `addresses`; returns how many answered. With replay, the user events that
        its members remember are delivered here, too.

        After `timeout` seconds (default: the connection's) the agent still tries, but this connection is closed.
        """
        body = self._stream.call("join", {"Existing": list(addresses), "Replay": replay}, body=True, timeout=timeout)
        if not isinstance(count := body.get("Num"), int):
            raise self._stream.away("it does not say how many it has joined")
        return count

    def set_tags(self, tags: Mapping[str, str], delete: Sequence[str] = ()) -> None:
        """Sets tags of the agent's own member and deletes others."""
        self._stream.call("tags", {"Tags": dict(tags), "DeleteTags": list(delete)})

    def force_leave(self, node: str) -> None:
        """Has the cluster take a member that is away for one that has left."""
        self._stream.call("force-leave", {"Node": node})

    def gossip_keys(self) -> Mapping[str, int]:
        """The keys of the cluster's gossip, in base64, and how many members have each."""
        keys = self._stream.call("list-keys", body=True).get("Keys")
        if not isinstance(keys, dict) or not all(isinstance(count, int) for count in keys.values()):
            raise self._stream.away("it does not say which keys there are")
        return {str(key): count for key, count in keys.items()}

    def change_gossip_key(self, command: str, key: str) -> None:
        """Has all members install, use (to send with) or remove a key. Raises Unavailable where one has not."""
        self._stream.call(f"{command}-key", {"Key": key}, body=True)

    def event(self, name: str, payload: bytes, coalesce: bool = False) -> None:
        """Fires a user event."""
        self._stream.call("event", {"Name": name, "Payload": payload, "Coalesce": coalesce})

    def query(
        self,
        name: str,
        payload: bytes,
        timeout: float,
        nodes: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        again: float | None = None,
    ) -> Iterator[tuple[str, bytes]]:
        """Asks the cluster and yields (node, answer) as answers come in, for at most `timeout` seconds.

        nodes and tags (name -> regular expression) restrict who is asked. Stop reading whenever an answer is enough.
        again: for what may be asked twice, after how many seconds that is done, and then each time after twice as long:
        a datagram gets lost. It goes to those whom `nodes` names by then, so take out whoever has answered.
        """
        deadline, by_name, left = time.monotonic() + timeout, bool(nodes), timeout
        wait, sent, early = again or timeout, list[int](), list[Record]()
        # No names at all would ask everybody.
        while left > 0 and (nodes or not by_name):
            self._stream.call("query", {
                "Name": name, "Payload": payload, "Timeout": int(left * 1e9), "RequestAck": False,
                "FilterNodes": list(nodes), "FilterTags": dict(tags or {}),
            }, early=early)  # fmt: skip
            sent.append(self._stream.number)
            yield from self._responses(sent, min(deadline, time.monotonic() + wait), early)
            if not sent:
                return
            wait, left = wait * 2, deadline - time.monotonic()

    def _responses(self, sent: list[int], until: float, early: list[Record]) -> Iterator[tuple[str, bytes]]:
        """The answers to the queries with these numbers, those first whose records have come early; a number is taken
        away where Serf says that no more come for it. Ends when none is left, or at the time `until`."""
        while sent and (found := early.pop(0) if early else self._stream.record(until)):
            seq, record = found
            if seq not in sent:
                continue
            if record.get("Type") == _DONE:
                sent.remove(seq)
            # Around the deadline Serf sends records without a sender; they are nobody's answer.
            elif record.get("Type") == _RESPONSE and is_node_name(record.get("From")):
                yield record["From"], _bytes(record.get("Payload"))


def _bytes(raw: object) -> bytes:
    # Serf 0.8's msgpack has one type for text and bytes, so what is not UTF-8 has to survive as text.
    if isinstance(raw, bytes):
        return raw
    return raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else b""
