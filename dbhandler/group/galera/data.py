"""What a data directory holds, as Galera sees it: nothing, a position in a cluster's history, or foreign data."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dbhandler import files
from dbhandler.errors import DbHandlerError
from dbhandler.group.engine import Position
from dbhandler.group.node import UUID, Holds
from dbhandler.group.transactions import Transactions
from dbhandler.volume import belonging, template, tls
from dbhandler.volume.belonging import STATE_FILE
from dbhandler.volume.data_dir import MARKER, STAMP, UNKEYED, held_by_server

logger = logging.getLogger(__name__)

TRANSFER_FOLDER, TRANSFER_FILE = ".sst", "sst_in_progress"
"""What wsrep_sst_mariabackup removes when it has taken all data."""
NO_POSITION = "# GALERA saved state\nversion: 2.1\nuuid:    00000000-0000-0000-0000-000000000000\nseqno:   -1\n"
"""Galera's own way to say that the data around it are worth nothing."""

RECOVERY_TIMEOUT = 3600.0
"""Seconds. InnoDB may have much to recover; nobody is served meanwhile in any case."""

_SEQNO = re.compile(r"-1|[0-9]{1,19}")
_LINE = re.compile(r"^(\w+):\s*(\S+)\s*$", re.MULTILINE)
_RECOVERED = re.compile(r"WSREP: Recovered position:? ([0-9a-f-]{36}):(-?\d+)")
_NO_UUID = "00000000-0000-0000-0000-000000000000"


class DataDir:
    """The data directory `path` of a node of `cluster`.

    recover runs the server so that it tells its recovered position, and returns what it printed; first_start does the
    first start's work on a directory that is filled.
    """

    def __init__(
        self,
        path: Path,
        cluster: str,
        engine: str,
        archive: Path,
        recover: Callable[[], str],
        first_start: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._path, self._engine, self._archive, self._recover = path, engine, archive, recover
        self._first_start = first_start

    def position(self) -> Position:
        """Where this node is, recovering what a crash has left. Raises DbHandlerError or OSError."""
        own, filling = belonging.read(self._path), (self._path / MARKER).exists()
        if own.left is not None and not filling and (own.aside or held_by_server(self._path)):
            return Position(Holds.LEFT if own.left == self._cluster else Holds.FOREIGN)
        saved = self._saved() if not filling else (_NO_UUID, -1, False)
        if saved is None:
            return Position(Holds.FOREIGN if held_by_server(self._path) else Holds.EMPTY)
        uuid, seqno, last = saved
        if uuid == _NO_UUID:
            return Position(Holds.EMPTY)
        seqno = seqno if seqno >= 0 else self._recovered(uuid)
        return Position(Holds.DATA, uuid, Transactions.up_to(seqno) if seqno >= 0 else None, last)

    def transfer_was_cut(self) -> bool:
        """Did the last run end while it took all data of another node?"""
        return (self._path / TRANSFER_FOLDER).is_dir() or (self._path / TRANSFER_FILE).is_file()

    def prepare_to_begin(self, holds: Holds, new_history: bool = False) -> None:
        """Makes the directory fit for a server that begins a cluster: fills an empty one from the template and does the
        first start's work, and lets Galera begin with data. new_history: begin a history of its own, which nobody takes
        for the former one."""
        if holds == Holds.EMPTY:
            self._fill()
            return
        if (self._path / STATE_FILE).exists():
            self._allow_to_begin(new_history or holds != Holds.DATA)
        tls.ensure_keys(self._engine, self._path)

    def prepare_to_join(self, holds: Holds) -> None:
        """Makes what the server needs that no other node sends, and room for what they send. Raises DbHandlerError or
        OSError."""
        if holds == Holds.LEFT:
            belonging.set_aside(self._path)
        if not (self._path / STAMP).exists():
            files.write_private(self._path / STAMP, UNKEYED)
        tls.ensure_keys(self._engine, self._path)

    def _saved(self) -> tuple[str, int, bool] | None:
        """UUID, seqno and safe_to_bootstrap of the state file; the zero UUID for one that says nothing, None where
        there is none."""
        try:
            values = dict(_LINE.findall((self._path / STATE_FILE).read_text(errors="replace")))
        except FileNotFoundError:
            return None
        uuid, seqno = values.get("uuid", ""), values.get("seqno", "")
        if not (UUID.fullmatch(uuid) and _SEQNO.fullmatch(seqno)):
            return _NO_UUID, -1, False
        return uuid, int(seqno), values.get("safe_to_bootstrap") == "1"

    def _recovered(self, uuid: str) -> int:
        logger.info("recovering the position in the cluster's history: the server was not stopped in order")
        found = _RECOVERED.findall(self._recover())
        if not found:
            raise DbHandlerError("the server does not tell its recovered position: its lines above say why")
        recovered, seqno = found[-1]
        return int(seqno) if recovered == uuid else -1

    def _fill(self) -> None:
        # Whatever a broken transfer has left goes; the marker says so, also to the next run if this one is killed.
        template.fill(self._path, self._archive, partial(tls.ensure_keys, self._engine, self._path))
        # Until Galera has begun, these are no data yet: without this they would pass for those of a server outside
        # any cluster.
        files.write_private(self._path / STATE_FILE, NO_POSITION)
        self._first_start()
        template.finish(self._path)

    def _allow_to_begin(self, new_history: bool) -> None:
        state = self._path / STATE_FILE
        if new_history:
            state.replace(state.with_suffix(".before"))
            return
        text = state.read_text(errors="replace")
        kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("safe_to_bootstrap"))
        files.write_private(state, kept + "safe_to_bootstrap: 1\n")


def recovery(command: Sequence[str], provider: str) -> Callable[[], str]:
    """Runs the server's command line so that it recovers its position and ends; returns what it printed."""
    # It connects to nobody then, but insists on an address.
    address = ("--wsrep-cluster-address=gcomm://127.0.0.1", "--wsrep-sst-method=mariabackup")
    options = ("--wsrep-on=ON", f"--wsrep-provider={provider}", *address, "--binlog-format=ROW", "--wsrep-recover")

    def run() -> str:
        try:
            done = subprocess.run(
                [*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", timeout=RECOVERY_TIMEOUT,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise DbHandlerError(f"the server cannot be run to recover its position: {type(error).__name__}") from error
        if done.returncode or not _RECOVERED.search(done.stdout):
            print(done.stdout, end="", flush=True)
        return done.stdout

    return run
