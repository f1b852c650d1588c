"""Servers of pools that are played: members whose tags are proven, answers that are signed, and who forges both."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dbhandler.requests.answer import encode
from dbhandler.requests.box import Keys
from dbhandler.requests.signer import Signer
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Prover
from dbhandler.trust.pool import Pool

OURS, THEIRS, NEXT = (Pool([bytes([number]) * 32]) for number in (1, 2, 3))
"""A pool, a stranger's, and what the first one's owner changes to."""
CHANGING = Pool([*NEXT.secrets, *OURS.secrets])
"""Between the two."""


def proven(member: Member, pool: Pool = OURS, clock: Callable[[], float] = time.time) -> Member:
    """The member with the proofs of its tags."""
    return replace(member, tags={**member.tags, **Prover(pool, clock).proofs(member)})


@dataclass
class PlayedServer:
    """A database server of a pool; None is a version that knows of none. `says` is its answer to a query."""

    name: str
    keys: Keys
    pool: Pool | None = OURS
    tags: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    status: str = "alive"

    def member(self) -> Member:
        tags = {"role": "db", "mysql": "ready", "key": self.keys.public, **self.tags}
        member = Member(self.name, f"10.0.0.{ord(self.name[0])}", 7946, self.status, tags)
        return proven(member, self.pool) if self.pool else member

    def answer(self, query: str, payload: bytes) -> bytes:
        status = {"find_db": "absent", "rotate_db": "rotated", "drop_db": "dropped"}.get(query, "created")
        line = encode(self.says.get(query) or {"status": status, "host": self.name, "port": 3306, "user": "x"})
        return Signer(self.pool, self.keys, lambda: None).signed(query, payload, line) if self.pool else line


Forge = Callable[[str, str, bytes, bytes], Sequence[bytes]]


class PlayedCluster:
    """A Serf cluster of played servers; `forge` (node, query, payload, line) says what comes in place of each answer,
    `heard` records (node, query, payload, line)."""

    def __init__(self, *servers: PlayedServer) -> None:
        self.servers = list(servers)
        self.forge: Forge = lambda _node, _query, _payload, line: [line]
        self.heard: list[tuple[str, str, bytes, bytes]] = []

    def __enter__(self) -> PlayedCluster:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def members(self) -> list[Member]:
        return [server.member() for server in self.servers]

    def query(
        self,
        name: str,
        payload: bytes,
        timeout: float,
        nodes: Collection[str] = (),
        tags: object = None,
        again: float | None = None,
    ) -> Iterator[tuple[str, bytes]]:
        # By tag all are asked.
        names = list(nodes) or [server.name for server in self.servers]
        for server in self.servers:
            if server.name in names:
                line = server.answer(name, payload)
                self.heard.append((server.name, name, payload, line))
                for told in self.forge(server.name, name, payload, line):
                    yield server.name, told

    def asked(self) -> list[tuple[str, str]]:
        """Who was asked what."""
        return [(node, query) for node, query, _, _ in self.heard]


def changed(line: bytes, **values: object) -> bytes:
    """The answer with other values, its signature as it was; None takes a field away."""
    fields = {**json.loads(line), **values}
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()
