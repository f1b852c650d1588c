"""dbhandler-request: the client's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO

from dbhandler import edge, files
from dbhandler.client import asking as client
from dbhandler.client.connection import FORMATS, Connection
from dbhandler.client.options import check, is_owners, parser
from dbhandler.client.variables import Variables
from dbhandler.errors import InvalidRequest
from dbhandler.serf import access as rpc_access
from dbhandler.settings.environment import without_secrets

PROGRAM = "dbhandler-request"

Beside = Callable[[Sequence[str], Mapping[str, str]], int | None]
"""Runs a command, with an environment, as a child, and returns its exit status; None where there is nothing to be done
beside it."""


def main(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None, stdout: TextIO | None = None
) -> int:
    """Entry point; returns the exit status, that of COMMAND where something is done beside it, or replaces this process
    by COMMAND."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    own, command = _split(argv)
    options = parser().parse_args(own)
    edge.leave_on(signal.SIGTERM)
    return edge.carried_out(PROGRAM, lambda: _run(options, command, environ, stdout or sys.stdout))


def _run(options: argparse.Namespace, command: Sequence[str], environ: Mapping[str, str], stdout: TextIO) -> int | None:
    check(options, command)
    ways = {"rpc_addr": options.rpc_addr, "rpc_auth": rpc_access.auth_key(environ)}
    asking = {**ways, "timeout": options.timeout, "progress": ProgressLines(sys.stderr)}
    if options.drop or is_owners(options):
        stdout.write(_told(options, asking))
        return None
    connection, beside = _lasting(options, _connection(options, asking), ways)
    variables = _handed_out(options, connection)
    if command:
        # What opens the cluster is no business of the application.
        own = {**without_secrets(environ), **variables}
        status = beside(command, own)
        return _exec(command, own) if status is None else status
    if not options.files or options.format:
        stdout.write(FORMATS[options.format or "env"](connection, variables))
    return None


def _told(options: argparse.Namespace, asking: Mapping[str, Any]) -> str:
    """What is printed of that which leaves nothing to connect with."""
    if options.drop:
        return f"{client.drop_database(state_file=options.state, **asking)}\n"
    # Only here: hardly a start is about others' accounts.
    from dbhandler.client import sharing

    return sharing.carried_out(options, asking)


def _connection(options: argparse.Namespace, asking: Mapping[str, Any]) -> Connection:
    """What is asked for."""
    if options.rotate:
        keep_old = client.KEEP_OLD if options.keep_old is None else options.keep_old
        return client.rotate_password(state_file=options.state, ca_file=_ca_file(options), keep_old=keep_old, **asking)
    if options.restore_as is not None:
        return _restored(options, asking)
    if options.copy_of is not None:
        # As above.
        from dbhandler.client import copying

        return copying.asked(options, asking)
    if options.role:
        # As above.
        from dbhandler.client import sharing

        return sharing.given(options, asking, _ca_file(options))
    return client.request_database(
        options.name, user=options.user, state_file=options.state, charset=options.charset,
        collation=options.collation, accept_server=options.accept_server, ca_file=_ca_file(options), ttl=options.ttl,
        where=options.where, **asking,
    )  # fmt: skip


def _restored(options: argparse.Namespace, asking: Mapping[str, Any]) -> Connection:
    # Only here: hardly a start restores.
    from dbhandler.client import restoring

    return restoring.restore_database(
        options.restore_as, at=options.at, state_file=options.state, restore_state=options.restore_state,
        database=options.name, user=options.user, ca_file=_ca_file(options), **asking,
    )  # fmt: skip


def _lasting(options: argparse.Namespace, connection: Connection, ways: Mapping[str, Any]) -> tuple[Connection, Beside]:
    """The connection, its password changed where it is too old, and what runs a command while --ttl and --rotate-every
    are seen to."""
    if options.ttl is None and options.rotate_every is None:
        return connection, lambda _command, _environ: None
    # Only here: hardly a start has an end, or looks how old its password is.
    from dbhandler.client.beside import Keeper

    keeper = Keeper(options, ways, _ca_file(options), partial(edge.say, PROGRAM), partial(_handed_out, options))
    connection = keeper.begun(connection)
    return connection, partial(keeper.run, connection)


def _handed_out(options: argparse.Namespace, connection: Connection) -> Mapping[str, str]:
    """The variables that were asked for, written as files where that was asked for, too."""
    variables = Variables(options.env_prefix, options.preset, dict(options.env)).of(connection)
    if options.files:
        write_files(options.files, variables)
    return variables


def write_files(folder: Path, variables: Mapping[str, str]) -> None:
    """Writes one private file per variable, named like it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in variables.items():
        files.write_private(folder / name, value)


class ProgressLines:
    """Tells what is waited for: each new reason at once, the same one again every ten seconds."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock, self._began = out, clock, clock()
        self._last, self._said = "", 0.0

    def __call__(self, text: str) -> None:
        now = self._clock()
        if text != self._last or now - self._said >= 10:
            print(f"{PROGRAM}: {text} ({now - self._began:.0f} s)", file=self._out, flush=True)
            self._last, self._said = text, now


def _ca_file(options: argparse.Namespace) -> Path | None:
    """Where the certificate goes: beside the state file, unless another place is named or the only one."""
    if options.ca_file or options.state or not options.files:
        chosen: Path | None = options.ca_file
        return chosen
    return Path(options.files) / "ca.pem"


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    position = argv.index("--")
    return argv[:position], argv[position + 1 :]


def _exec(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    try:
        os.execvpe(command[0], list(command), dict(environ))
    except OSError as error:
        raise InvalidRequest(f"cannot run {command[0]!r}: {error.strerror}") from error
