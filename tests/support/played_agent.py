"""A Serf agent that is played: many clients at once, members and answers that change while they look."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgpack

from dbhandler.requests.backup_state import BackupState, told

_BODILESS = frozenset({"members", "stats"})


def record(name: str, status: str = "alive", **tags: str) -> dict[str, object]:
    """A database server's member as RPC shows it; a tag that is empty is not there."""
    known = {
        "role": "db",
        "key": _key(name),
        "engine": "mariadb",
        "version": "11.8.3",
        "mysql": "ready",
        "port": "3306",
    }
    shown = {tag: text for tag, text in {**known, **tags}.items() if text}
    return {"Name": name, "Addr": b"\x0a\x00\x00\x01", "Port": 7946, "Status": status, "Tags": shown}


def _key(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def answer(**fields: object) -> dict[str, object]:
    """What a server says when it is asked how it is."""
    return {
        "status": "ok", "mysql": "ready", "ready": True, "engine": "mariadb", "version": "11.8.3-MariaDB", "spool": 0,
        "uptime": 3600, "databases": 2, "host": "10.0.0.1", "port": 3306, **fields,
    }  # fmt: skip


class PlayedAgent:
    """Serves RPC on loopback. members and answers (by node) may be changed at any time; a server without an answer of
    its own gives the usual one, None is silence. states is what each backup says."""

    def __init__(self, *members: Mapping[str, object], encrypted: str = "true") -> None:
        self.members = list(members)
        self.answers: dict[str, Mapping[str, object] | None] = {}
        self.states: list[BackupState] = []
        self.encrypted, self.asked = encrypted, list[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Goes away, and hangs up on all."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            client.close()

    def __enter__(self) -> PlayedAgent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        unpacker, waiting = msgpack.Unpacker(), list[dict[str, object]]()
        try:
            while data := client.recv(65536):
                unpacker.feed(data)
                waiting += unpacker
                while waiting and (waiting[0]["Command"] in _BODILESS or len(waiting) > 1):
                    header = waiting.pop(0)
                    body = {} if header["Command"] in _BODILESS else waiting.pop(0)
                    messages = self._reply(str(header["Command"]), body, int(str(header["Seq"])))
                    client.sendall(b"".join(map(msgpack.packb, messages)))
        except OSError:
            return

    def _reply(self, command: str, body: Mapping[str, object], seq: int) -> list[object]:
        done: dict[str, object] = {"Seq": seq, "Error": ""}
        kinds: Mapping[str, Callable[[], list[object]]] = {
            "members": lambda: [{"Members": list(self.members)}],
            "stats": lambda: [{"serf": {"encrypted": self.encrypted}, "agent": {"name": "agent"}}],
            "query": lambda: self._answers(str(body["Name"]), done),
        }
        self.asked.append(str(body.get("Name", command)))
        return [done, *kinds.get(command, list)()]

    def _answers(self, query: str, header: object) -> list[object]:
        messages = list[object]()
        for node, payload in self._payloads(query):
            messages += [header, {"Type": "response", "From": node, "Payload": payload}]
        return [*messages, header, {"Type": "done"}]

    def _payloads(self, query: str) -> list[tuple[str, bytes]]:
        role = "backup" if query == "backup_status" else "db"
        named = [(str(one["Name"]), one["Tags"]) for one in self.members if one["Status"] == "alive"]
        nodes = [name for name, tags in named if isinstance(tags, dict) and tags.get("role") == role]
        if query == "backup_status":
            return [(node, told(self.states)) for node in nodes]
        said = {node: self.answers.get(node, answer(host=node[:20])) for node in nodes}
        return [(node, json.dumps(line).encode()) for node, line in said.items() if line is not None]
