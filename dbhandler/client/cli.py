"""dbhandler-request: the client's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from dbhandler import edge, files
from dbhandler.client import asking as client
from dbhandler.client.connection import FORMATS, Connection
from dbhandler.client.variables import FIELDS, PREFIX, PRESETS, Variables, assignment, checked_prefix
from dbhandler.command import Parser, seconds
from dbhandler.errors import InvalidRequest
from dbhandler.serf import access as rpc_access
from dbhandler.settings.environment import without_secrets

T = TypeVar("T")

_EPILOG = """\
The Serf agent's RPC key comes from SERF_RPC_AUTH or SERF_RPC_AUTH_FILE. COMMAND gets neither it nor another password of
the servers: they are taken out of its environment.

exit status: 0 done, 64 wrong usage or an invalid request, 69 no Serf agent or no server within the time-out,
75 servers are there but cannot answer for sure yet (try later), 77 denied, 70 the server failed
"""


def main(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None, stdout: TextIO | None = None
) -> int:
    """Entry point; returns the exit status, or replaces this process by COMMAND."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    own, command = _split(argv)
    options = _parser().parse_args(own)
    edge.leave_on(signal.SIGTERM)
    return edge.carried_out("dbhandler-request", lambda: _run(options, command, environ, stdout or sys.stdout))


def _run(options: argparse.Namespace, command: Sequence[str], environ: Mapping[str, str], stdout: TextIO) -> None:
    connection = _carry_out(options, environ, stdout)
    if connection is None:
        return
    variables = Variables(options.env_prefix, options.preset, dict(options.env)).of(connection)
    if options.files:
        write_files(options.files, variables)
    if command:
        # What opens the cluster is no business of the application.
        _exec(command, {**without_secrets(environ), **variables})
    if not options.files or options.format:
        stdout.write(FORMATS[options.format or "env"](connection, variables))


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
            print(f"dbhandler-request: {text} ({now - self._began:.0f} s)", file=self._out, flush=True)
            self._last, self._said = text, now


def _carry_out(options: argparse.Namespace, environ: Mapping[str, str], stdout: TextIO) -> Connection | None:
    auth = rpc_access.auth_key(environ)
    progress = ProgressLines(sys.stderr)
    if options.rotate or options.drop:
        if not options.state:
            raise InvalidRequest("--rotate and --drop need --state FILE: it proves whose the database is")
        ways: Any = {"rpc_addr": options.rpc_addr, "rpc_auth": auth, "timeout": options.timeout, "progress": progress}
        if options.rotate:
            return client.rotate_password(state_file=options.state, ca_file=_ca_file(options), **ways)
        print(client.drop_database(state_file=options.state, **ways), file=stdout)
        return None
    if options.restore_as is not None:
        return _restore(options, auth, progress)
    if options.at or options.restore_state:
        raise InvalidRequest("--at and --restore-state need --restore-as NAME, the name of the new database")
    if options.name is None:
        raise InvalidRequest("the name of a database is missing (--help tells more)")
    return client.request_database(
        options.name, user=options.user, state_file=options.state, rpc_addr=options.rpc_addr, rpc_auth=auth,
        timeout=options.timeout, charset=options.charset, collation=options.collation,
        accept_server=options.accept_server, ca_file=_ca_file(options), progress=progress,
    )  # fmt: skip


def _restore(options: argparse.Namespace, auth: str | None, progress: ProgressLines) -> Connection:
    if not (options.state and options.at):
        raise InvalidRequest("--restore-as needs --state FILE, which proves whose the database is, and --at MOMENT")
    if options.charset or options.collation or options.accept_server:
        raise InvalidRequest("--restore-as goes with none of --charset, --collation and --accept-server")
    # Only here: hardly a start restores.
    from dbhandler.client import restoring

    return restoring.restore_database(
        options.restore_as, at=options.at, state_file=options.state, restore_state=options.restore_state,
        database=options.name, user=options.user, rpc_addr=options.rpc_addr, rpc_auth=auth, timeout=options.timeout,
        ca_file=_ca_file(options), progress=progress,
    )  # fmt: skip


def _ca_file(options: argparse.Namespace) -> Path | None:
    """Where the certificate goes: beside the state file, unless another place is named or the only one."""
    if options.ca_file or options.state or not options.files:
        chosen: Path | None = options.ca_file
        return chosen
    return Path(options.files) / "ca.pem"


def _parser() -> Parser:
    parser = Parser(
        prog="dbhandler-request",
        usage="%(prog)s NAME [options] [-- COMMAND ...]\n       %(prog)s --rotate|--drop --state FILE [options]\n"
        "       %(prog)s [NAME] --restore-as NEW --at MOMENT --state FILE [options] [-- COMMAND ...]",
        description="Asks the database servers of a Serf cluster for a database with an account of its own,\n"
        "and prints how to connect, or runs COMMAND with that in its environment.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the database")
    add("--state", type=Path, metavar="FILE", help="keeps the account for the next run; give one unless you only try")
    add("--user", help="the account's name (default: NAME)")
    add("--format", choices=sorted(FORMATS), help="how to print the connection (default: env)")
    add("--env-prefix", type=_rule(checked_prefix), metavar="PREFIX", help=f"how variables begin (default: {PREFIX})")
    add("--env", type=_rule(assignment), action="append", default=[], metavar="VAR=FIELD",
        help=f"one more variable, with one of {', '.join(FIELDS)} or url:SCHEME; may be repeated")  # fmt: skip
    add("--preset", choices=sorted(PRESETS), help="the variables of a framework, in place of those with PREFIX unless "
        "that is given, too")  # fmt: skip
    add("--files", type=Path, metavar="DIR", help="write one private file per variable, for images with VAR_FILE")
    add("--ca-file", type=Path, metavar="FILE", help="where the certificate goes by which the server's is verified "
        "(default: beside the state file, with the ending .ca.pem)")  # fmt: skip
    add("--charset", help="the database's character set (default: utf8mb4)")
    add("--collation", help="the database's collation")
    parser.add_rpc_addr()
    add("--timeout", type=seconds(0, 86400 * 365), default=client.TIMEOUT, metavar="SECONDS",
        help="how long to wait for a server (default: %(default)s)")  # fmt: skip
    add("--accept-server", metavar="SERVER", help="trust SERVER in place of the server of --state: it has that one's "
        "data and says so, but has lost its state volume")  # fmt: skip
    lifecycle = parser.add_mutually_exclusive_group()
    lifecycle.add_argument("--rotate", action="store_true", help="give the account of --state a new password")
    lifecycle.add_argument("--drop", action="store_true", help="drop the database of --state; tells where its dump is")
    lifecycle.add_argument("--restore-as", metavar="NEW", help="make the database NEW, with an account of its own, of "
        "what that of --state held at the moment of --at; all other options are about NEW")  # fmt: skip
    add("--at", metavar="MOMENT", help="a time (UTC, or with its offset; fractions of a second count), a GTID, "
        "before:GTID, or latest")  # fmt: skip
    add("--restore-state", type=Path, metavar="FILE", help="keeps the account of NEW (default: NEW.json beside "
        "--state's)")  # fmt: skip
    return parser


def _rule(check: Callable[[str], T]) -> Callable[[str], T]:
    """argparse tells the sentence of its own kind of error only."""

    def checked(text: str) -> T:
        try:
            return check(text)
        except InvalidRequest as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


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
