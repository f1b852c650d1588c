"""HAProxy as the proxy needs it: its configuration, and its runtime interface, which changes servers without a restart.

Source: HAProxy 3.0 Management Guide, 9.3 ("Unix Socket commands"), and its Configuration Manual.
"""

from __future__ import annotations

import csv
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbhandler.errors import Unavailable
from dbhandler.inventory import InRun

SLOTS = 64
"""Servers that HAProxy holds ready, without an address until a node gets one."""
TIMEOUT = 5.0

_SUMS = ("FRONTEND", "BACKEND")
"""Lines of HAProxy's statistics that stand for no server."""

_CONFIGURATION = """\
global
  stats socket {socket} mode 600 level admin
defaults
  mode tcp
  timeout connect 1s
  # As long as MySQL keeps an idle connection by itself.
  timeout client 8h
  timeout server 8h
  retries 3
  option redispatch 1
  # A node that is gone answers no probe: the kernel ends its connections, at rest or not, after about 3 s.
  option srvtcpka
  srvtcpka-idle 1s
  srvtcpka-intvl 1s
  srvtcpka-cnt 2
frontend mysql
  bind :3306
  default_backend nodes
backend nodes
  balance {balance}
  # The group's port: it listens only while the server runs, and a check there leaves no line in the server's log.
  # Not `on-marked-down shutdown-sessions`: a connection that is only being made then would hang (HAProxy 3.0.11).
  default-server check port 4567 inter 500ms fastinter 200ms fall 2 rise 2
  # `tcp-ut` counts here only, not among the defaults.
  server-template node 1-{slots} 127.0.0.1:3306 disabled tcp-ut 2s
"""


def control_socket(run_dir: Path) -> Path:
    """Where HAProxy takes orders."""
    return run_dir / InRun.HAPROXY_SOCKET


@dataclass(frozen=True)
class Change:
    """One server's new state: the node with its address, or nobody (node None)."""

    slot: int
    node: str | None
    host: str = ""
    port: int = 0
    was: str = ""

    def __str__(self) -> str:
        # HAProxy's own lines call it by the number.
        what = f"{self.node} serves at {self.host}:{self.port}" if self.node else f"{self.was} serves no more"
        return f"{what} (node{self.slot})"


class Slots:
    """Which node has which of HAProxy's servers.

    HAProxy prefers the first one that is up, so a node that comes back is put behind those that went on: the writer
    changes only when it is gone.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken: dict[int, tuple[str, tuple[str, int]]] = {}

    def changes(self, ready: Mapping[str, tuple[str, int]]) -> Iterator[Change]:
        """What has to change so that the ready nodes (name -> host and port), and no others, have servers."""
        for slot, (name, address) in sorted(self._taken.items()):
            if ready.get(name) != address:
                yield Change(slot, None, was=name)
                del self._taken[slot]
        there = {name for name, _ in self._taken.values()}
        for name in sorted(set(ready) - there):
            if (free := self._free()) is not None:
                yield Change(free, name, *ready[name])
                self._taken[free] = name, ready[name]

    def _free(self) -> int | None:
        last = max(self._taken, default=0)
        behind = [slot for slot in range(last + 1, self._count + 1) if slot not in self._taken]
        before = [slot for slot in range(1, last) if slot not in self._taken]
        return next(iter([*behind, *before]), None)


class HaProxy:
    """A running HAProxy, by its socket. Raises Unavailable when it does not do what it is told."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def carry_out(self, change: Change) -> None:
        """Gives a server its node, or takes it from service and ends its connections."""
        server = f"nodes/node{change.slot}"
        if change.node is None:
            self._tell(f"set server {server} state maint")
            self._tell(f"shutdown sessions server {server}")
            return
        self._tell(f"set server {server} addr {change.host} port {change.port}")
        self._tell(f"set server {server} state ready")

    def serving(self) -> list[str]:
        """The addresses (host:port) of the servers that get connections."""
        rows = csv.DictReader(self._ask("show stat").removeprefix("# ").splitlines())
        return [row["addr"] for row in rows if row["svname"] not in _SUMS and row["status"].startswith("UP")]

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


def configuration(socket_path: Path, all_write: bool) -> str:
    """The text of HAProxy's configuration file. all_write: every node gets connections, not only the first."""
    balance = "leastconn" if all_write else "first"
    return _CONFIGURATION.format(socket=socket_path, balance=balance, slots=SLOTS)
