"""dbhandler-proxy: one address for a cluster, or for each of several databases wherever they are. HAProxy, kept
true by what Serf agents and the pool's servers tell."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from dbhandler import edge, log, paths
from dbhandler.command import Parser
from dbhandler.errors import ConfigError, InvalidRequest
from dbhandler.inventory import InRun
from dbhandler.log import shown
from dbhandler.proxy.cluster import Keeper
from dbhandler.proxy.configuration import configuration
from dbhandler.proxy.haproxy import HaProxy, control_socket
from dbhandler.proxy.port import Port
from dbhandler.proxy.published import Published, published
from dbhandler.serf.access import addresses, connect_first
from dbhandler.serf.members import MYSQL_PORT
from dbhandler.settings.environment import hand_over_secrets, prepared, secrets_of, without_secrets
from dbhandler.settings.output import log_format
from dbhandler.settings.pool import group_name, trusted_pools
from dbhandler.settings.setting import read_setting
from dbhandler.thread_failure import ThreadFailure

logger = logging.getLogger(__name__)

_SETTING = "DBHANDLER_PROXY_DATABASES"
_DESCRIPTION = """\
Passes connections on to database servers. Where they are it asks of the Serf agents SERF_RPC_ADDR (host:port,...; key:
SERF_RPC_AUTH).

With --database each database has a port of its own, which leads to the server of the pool that has it. When the
database moves to another server the port leads there; connections that come meanwhile wait, 30 s at most. So do those
to a database that is not there yet, or whose server is away.

With DBHANDLER_CLUSTER port 3306 is that of the nodes of a cluster. One node gets all connections, the next one
when it is gone; with DBHANDLER_PROXY_WRITERS=all every node gets its share.

With DBHANDLER_POOL (or the pool's secret) only servers that prove to be of that pool are believed and get any.
"""
_EPILOG = "exit status: 64 wrong usage, 70 HAProxy ended, 78 a wrong setting, 128 + n on signal n"


@dataclass(frozen=True)
class Plan:
    """What the proxy is for: a cluster's nodes, databases, or both."""

    cluster: str | None
    all_write: bool
    databases: tuple[Published, ...]

    def __str__(self) -> str:
        ports = [f"{shown(one.database)} at port {one.port}" for one in self.databases]
        return ", ".join([*([f"the cluster {self.cluster}"] if self.cluster else []), *ports])


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    parser = _parser()
    asked = parser.parse_args(sys.argv[1:] if argv is None else argv).database
    try:
        published(asked)
    except InvalidRequest as error:
        parser.error(f"--database: {error}")
    try:
        return edge.started("the proxy", partial(_start, asked, environ))
    except Exception as error:
        # A defect of ours: the container's restart is what helps, a traceback helps nobody.
        logger.error("the proxy has failed (%s)", type(error).__name__)
        return os.EX_SOFTWARE


def _parser() -> Parser:
    parser = Parser(prog="dbhandler-proxy", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument(
        "--database", action="append", default=[], metavar="NAME[:PORT]", help="a database that gets a port of its "
        "own; several times for several. Without PORT it is the first from 3306 on that nobody has (default: "
        f"{_SETTING}, with commas between them)",
    )  # fmt: skip
    return parser


def _start(asked: Sequence[str], environ: Mapping[str, str]) -> int:
    environ = prepared(environ)
    if (without := without_secrets(environ)) != environ:
        _start_again(without, secrets_of(environ))
    return _run(_plan(asked, environ), environ)


def _start_again(environ: Mapping[str, str], secrets: Mapping[str, str]) -> NoReturn:
    """Executes this program once more, its secrets in private files: /proc keeps the environment that a process was
    started with for as long as it runs, and HAProxy would inherit it."""
    files = hand_over_secrets(secrets, _run_dir(environ) / InRun.SECRETS)
    os.execve(sys.executable, sys.orig_argv, {**environ, **files})


def _run_dir(environ: Mapping[str, str]) -> Path:
    folder = Path(paths.run_dir(environ))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _plan(asked: Sequence[str], environ: Mapping[str, str]) -> Plan:
    cluster = group_name(environ)
    named = asked or [part for part in (read_setting(environ, _SETTING) or "").split(",") if part.strip()]
    if not cluster and not named:
        raise ConfigError(
            f"DBHANDLER_CLUSTER has to name the cluster to pass connections on to, or {_SETTING} (--database) databases"
        )
    try:
        databases = published(named, [MYSQL_PORT] if cluster else [])
    except InvalidRequest as error:
        raise ConfigError(f"{'--database' if asked else _SETTING}: {error}") from error
    return Plan(cluster, _all_write(environ), databases)


def _all_write(environ: Mapping[str, str]) -> bool:
    writers = read_setting(environ, "DBHANDLER_PROXY_WRITERS") or "one"
    if writers not in ("one", "all"):
        raise ConfigError(f"DBHANDLER_PROXY_WRITERS has to be one or all, not {writers!r}")
    return writers == "all"


def _run(plan: Plan, environ: Mapping[str, str]) -> int:
    agents, auth, pools = addresses(None, environ), read_setting(environ, "SERF_RPC_AUTH"), trusted_pools(environ)
    if not pools:
        logger.warning("no DBHANDLER_POOL: whoever is in the Serf cluster can pass for a server of %s", plan)
    run_dir = _run_dir(environ)
    file, socket = run_dir / InRun.HAPROXY_CONF, control_socket(run_dir)
    file.write_text(configuration(socket, plan.cluster is not None, plan.all_write, plan.databases))
    socket.unlink(missing_ok=True)
    connect, proxy = partial(connect_first, agents, auth), HaProxy(socket)
    keepers = [Port(one.database, connect, proxy, pools).run for one in plan.databases]
    if plan.cluster:
        keepers.append(Keeper(plan.cluster, connect, proxy, pools).run)
    return _keep(subprocess.Popen(["haproxy", "-db", "-f", str(file)]), socket, keepers, plan)


def _keep(
    haproxy: subprocess.Popen[bytes], socket: Path, keepers: Sequence[Callable[[threading.Event], None]], plan: Plan
) -> int:
    """Runs the keepers for as long as HAProxy runs, and ends it when this process ends."""
    edge.leave_on(signal.SIGTERM, signal.SIGINT)
    threading.excepthook = ThreadFailure(haproxy.terminate)
    stop = threading.Event()
    try:
        while haproxy.poll() is None and not socket.exists():
            time.sleep(0.02)
        for run in keepers if haproxy.poll() is None else ():
            threading.Thread(target=run, args=(stop,), daemon=True).start()
        haproxy.wait()
    finally:
        stop.set()
        haproxy.terminate()
        haproxy.wait()
    logger.error("haproxy ended with status %d for %s", haproxy.returncode, plan)
    return os.EX_SOFTWARE
