"""HAProxy's runtime interface, by which its servers are changed without a restart, and which node has which of them.

Source: HAProxy 3.0 Management Guide, 9.3 ("Unix Socket commands").
"""

from __future__ import annotations

import csv
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbhandler.errors import Unavailable
from dbhandler.inventory import InRun
from dbhandler.proxy.configuration import NODE, NODES

TIMEOUT = 5.0
NO_LIMIT = 1_000_000
"""Connections: as many as HAProxy takes in all."""

_FRONTEND = "FRONTEND"
_SUMS = (_FRONTEND, "BACKEND")
"""Lines of HAProxy's statistics that stand for no server."""
_SERVING = ("UP", "no check")


def control_socket(run_dir: Path) -> Path:
    """Where HAProxy takes orders."""
    return run_dir / InRun.HAPROXY_SOCKET


@dataclass(frozen=True)
class Change:
    """One server's new state: the node with its address, or nobody (node None). kind is what such servers are called in
    HAProxy's configuration."""

    slot: int
    node: str | None
    host: str = ""
    port: int = 0
    was: str = ""
    kind: str = NODE

    @property
    def server(self) -> str:
        """What HAProxy calls it."""
        return f"{self.kind}{self.slot}"

    def __str__(self) -> str:
        # HAProxy's own lines call it by the number.
        what = f"{self.node} serves at {self.host}:{self.port}" if self.node else f"{self.was} serves no more"
        return f"{what} ({self.server})"


class Slots:
    """Which node has which of HAProxy's servers of one kind.

    HAProxy prefers the first one that is up, so a node that comes back is put behind those that went on: the writer
    changes only when it is gone.
    """

    def __init__(self, count: int, kind: str = NODE) -> None:
        self._count, self._kind = count, kind
        self._taken: dict[int, tuple[str, tuple[str, int]]] = {}

    def changes(self, ready: Mapping[str, tuple[str, int]]) -> Iterator[Change]:
        """What has to change so that the ready nodes (name -> host and port), and no others, have servers."""
        for slot, (name, address) in sorted(self._taken.items()):
            if ready.get(name) != address:
                yield Change(slot, None, was=name, kind=self._kind)
                del self._taken[slot]
        there = {name for name, _ in self._taken.values()}
        for name in sorted(set(ready) - there):
            if (free := self._free()) is not None:
                yield Change(free, name, *ready[name], kind=self._kind)
                self._taken[free] = name, ready[name]

    def _free(self) -> int | None:
        last = max(self._taken, default=0)
        behind = [slot for slot in range(last + 1, self._count + 1) if slot not in self._taken]
        before = [slot for slot in range(1, last) if slot not in self._taken]
        return next(iter([*behind, *before]), None)


@dataclass(frozen=True)
class Section:
    """What HAProxy says of one of its sections: the addresses (host:port) of the servers that get connections, and
    whether new ones are held."""

    serving: tuple[str, ...] = ()
    is_held: bool = False


class HaProxy:
    """A running HAProxy, by its socket. Raises Unavailable when it does not do what it is told."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def carry_out(self, change: Change, section: str = NODES) -> None:
        """Gives a server its node, or takes it from service and ends its connections."""
        server = f"{section}/{change.server}"
        if change.node is None:
            self._tell(f"set server {server} state maint")
            self._tell(f"shutdown sessions server {server}")
            return
        self._tell(f"set server {server} addr {change.host} port {change.port}")
        self._tell(f"set server {server} state ready")

    def hold(self, section: str) -> None:
        """From now on connections that come wait: the kernel has accepted them, and HAProxy takes none."""
        self._tell(f"set maxconn frontend {section} 0")

    def let_go(self, section: str) -> None:
        """Those that wait go on, and new ones come through."""
        self._tell(f"set maxconn frontend {section} {NO_LIMIT}")

    def sections(self) -> dict[str, Section]:
        """What it says of its sections with servers, by name."""
        rows = list(csv.DictReader(self._ask("show stat").removeprefix("# ").splitlines()))
        held = {row["pxname"] for row in rows if row["svname"] == _FRONTEND and row["slim"] == "0"}
        found: dict[str, Section] = {}
        for name in dict.fromkeys(row["pxname"] for row in rows if row["svname"] != _FRONTEND):
            servers = [row for row in rows if row["pxname"] == name and row["svname"] not in _SUMS]
            found[name] = Section(
                tuple(row["addr"] for row in servers if row["status"].startswith(_SERVING)), name in held
            )
        return found

    def _tell(self, command: str) -> None:
        answer = self._ask(command)
        # It answers with nothing, or with what it has changed.
        if answer and "changed" not in answer and "no need to change" not in answer:
            raise Unavailable(f"haproxy refuses {command!r}: {answer}")

    def _ask(self, command: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT)
                connection.connect(str(self._path))
                connection.sendall(command.encode() + b"\n")
                return b"".join(iter(lambda: connection.recv(4096), b"")).decode(errors="replace").strip()
        except OSError as error:
            raise Unavailable(f"haproxy does not answer: {error.strerror or error}") from error
