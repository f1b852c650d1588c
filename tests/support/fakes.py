"""Small stand-ins that several unit tests share. They record what they were asked; the tests look at the record."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgpack

from dbhandler.engine.sql import Statement
from dbhandler.provisioning.registry import Entry

Rows = list[tuple[object, ...]]


class Clock:
    """A clock that stands still until told."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class RecordingServer:
    """Answers statements from a table of whole statements; unknown ones succeed without rows."""

    engine = "mariadb"

    def __init__(self, replies: Mapping[Statement, Rows | Exception] | None = None) -> None:
        self.replies = dict(replies or {})
        self.executed: list[Statement] = []

    def execute(self, statement: Statement) -> Rows:
        self.executed.append(statement)
        reply = self.replies.get(statement, [])
        if isinstance(reply, Exception):
            raise reply
        return reply


class Remembering:
    """A registry in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def made(self, name: str) -> None:
        self.entries[name] = replace(self.entries.get(name) or Entry(name), dropped=None)

    def dropped(self, name: str, ltime: int) -> None:
        self.entries[name] = Entry(name, dropped=ltime)

    def dropped_at(self, name: str) -> int | None:
        entry = self.entry(name)
        return entry.dropped if entry else None

    def names(self) -> list[str]:
        return sorted(name for name, entry in self.entries.items() if entry.dropped is None)

    def entry(self, name: str) -> Entry | None:
        return self.entries.get(name)

    def entry_of(self, owner: str) -> Entry | None:
        return next((entry for entry in self.entries.values() if entry.owner == owner), None)

    def claim(self, name: str, owner: str, seen: Entry | None) -> bool:
        other = self.entry_of(owner)
        if self.entry(name) == seen and (other is None or other.name == name):
            self.entries[name] = replace(seen or Entry(name), owner=owner, claimed="now", age=0)
        entry = self.entry(name)
        return entry is not None and entry.owner == owner

    def release(self, name: str, owner: str) -> None:
        entry = self.entry(name)
        if entry and entry.owner == owner:
            self.entries[name] = replace(entry, owner=None, claimed=None, age=None)


Reply = Sequence[object] | None


class SocketServer:
    """Serves one connection after another of a listening socket in a thread, each by `_talk`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the server and waits for its thread."""
        # accept() wakes up for a shutdown, not for a close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        raise NotImplementedError


class RpcServer(SocketServer):
    """A Serf agent's RPC endpoint for one test: `reply` maps a request to the messages that follow its header.

    None closes the connection instead. `requests` holds (command, body) in order of arrival.
    """

    _BODILESS = frozenset({"members", "stats"})

    def __init__(self, reply: Callable[[str, dict[str, object], int], Reply]) -> None:
        self._reply = reply
        self.requests: list[tuple[str, dict[str, object]]] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        super().__init__(listener)

    def _talk(self, connection: socket.socket) -> None:
        unpacker, waiting = msgpack.Unpacker(), list[dict[str, object]]()
        while data := connection.recv(65536):
            unpacker.feed(data)
            waiting += unpacker
            while waiting and (waiting[0]["Command"] in self._BODILESS or len(waiting) > 1):
                header = waiting.pop(0)
                command, seq = str(header["Command"]), int(str(header["Seq"]))
                body = {} if command in self._BODILESS else waiting.pop(0)
                self.requests.append((command, body))
                messages = self._reply(command, body, seq)
                if messages is None:
                    return
                connection.sendall(b"".join(m if isinstance(m, bytes) else msgpack.packb(m) for m in messages))


def ok(seq: int, *body: object) -> Sequence[object]:
    """A successful reply."""
    return [{"Seq": seq, "Error": ""}, *body]


class FakeProcess:
    """Counts what is done to the server's process."""

    def __init__(self) -> None:
        self.ended, self.insisted, self.is_ending = 0, 0, False

    def end(self) -> None:
        self.ended += 1

    def insist(self) -> None:
        self.insisted += 1
