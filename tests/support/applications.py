"""An application's client on a cluster that is played: servers whose answers a test chooses, no socket, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from dbhandler.client.asking import Client
from dbhandler.client.discovery import find_server
from dbhandler.client.state import StateFile
from dbhandler.requests.box import Keys
from dbhandler.serf.members import Member
from tests.support.fakes import Clock

Answer = Mapping[str, object]


class FakeSerf:
    """A cluster of database servers: `reply` says what each of them answers (None: nothing). `asked` records the
    queries with the names in them, `ways` by which tags they choose who is asked, and when that is done again."""

    def __init__(
        self, members: Sequence[Member], reply: Callable[[str, str, Mapping[str, str]], Answer | None]
    ) -> None:
        self.cluster, self._reply = list(members), reply
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.ways: list[tuple[Mapping[str, str] | None, float | None]] = []

    def __enter__(self) -> FakeSerf:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def members(self) -> list[Member]:
        return self.cluster

    def query(
        self,
        name: str,
        payload: bytes,
        timeout: float,
        nodes: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        again: float | None = None,
    ) -> Iterator[tuple[str, bytes]]:
        self.asked.append((name, tuple(nodes)))
        self.ways.append((tags, again))
        request = json.loads(payload) if payload.startswith(b"{") else {"database": payload.decode()}
        for node in tuple(nodes) or tagged(self.cluster, tags or {}):
            answer = self._reply(name, node, request)
            if answer is not None:
                yield node, json.dumps(answer).encode()


def tagged(members: Sequence[Member], tags: Mapping[str, str]) -> list[str]:
    """The names of the live members with these tags."""
    return [
        member.name
        for member in members
        if member.alive and all(re.search(wanted, member.tags.get(tag, "")) for tag, wanted in tags.items())
    ]


def server(name: str, keys: Mapping[str, Keys], status: str = "alive", mysql: str = "ready") -> Member:
    return Member(name, f"10.0.0.{ord(name)}", 7946, status, {"role": "db", "mysql": mysql, "key": keys[name].public})


def made(name: str, node: str, request: Mapping[str, str]) -> Answer:
    if name == "find_db":
        return {"status": "absent"}
    return {"status": "created", "host": node, "port": 3306}


def client(serf: FakeSerf, state: StateFile, clock: Clock, timeout: float = 30.0) -> Client:
    lines: list[str] = []
    made = Client(lambda: serf, state, timeout, lines.append, clock, clock.advance)  # type: ignore[arg-type, return-value]
    made.lines = lines  # type: ignore[attr-defined]
    return made


def find(serf: FakeSerf, database: str, key: str | None = None) -> Member:
    return find_server(serf, database, key)  # type: ignore[arg-type]
