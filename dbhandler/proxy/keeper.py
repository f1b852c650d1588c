"""dbhandler-proxy: one address for a Galera cluster. HAProxy, whose servers are kept true from the Serf members."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from dbhandler import edge, log, paths, usage
from dbhandler.errors import ConfigError, DbHandlerError
from dbhandler.group.node import nodes_of
from dbhandler.inventory import InRun
from dbhandler.log import shown
from dbhandler.proxy.haproxy import SLOTS, HaProxy, Slots, configuration, control_socket
from dbhandler.serf.access import addresses, connect_first
from dbhandler.serf.kept import Complaint, KeptConnection
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf
from dbhandler.settings.config import group_name
from dbhandler.settings.environment import hand_over_secrets, prepared, secrets_of, without_secrets
from dbhandler.settings.output import log_format
from dbhandler.settings.pool import trusted_pools
from dbhandler.settings.setting import read_setting

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-proxy

Passes connections to port 3306 on to the nodes of the Galera cluster DBHANDLER_CLUSTER, whose members it asks of the
Serf agents SERF_RPC_ADDR (host:port,...; key: SERF_RPC_AUTH). One node gets all connections, the next one when it is
gone; with DBHANDLER_PROXY_WRITERS=all every node gets its share. With DBHANDLER_POOL (or the pool's secret) only
nodes that prove to be of that pool get any.

exit status: 64 wrong usage, 70 HAProxy ended, 78 a wrong setting, 128 + n on signal n
"""
INTERVAL = 0.5
"""Seconds between two looks at the members."""


class Keeper:
    """Keeps HAProxy's servers true. connect opens a connection to a Serf agent; while none answers HAProxy goes on
    with the servers of before, by its own checks. Only nodes that prove to be of one of the pools get connections, any
    where none is named."""

    def __init__(self, cluster: str, connect: Callable[[], Serf], proxy: HaProxy, pools: Sequence[str] = ()) -> None:
        self._believer = Believer(pools)
        self._cluster, self._kept, self._proxy = cluster, KeptConnection(connect), proxy
        self._slots = Slots(SLOTS)
        self._complaint = Complaint(partial(logger.warning, "the servers stay as they are: %s"))

    def look(self) -> None:
        """Looks once; logs a failure once, until it changes."""
        complaint = ""
        try:
            with self._kept.use() as serf:
                nodes = ready_nodes(self._believer.believed(serf.members()), self._cluster)
                for change in self._slots.changes(nodes):
                    logger.info("cluster %s: %s", self._cluster, change)
                    self._proxy.carry_out(change)
        except (DbHandlerError, OSError) as error:
            complaint = str(error)
        self._complaint.say(complaint)


def ready_nodes(members: Sequence[Member], cluster: str) -> dict[str, tuple[str, int]]:
    """Name -> (host, port) of the nodes of the cluster that serve, or could.

    A node that sends its data to another one is not `mysql=ready` while others are; but it still takes reads and
    writes, and to leave it would end every connection that it has.
    """
    ports = {member.name: member.server_port for member in members}
    serving = [node for node in nodes_of(members, cluster) if node.serves]
    return {node.name: (node.host, port) for node in serving if (port := ports[node.name])}


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    if argv:
        return usage.show(argv, USAGE)
    try:
        return edge.started("the proxy", partial(_start, environ))
    except Exception as error:
        # A defect of ours: the container's restart is what helps, a traceback helps nobody.
        logger.error("the proxy has failed (%s)", type(error).__name__)
        return os.EX_SOFTWARE


def _start(environ: Mapping[str, str]) -> int:
    environ = prepared(environ)
    if (without := without_secrets(environ)) != environ:
        _start_again(without, secrets_of(environ))
    return _run(environ)


def _start_again(environ: Mapping[str, str], secrets: Mapping[str, str]) -> NoReturn:
    """Executes this program once more, its secrets in private files: /proc keeps the environment that a process was
    started with for as long as it runs, and HAProxy would inherit it."""
    files = hand_over_secrets(secrets, _run_dir(environ) / InRun.SECRETS)
    os.execve(sys.executable, sys.orig_argv, {**environ, **files})


def _run_dir(environ: Mapping[str, str]) -> Path:
    folder = Path(paths.run_dir(environ))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _run(environ: Mapping[str, str]) -> int:
    cluster, auth = group_name(environ), read_setting(environ, "SERF_RPC_AUTH")
    if cluster is None:
        raise ConfigError("DBHANDLER_CLUSTER has to name the cluster to pass connections on to")
    agents, pools = addresses(None, environ), trusted_pools(environ)
    if not pools:
        logger.warning(
            "no DBHANDLER_POOL: whoever is in the Serf cluster can pass for a node of the cluster %s", cluster
        )
    run_dir = _run_dir(environ)
    file, socket = run_dir / InRun.HAPROXY_CONF, control_socket(run_dir)
    file.write_text(configuration(socket, all_write=_all_write(environ)))
    socket.unlink(missing_ok=True)
    haproxy = subprocess.Popen(["haproxy", "-db", "-f", str(file)])
    edge.leave_on(signal.SIGTERM, signal.SIGINT)
    keeper = Keeper(cluster, lambda: connect_first(agents, auth), HaProxy(socket), pools)
    try:
        while haproxy.poll() is None and not socket.exists():
            time.sleep(0.02)
        while haproxy.poll() is None:
            keeper.look()
            time.sleep(INTERVAL)
    finally:
        haproxy.terminate()
        haproxy.wait()
    logger.error("haproxy ended with status %d for %s", haproxy.returncode, shown(cluster))
    return os.EX_SOFTWARE


def _all_write(environ: Mapping[str, str]) -> bool:
    writers = read_setting(environ, "DBHANDLER_PROXY_WRITERS") or "one"
    if writers not in ("one", "all"):
        raise ConfigError(f"DBHANDLER_PROXY_WRITERS has to be one or all, not {writers!r}")
    return writers == "all"
