"""dbhandler-status: the servers of the cluster on the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import NoReturn, TextIO

from dbhandler import rpc_access
from dbhandler.client import connect_first
from dbhandler.command import EX_INTERRUPTED, Parser, exit_status
from dbhandler.errors import ConfigError, DbHandlerError, Unavailable
from dbhandler.status import ServerStatus, all_ready, cluster_status
from dbhandler.status_table import table

EX_NOT_READY = 1
WATCH_INTERVAL = 2.0
"""Seconds."""
CLEAR = "\x1b[H\x1b[2J"
_EPILOG = """\
The Serf agent's RPC key comes from SERF_RPC_AUTH or SERF_RPC_AUTH_FILE; inside the database container it is known.
A server that failed or left stands in the table, but only live ones count for the exit status.

exit status: 0 all live servers are ready, 1 one is not, 64 wrong usage, 69 no Serf agent or no live server,
77 denied (the RPC key), 70 something else failed
"""

Ask = Callable[[], list[ServerStatus]]


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    stdout: TextIO | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    out = stdout or sys.stdout
    try:
        ask = _asker(options.rpc_addr, os.environ if environ is None else environ)
        if options.watch is None:
            return _once(ask, options.json, out)
        return watch(ask, options.watch, options.json, out, sleep)
    except ConfigError as error:
        return _complain(error)
    except BrokenPipeError:
        # Whoever read, `head` say, has enough; nor may the interpreter try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return os.EX_OK
    except KeyboardInterrupt:
        return EX_INTERRUPTED


def watch(ask: Ask, seconds: float, as_json: bool, out: TextIO, sleep: Callable[[float], None]) -> NoReturn:
    """Shows the servers again and again, `seconds` after each answer; a terminal is cleared each time."""
    while True:
        if out.isatty() and not as_json:
            out.write(CLEAR)
        _once(ask, as_json, out)
        sleep(seconds)
        if not (out.isatty() or as_json):
            out.write("\n")


def _once(ask: Ask, as_json: bool, out: TextIO) -> int:
    """Shows the servers once; returns the exit status."""
    try:
        statuses = ask()
        _show(statuses, as_json, out)
        if not any(status.alive for status in statuses):
            raise Unavailable("there is no live database server in the Serf cluster")
    except DbHandlerError as error:
        return _complain(error)
    return os.EX_OK if all_ready(statuses) else EX_NOT_READY


def _show(statuses: Sequence[ServerStatus], as_json: bool, out: TextIO) -> None:
    if as_json:
        rows = [{**asdict(status), "ready": status.ready} for status in statuses]
        out.write(json.dumps(rows, ensure_ascii=True) + "\n")
    elif statuses:
        out.write(table(statuses))
    out.flush()


def _complain(error: DbHandlerError) -> int:
    print(f"dbhandler-status: {error}", file=sys.stderr, flush=True)
    return exit_status(error)


def _asker(rpc_addr: str | None, environ: Mapping[str, str]) -> Ask:
    addresses, key = rpc_access.addresses(rpc_addr, environ), rpc_access.auth_key(environ)

    def ask() -> list[ServerStatus]:
        with connect_first(addresses, key) as serf:
            return cluster_status(serf)

    return ask


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="dbhandler-status",
        description="Shows how every database server of a Serf cluster is.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--watch", type=_seconds, nargs="?", const=WATCH_INTERVAL, metavar="SECONDS", help="show it again every "
        "SECONDS (default: %(const)s), until interrupted")  # fmt: skip
    add("--json", action="store_true", help="one line of JSON: a list with one object per server")
    add("--rpc-addr", metavar="HOST:PORT", help="the Serf agent's RPC (default: SERF_RPC_ADDR, else 127.0.0.1:7373 "
        "or a linked serf_agent)")  # fmt: skip
    return parser


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0.1 <= float(text) <= 86400:
            return float(text)
    raise argparse.ArgumentTypeError(f"SECONDS has to be a number from 0.1 to 86400, not {text!r}")
