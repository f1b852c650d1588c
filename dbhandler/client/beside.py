"""What --ttl and --rotate-every of dbhandler-request mean: at its start, and while a program runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbhandler.client import accounts, asking
from dbhandler.client.connection import Connection
from dbhandler.client.state import StateFile
from dbhandler.client.upkeep import Chore, Rotation, Upkeep, renewal, rotation
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown

PATIENCE = 15.0
"""Seconds for which one try goes on in the background: another node may be asked in that time."""


class Keeper:
    """Keeps what was asked for alive, and its password young. ways are how a Serf agent is reached (rpc_addr,
    rpc_auth), ca_file is where the server's certificate goes; tell gets sentences, hand_out how to connect whenever
    that is changed."""

    def __init__(
        self,
        options: argparse.Namespace,
        ways: Mapping[str, Any],
        ca_file: Path | None,
        tell: Callable[[str], None],
        hand_out: Callable[[Connection], object],
    ) -> None:
        self._options, self._ways, self._ca_file, self._tell, self._hand_out = options, ways, ca_file, tell, hand_out
        self._keep_old = asking.KEEP_OLD if options.keep_old is None else options.keep_old

    def begun(self, connection: Connection) -> Connection:
        """How to connect from now on: the password is another one where it was too old. Raises as rotate_password, and
        InvalidRequest for an end that others have to prolong."""
        options = self._options
        if options.ttl and connection.ends_in is None:
            self._tell(f"{shown(connection.database)} has no end: --ttl counts where a database is made")
        elif options.ttl and not options.role and options.state and StateFile(options.state).known().role is not None:
            raise InvalidRequest(
                f"the account {shown(connection.user)} was given by an owner: --ttl needs --role and --owner-state FILE"
            )
        rotated = self._rotated(options.timeout) if options.rotate_every else None
        return replace(rotated, ends_in=connection.ends_in) if rotated else connection

    def run(self, connection: Connection, command: Sequence[str], environ: Mapping[str, str]) -> int | None:
        """Runs a command with this connection and environment to its end, and sees to both meanwhile; returns its exit
        status, None where there is nothing to see to. Raises InvalidRequest for a command that cannot be run."""
        chores = [*self._renewals(connection), *self._rotations(connection)]
        if not chores:
            return None
        # Only here: a call by cron runs nothing.
        from dbhandler.client.running import run

        return run(command, environ, Upkeep(chores, self._tell))

    def _renewals(self, connection: Connection) -> list[Chore]:
        if self._options.ttl is None or connection.ends_in is None:
            return []
        return [renewal(self._renew, self._options.ttl, connection.ends_in, time.monotonic())]

    def _renew(self) -> None:
        options = self._options
        accounts.renew(
            ttl=options.ttl, owner_state_file=options.owner_state if options.role else options.state,
            state_file=options.state,
            ca_file=self._ca_file, timeout=min(self._patience, options.ttl / 6), **self._ways,
        )  # fmt: skip

    def _rotations(self, connection: Connection) -> list[Chore]:
        age = self._options.rotate_every
        if age is None:
            return []
        file, rotated = StateFile(self._options.state), lambda: self._rotated(self._patience)
        kept_young = Rotation(file, age, rotated, self._ask, self._changed, connection.password)
        return [rotation(kept_young, age, time.monotonic())]

    def _rotated(self, timeout: float) -> Connection | None:
        """How to connect where the password was too old, and is another one now."""
        addr, auth, state = self._ways["rpc_addr"], self._ways["rpc_auth"], self._options.state
        client = asking.client_for(addr, auth, state, timeout, asking.silent, self._ca_file)
        return client.rotate_if_older(self._options.rotate_every, self._keep_old)

    def _ask(self) -> Connection:
        options = self._options
        return asking.request_database(
            options.name, user=options.user, state_file=options.state, ca_file=self._ca_file, timeout=self._patience,
            **self._ways,
        )  # fmt: skip

    def _changed(self, connection: Connection) -> None:
        self._hand_out(connection)
        files = self._options.files
        more = f"so are the files in {files}" if files else f"that of before is valid for {self._keep_old} s more"
        self._tell(f"the password is changed, and {more}")

    @property
    def _patience(self) -> float:
        return min(PATIENCE, float(self._options.timeout))
