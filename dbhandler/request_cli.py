"""dbhandler-request: the client's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from dbhandler import client, files
from dbhandler.command import EX_INTERRUPTED, Parser, exit_status
from dbhandler.connection import FORMATS, Connection
from dbhandler.errors import DbHandlerError, InvalidRequest
from dbhandler.setting import read_setting

_EPILOG = """\
The Serf agent's RPC key comes from SERF_RPC_AUTH or SERF_RPC_AUTH_FILE.

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
    # A container's first process gets no signal that it has no handler for: `docker stop` would have to kill it.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        connection = _carry_out(options, environ)
        if connection is None:
            return os.EX_OK
        if options.files:
            write_files(options.files, connection.variables(options.env_prefix))
        if command:
            _exec(command, {**environ, **connection.variables(options.env_prefix)})
        if not options.files or options.format:
            (stdout or sys.stdout).write(FORMATS[options.format or "env"](connection, options.env_prefix))
    except DbHandlerError as error:
        print(f"dbhandler-request: {error}", file=sys.stderr)
        return exit_status(error)
    except OSError as error:
        print(f"dbhandler-request: {error.filename or 'cannot write'}: {error.strerror}", file=sys.stderr)
        return os.EX_SOFTWARE
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    return os.EX_OK


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


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


def _carry_out(options: argparse.Namespace, environ: Mapping[str, str]) -> Connection | None:
    auth = read_setting(environ, "SERF_RPC_AUTH")
    progress = ProgressLines(sys.stderr)
    if options.rotate or options.drop:
        if not options.state:
            raise InvalidRequest("--rotate and --drop need --state FILE: it proves whose the database is")
        act = client.rotate_password if options.rotate else client.drop_database
        return act(
            state_file=options.state,
            rpc_addr=options.rpc_addr,
            rpc_auth=auth,
            timeout=options.timeout,
            progress=progress,
        )
    if options.name is None:
        raise InvalidRequest("the name of a database is missing (--help tells more)")
    return client.request_database(
        options.name, user=options.user, state_file=options.state, rpc_addr=options.rpc_addr, rpc_auth=auth,
        timeout=options.timeout, charset=options.charset, collation=options.collation, progress=progress,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="dbhandler-request",
        usage="%(prog)s NAME [options] [-- COMMAND ...]\n       %(prog)s --rotate|--drop --state FILE [options]",
        description="Asks the database servers of a Serf cluster for a database with an account of its own,\n"
        "and prints how to connect, or runs COMMAND with that in its environment.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the database")
    add("--state", type=Path, metavar="FILE", help="keeps the account for the next run; give one unless you only try")
    add("--user", help="the account's name (default: NAME)")
    add("--format", choices=sorted(FORMATS), help="how to print the connection (default: env)")
    add("--env-prefix", default="DB_", metavar="PREFIX", help="how variables begin (default: %(default)s)")
    add("--files", type=Path, metavar="DIR", help="write one private file per variable, for images with VAR_FILE")
    add("--charset", help="the database's character set (default: utf8mb4)")
    add("--collation", help="the database's collation")
    add("--rpc-addr", metavar="HOST:PORT", help="the Serf agent's RPC (default: SERF_RPC_ADDR, else 127.0.0.1:7373 "
        "or a linked serf_agent)")  # fmt: skip
    add("--timeout", type=_seconds, default=client.TIMEOUT, help="seconds to wait for a server (default: %(default)s)")
    lifecycle = parser.add_mutually_exclusive_group()
    lifecycle.add_argument("--rotate", action="store_true", help="give the account of --state a new password")
    lifecycle.add_argument("--drop", action="store_true", help="drop the database of --state")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


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
