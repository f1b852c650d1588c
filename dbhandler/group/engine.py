"""What the two ways to replicate have in common for a node: Galera's and MySQL's Group Replication's (engines.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbhandler.engine.server import Server
from dbhandler.group.decision import Decision
from dbhandler.group.node import Holds, Mode, Node
from dbhandler.group.store import View
from dbhandler.group.transactions import Transactions

GROUP_PORT = 4567
"""Where the servers of a cluster talk with each other, whatever their engine: the proxy looks there, too."""


@dataclass(frozen=True)
class Position:
    """What a data directory holds: of the history uuid, those transactions (None: not known). last says that this node
    was the last one of its cluster to stop, by the engine's own account."""

    holds: Holds
    uuid: str = ""
    has: Transactions | None = None
    last: bool = False


@dataclass(frozen=True)
class Status:
    """What a server says of its place in the cluster: size is how many are in its component, view who, by identity and
    without names (None: it does not say)."""

    mode: Mode
    uuid: str
    size: int
    view: View | None = None


class Starting(Protocol):
    """One engine's part in the start of a node, whose server does not run. Every method raises DbHandlerError or
    OSError."""

    kind: str
    """What the servers are: mariadb or mysql."""
    one_by_one: bool
    """Does a node join only when those before it have?"""

    def position(self) -> Position:
        """Where this node is, recovering what a crash has left."""

    def settling(self) -> tuple[float, str]:
        """Seconds to wait before anything else, and what for."""

    def obstacle(self, node: Node, peers: Sequence[Node]) -> Decision | None:
        """What to do instead of joining these, which serve; None where nothing is in the way."""

    def begin(self, node: Node, position: Position, new_history: bool) -> list[str]:
        """Makes the volumes fit to begin the cluster, notes that they are the cluster's from then on, and returns the
        server's options. new_history: begin one that nobody takes for the former."""

    def join(self, node: Node, position: Position, peers: Sequence[Node]) -> list[str]:
        """As `begin`, to join the peers."""

    def launch(self, command: Sequence[str], host: str) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command line, and what its environment has to have beside, of the server that is at the address host."""


class Running(Protocol):
    """One engine's part while the server runs."""

    notifies: bool
    """Does the server tell by a program of ours (notify.py) who is in its component, and not by its status?"""

    def status(self, server: Server) -> Status:
        """What the server says of its place. Raises Unavailable or ServerError where it says nothing."""
