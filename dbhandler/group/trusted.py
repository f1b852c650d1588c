"""Which members count as nodes of the cluster: those that prove it, where its nodes have a secret in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dbhandler.group.node import Holds, Mode, Node, nodes_of
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer

UNPROTECTED = (
    "the nodes of this cluster know each other by name only, and nothing between them is encrypted: whoever reaches "
    "their network can read and change all data"
)
"""What its owner has to know of a cluster without a secret."""
PATIENCE = 15.0
"""Seconds within which a node's agent has surely proved what its Serf agent says from the beginning: until then it may
hold anything, afterwards it is a stranger."""


MOST = 32
"""Names for which that is waited for, in the life of a process: whoever makes them up may make as many as he likes."""


class TrustedNodes:
    """Reads the nodes of `cluster` from members, with the eyes of one that believes the pools; everybody where there
    are none."""

    def __init__(self, cluster: str, pools: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._believer, self._clock = cluster, Believer(pools), clock
        self._unproven_since: dict[str, float] = {}
        self._met: set[str] = set()
        self.strangers: list[str] = []
        """Live members, by name, that say they are nodes, and do not count: they have proved nothing for PATIENCE."""

    def of(self, members: Iterable[Member]) -> list[Node]:
        """The nodes, dead ones too. One that has proved nothing yet is there with the mode `unknown`, for PATIENCE."""
        members = list(members)
        unproven = {member.name for member in self._believer.unproven(members)}
        now = self._clock()
        self._unproven_since = {name: self._unproven_since.get(name, now) for name in unproven}
        self._met |= {name for name in sorted(unproven) if len(self._met) < MOST}
        patient = {name for name in unproven & self._met if now - self._unproven_since[name] < PATIENCE}
        strange = [node for node in members if node.alive and node.group == self._cluster]
        self.strangers = sorted(node.name for node in strange if node.name in unproven - patient)
        nodes = nodes_of([member for member in members if member.name not in unproven - patient], self._cluster)
        return [_doubted(node) if node.name in patient else node for node in nodes]


def _doubted(node: Node) -> Node:
    unknown = Node(f"({node.name})", Mode.UNKNOWN, Holds.FOREIGN)
    return replace(unknown, name=node.name, host=node.host, alive=node.alive)
