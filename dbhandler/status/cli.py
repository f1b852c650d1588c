"""dbhandler-status: the servers of the cluster on the command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn, TextIO

from dbhandler import edge, paths
from dbhandler.command import Parser, seconds
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown
from dbhandler.serf import access as rpc_access
from dbhandler.serf.access import connect_first
from dbhandler.serf.presence import SerfPresence
from dbhandler.settings.pool import trusted_pools
from dbhandler.status.backups import Backups, backups
from dbhandler.status.servers import FAILED, ServerStatus, all_ready, cluster_status
from dbhandler.status.table import backup_table, table

EX_NOT_READY = 1
WATCH_INTERVAL = 2.0
"""Seconds."""
CLEAR = "\x1b[H\x1b[2J"
_EPILOG = """\
The Serf agent's RPC key comes from SERF_RPC_AUTH or SERF_RPC_AUTH_FILE; inside the database container it is known.
A server that left in order stands in the table, but does not count for the exit status. One that failed does, until it
is back, or `dbhandler-pool forget NODE` says that it never comes back.
Where a backup is a member, a second table says how far each server's goes, and when it was proven last: times are UTC,
and what is wrong does not count for the exit status.
Lines are cut to the width of the terminal, or to COLUMNS.

exit status: 0 all servers are ready, 1 one is not, 64 wrong usage, 69 no Serf agent or no live server,
77 denied (the RPC key), 70 something else failed
"""

Seen = tuple[Sequence[ServerStatus], Backups]
Ask = Callable[[], Seen]
Show = Callable[[Seen, TextIO], None]


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    stdout: TextIO | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    return edge.carried_out("dbhandler-status", lambda: _run(options, environ, stdout or sys.stdout, sleep))


def _run(options: argparse.Namespace, environ: Mapping[str, str], out: TextIO, sleep: Callable[[float], None]) -> int:
    ask, show = _asker(options.rpc_addr, environ), _json if options.json else _table(environ)
    if options.watch is None:
        return _once(ask, show, out)
    return watch(ask, show, options.watch, out, sleep)


def watch(ask: Ask, show: Show, pause: float, out: TextIO, sleep: Callable[[float], None]) -> NoReturn:
    """Shows the servers again and again, `pause` seconds after each answer, with the time; a terminal is cleared each
    time."""
    while True:
        if show is not _json:
            out.write(f"{CLEAR if out.isatty() else ''}{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}\n")
        _once(ask, show, out)
        sleep(pause)
        if not (out.isatty() or show is _json):
            out.write("\n")


def _once(ask: Ask, show: Show, out: TextIO) -> int:
    """Shows the servers once; returns the exit status."""
    try:
        seen = statuses, backed_up = ask()
        show(seen, out)
        out.flush()
        if failed := [shown(status.node) for status in statuses if status.state == FAILED]:
            _say(f"failed: {', '.join(failed)}; `dbhandler-pool forget NODE` forgets one that never comes back")
        if unprotected := [shown(status.node) for status in statuses if status.unprotected]:
            names = ", ".join(unprotected)
            _say(f"of a cluster without a pool's secret: {names}; whoever reaches its network can read and change all")
        for complaint in backed_up.complaints:
            _say(complaint)
        if not any(status.alive for status in statuses):
            raise Unavailable("there is no live database server in the Serf cluster")
    except DbHandlerError as error:
        # Also where it is shown again and again: the next look may find one.
        _say(str(error))
        return edge.exit_status(error)
    return os.EX_OK if all_ready(statuses) else EX_NOT_READY


def _json(seen: Seen, out: TextIO) -> None:
    statuses, of_node = seen[0], seen[1].of_node
    states = [asdict(of_node[status.node]) if status.node in of_node else None for status in statuses]
    rows = [
        {**asdict(status), "ready": status.ready, "backup": state}
        for status, state in zip(statuses, states, strict=True)
    ]
    out.write(json.dumps(rows, ensure_ascii=True) + "\n")


def _table(environ: Mapping[str, str]) -> Show:
    def show(seen: Seen, out: TextIO) -> None:
        (statuses, backed_up), width = seen, _width(environ, out)
        parts = [table(statuses, width) if statuses else "", backup_table(backed_up, width)]
        out.write("\n".join(filter(None, parts)))

    return show


def _width(environ: Mapping[str, str], out: TextIO) -> int | None:
    """How many characters fit into a line; None for a file or a pipe, whose reader wants all of them."""
    if re.fullmatch("[1-9][0-9]{0,5}", environ.get("COLUMNS", "")):
        return int(environ["COLUMNS"])
    return shutil.get_terminal_size().columns if out.isatty() else None


def _say(sentence: str) -> None:
    edge.say("dbhandler-status", sentence)


def _asker(rpc_addr: str | None, environ: Mapping[str, str]) -> Ask:
    addresses, key = rpc_access.addresses(rpc_addr, environ), rpc_access.auth_key(environ)
    presence, pools = SerfPresence(Path(paths.run_dir(environ))), trusted_pools(environ)

    def ask() -> Seen:
        try:
            with connect_first(addresses, key) as serf:
                return cluster_status(serf, pools=pools), backups(serf, pools=pools)
        except Unavailable as error:
            # In a container with an agent of its own, which cannot be asked.
            if rpc_addr or not presence.end:
                raise
            raise Unavailable(f"{error}; {presence.end}") from error

    return ask


def _parser() -> Parser:
    parser = Parser(
        prog="dbhandler-status",
        description="Shows how every database server of a Serf cluster is.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("--watch", type=seconds(0.1, 86400), nargs="?", const=WATCH_INTERVAL, metavar="SECONDS",
        help="show it again every SECONDS (default: %(const)s), until interrupted")  # fmt: skip
    add("--json", action="store_true", help="one line of JSON: a list with one object per server")
    parser.add_rpc_addr()
    return parser
