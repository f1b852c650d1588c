"""dbhandler-console: the cluster as a page in a browser."""

from __future__ import annotations

import logging
import os
import signal
import ssl
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dbhandler import edge, log, passwords, paths
from dbhandler.address import bracketed
from dbhandler.command import Parser
from dbhandler.console import http
from dbhandler.console.actions import Actions
from dbhandler.console.app import Console
from dbhandler.console.doing import Doing
from dbhandler.console.guard import Guard
from dbhandler.console.history import History
from dbhandler.console.inside import Inside, Moving
from dbhandler.console.jobs import Jobs
from dbhandler.console.looking import Looking, shown_moves
from dbhandler.console.measuring import Measuring
from dbhandler.console.pages import Pages
from dbhandler.console.past import Past
from dbhandler.console.recents import Recents
from dbhandler.console.watch import Watch
from dbhandler.errors import ConfigError
from dbhandler.os_user import leave_root
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings, console_settings
from dbhandler.settings.environment import prepared
from dbhandler.settings.names import SECRETS
from dbhandler.settings.output import log_format
from dbhandler.settings.pool import directory_settings, pool_secrets, trusted_pools
from dbhandler.settings.setting import Reader
from dbhandler.thread_failure import ThreadFailure
from dbhandler.trust.safe import Safe

if TYPE_CHECKING:
    from dbhandler.console.ways import Ways
    from dbhandler.pool.moving import PoolMoves

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Shows the servers of a Serf cluster, their databases, backups and moves in a browser, as they are now.

Where they are it asks of the Serf agents SERF_RPC_ADDR (host:port,...; key: SERF_RPC_AUTH). With DBHANDLER_POOL (or the
pool's secret) only servers that prove to be of that pool are believed.

DBHANDLER_CONSOLE says where the page is: 127.0.0.1:8080 unless it is set, :8080 in the image. Beyond this host nobody
sees it without a login: DBHANDLER_CONSOLE_PASSWORD (12 characters or more), or a proxy's header,
DBHANDLER_CONSOLE_USER_HEADER from the addresses DBHANDLER_CONSOLE_BEHIND. Without either a password is made, and told
in the log. On this host alone it is read without one, and nothing can be done there.
"""
_EPILOG = (
    "exit status: 64 wrong usage, 70 a defect, 78 a wrong setting, or an address that is taken, 128 + n on signal n"
)
HEALTH_TIMEOUT = 4.0
"""Seconds."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    environ = os.environ if environ is None else environ
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    if options.health:
        return edge.carried_out("dbhandler-console", lambda: _health(console_settings(environ)))
    log.configure(log_format(environ))
    return edge.started("the console", partial(_run, environ))


def _parser() -> Parser:
    parser = Parser(prog="dbhandler-console", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--health", action="store_true", help="say whether the page of this container answers")
    return parser


def _run(environ: Mapping[str, str]) -> int:
    environ = _in_memory(prepared(environ))
    leave_root(environ.get("DBHANDLER_OS_USER"))
    settings = _with_login(console_settings(environ))
    guard, watch = Guard(settings), _watch(settings, environ)
    history = History(settings.history) if settings.history else None
    # Each has a way of its own into servers: each is a thread.
    looking = Looking(watch, _ways(environ), _moving(watch, environ), _recents(environ))
    measuring = Measuring(watch, history, _ways(environ), settings.metrics, _metrics_context(settings, environ))
    pages = Pages(lambda: (watch.version, watch.sight), partial(_inside, looking, measuring))
    actions = Actions(watch.connect, trusted_pools(environ), _moves(environ))
    console = Console(watch, pages, guard, Past(history), Doing(actions, Jobs()))
    server = http.serve((settings.host, settings.port), console.application, guard.is_for_us)
    edge.leave_on(signal.SIGTERM, signal.SIGINT)
    threading.excepthook = ThreadFailure(server.shutdown)
    watch.start()
    for run in (looking.run, measuring.run):
        threading.Thread(target=run, daemon=True).start()
    logger.info("the page is at %s", _address(settings))
    server.serve_forever()
    return os.EX_SOFTWARE


def _inside(looking: Looking, measuring: Measuring, node: str) -> Inside:
    counts = measuring.counts(node)
    return replace(looking(node), requests=counts.requests if counts else None)


def _metrics_context(settings: ConsoleSettings, environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """By whose certificates servers that serve metrics over TLS are known."""
    if settings.metrics is None or not settings.metrics.tls:
        return None
    if not (secrets := pool_secrets(environ)):
        raise ConfigError(
            "DBHANDLER_CONSOLE_METRICS with https:// needs DBHANDLER_POOL_SECRET, by which servers are known"
        )
    from dbhandler.trust.authority import pool_roots

    return ssl.create_default_context(cadata=pool_roots(tuple(secrets)))


def _in_memory(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings with the secrets as values: their files are root's, which this process is not any more later."""
    read, resolved = Reader(environ), dict(environ)
    for name in SECRETS:
        if value := read.text(name):
            resolved[name] = value
            resolved.pop(f"{name}_FILE", None)
    return resolved


def _watch(settings: ConsoleSettings, environ: Mapping[str, str]) -> Watch:
    agents, key = addresses(None, environ), auth_key(environ)
    return Watch(partial(connect_first, agents, key), trusted_pools(environ), settings)


def _ways(environ: Mapping[str, str]) -> Ways | None:
    if not (secrets := pool_secrets(environ)):
        return None
    # Only here: without the secret neither a driver nor certificates are needed.
    from dbhandler.console.ways import Ways

    return Ways(secrets, Path(paths.run_dir(environ)) / "console")


def _recents(environ: Mapping[str, str]) -> Recents | None:
    secrets = pool_secrets(environ)
    return Recents(Safe(secrets)) if secrets else None


def _moves(environ: Mapping[str, str]) -> Callable[[Serf], PoolMoves] | None:
    """The moves of a pool with a directory, as an agent sees it; None for a pool without one."""
    if directory_settings(Reader(environ)) is None:
        return None
    from dbhandler.pool.servers import PoolServers

    return lambda serf: PoolServers(serf, environ).moves()


def _moving(watch: Watch, environ: Mapping[str, str]) -> Callable[[], Sequence[Moving]] | None:
    """What tells of the moves of a pool with a directory."""
    if (moves := _moves(environ)) is None:
        return None
    from dbhandler.pool.moves import as_objects

    def moving() -> Sequence[Moving]:
        with watch.connect() as serf:
            found = moves(serf)
            return shown_moves(as_objects(found.all(), found.nodes))

    return moving


def _with_login(settings: ConsoleSettings) -> ConsoleSettings:
    """Beyond this host with a password all the same: one that is made, and told here."""
    if settings.is_on_loopback or settings.has_login:
        return settings
    made = passwords.generate()
    logger.info("no DBHANDLER_CONSOLE_PASSWORD: until the next start the password of the page is %s", made)
    return replace(settings, password=made)


def _address(settings: ConsoleSettings) -> str:
    return f"http://{bracketed(settings.host or '127.0.0.1')}:{settings.port}/"


def _health(settings: ConsoleSettings) -> int:
    with urllib.request.urlopen(f"{_address(settings)}healthz", timeout=HEALTH_TIMEOUT) as answer:  # noqa: S310
        return os.EX_OK if answer.status == 200 else 1
