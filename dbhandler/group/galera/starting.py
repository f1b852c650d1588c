"""How a node of a Galera cluster starts (group/engine.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from dbhandler import files
from dbhandler.engine.private_server import TETHER
from dbhandler.first_start.work import FirstStartWork
from dbhandler.group.decision import Decision
from dbhandler.group.engine import Position
from dbhandler.group.galera.data import DataDir, recovery
from dbhandler.group.galera.options import numbering, server_options, transfer_environment, transfer_file
from dbhandler.group.galera.transfer import end_remains
from dbhandler.group.node import Holds, Node
from dbhandler.group.volume import PROVIDER
from dbhandler.inventory import InRun
from dbhandler.settings.config import Config
from dbhandler.volume import belonging

SENDER_PATIENCE = 10.0
"""Seconds after which the sender of a transfer that was cut has surely given up (it tries for 4 s, see the Dockerfile).
It would find the receiver of the next transfer, and both would fail; so would, by the sender left over, every later
one."""


class GaleraStarting:
    """The engine's part in the start of a node of `cluster`. enter notes that the volumes are the cluster's, certify
    makes what the node needs for TLS at an address (None: the nodes do without). tls_dir is the folder of those files.
    numbered: the nodes write binary logs."""

    kind = "mariadb"
    one_by_one = True

    def __init__(
        self,
        cluster: str,
        data: DataDir,
        enter: Callable[[], None],
        tls_dir: Path | None = None,
        numbered: bool = False,
        certify: Callable[[str], str] | None = None,
    ) -> None:
        self._cluster, self._data, self._enter = cluster, data, enter
        self._tls_dir, self._numbered, self._certify = tls_dir, numbered, certify

    def position(self) -> Position:
        return self._data.position()

    def settling(self) -> tuple[float, str]:
        if not self._data.transfer_was_cut():
            return 0.0, ""
        return SENDER_PATIENCE, "the transfer of another node's data was cut: waiting until its sender has given up"

    def obstacle(self, _node: Node, _peers: Sequence[Node]) -> Decision | None:
        # Its history has one number for each change: who joins cannot be ahead of who serves.
        return None

    def begin(self, node: Node, position: Position, new_history: bool) -> list[str]:
        self._data.prepare_to_begin(position.holds, new_history)
        self._enter()
        return [*self._options(node, ()), *([] if new_history else _start(position)), "--wsrep-new-cluster"]

    def join(self, node: Node, position: Position, peers: Sequence[Node]) -> list[str]:
        self._data.prepare_to_join(position.holds)
        self._enter()
        return [*self._options(node, peers), *_start(position)]

    def launch(self, command: Sequence[str], host: str) -> tuple[Sequence[str], Mapping[str, str]]:
        if self._certify:
            command = [command[0], self._certify(host), *command[1:]]
        return command, transfer_environment(host)

    def _options(self, node: Node, peers: Sequence[Node]) -> list[str]:
        options = server_options(self._cluster, node, peers, self._tls_dir)
        return options + (numbering(self._cluster, node) if self._numbered else [])


def _start(position: Position) -> list[str]:
    known = position.holds == Holds.DATA and position.has is not None
    return [f"--wsrep-start-position={position.uuid}:{position.has}"] if known else []


def starting(cluster: str, config: Config, command: Sequence[str], environ: Mapping[str, str]) -> GaleraStarting:
    """That of this container, whose server's command line is `command`; what a cut transfer has left is ended."""
    first = FirstStartWork(config, command, environ, beside_others=True)
    recover = recovery([*TETHER, *command], PROVIDER)
    data = DataDir(config.data_dir, cluster, config.engine, config.template, recover, lambda: first.do(environ))
    enter = partial(belonging.enter, config.data_dir, config.state_dir, cluster)
    end_remains()
    if not config.pool_secrets:
        return GaleraStarting(cluster, data, enter, numbered=bool(config.binlog))
    return GaleraStarting(cluster, data, enter, config.data_dir, bool(config.binlog), partial(_certified, config))


def _certified(config: Config, host: str) -> str:
    """Gives the node what it needs for TLS between the nodes; returns the option that makes state transfers use it."""
    # Only here: without a secret nobody needs it.
    from dbhandler.volume.certificate import ServerCertificate, server_names

    ServerCertificate(config.data_dir, config.pool_secrets).ensure(server_names(config, host))
    file = config.run_dir / InRun.TRANSFER_CONF
    files.write_private(file, transfer_file(config.data_dir))
    return f"--defaults-extra-file={file}"
