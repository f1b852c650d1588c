"""dbhandler-proxy: one address for a Galera cluster. HAProxy, whose servers are kept true from the Serf members."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from dbhandler import log, paths, usage
from dbhandler.client import connect_first, default_rpc_addrs
from dbhandler.cluster_node import nodes_of
from dbhandler.config import cluster_name, log_format
from dbhandler.errors import ConfigError, DbHandlerError
from dbhandler.haproxy import SLOTS, HaProxy, Slots, configuration, control_socket
from dbhandler.log import shown
from dbhandler.serf import Member, Serf
from dbhandler.setting import read_setting

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-proxy

Passes connections to port 3306 on to the nodes of the Galera cluster DBHANDLER_CLUSTER, whose members it asks of the
Serf agents SERF_RPC_ADDR (host:port,...; key: SERF_RPC_AUTH). One node gets all connections, the next one when it is
gone; with DBHANDLER_PROXY_WRITERS=all every node gets its share.

exit status: 64 wrong usage, 70 HAProxy ended, 78 a wrong setting, 128 + n on signal n
"""
INTERVAL = 0.5
"""Seconds between two looks at the members."""
EX_SOFTWARE, EX_CONFIG = 70, 78


class Keeper:
    """Keeps HAProxy's servers true. connect opens a connection to a Serf agent; while none answers HAProxy goes on
    with the servers of before, by its own checks."""

    def __init__(self, cluster: str, connect: Callable[[], Serf], proxy: HaProxy) -> None:
        self._cluster, self._connect, self._proxy = cluster, connect, proxy
        self._slots = Slots(SLOTS)
        self._serf: Serf | None = None
        self._complaint = ""

    def look(self) -> None:
        """Looks once; logs a failure once, until it changes."""
        complaint = ""
        try:
            if self._serf is None:
                self._serf = self._connect()
            for change in self._slots.changes(ready_nodes(self._serf.members(), self._cluster)):
                logger.info("cluster %s: %s", self._cluster, change)
                self._proxy.carry_out(change)
        except (DbHandlerError, OSError) as error:
            self._disconnect()
            complaint = str(error)
        if complaint and complaint != self._complaint:
            logger.warning("the servers stay as they are: %s", complaint)
        self._complaint = complaint

    def _disconnect(self) -> None:
        if self._serf is not None:
            self._serf.close()
            self._serf = None


def ready_nodes(members: Sequence[Member], cluster: str) -> dict[str, tuple[str, int]]:
    """Name -> (host, port) of the nodes of the cluster that serve, or could.

    A node that sends its data to another one is not `mysql=ready` while others are; but it still takes reads and
    writes, and to leave it would end every connection that it has.
    """
    ports = {member.name: member.tags.get("port", "") for member in members}
    serving = [node for node in nodes_of(members, cluster) if node.serves]
    return {node.name: (node.host, int(ports[node.name])) for node in serving if ports[node.name].isdigit()}


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    if argv:
        return usage.show(argv, USAGE)
    try:
        return _run(environ)
    except DbHandlerError as error:
        logger.error("the proxy cannot start: %s", error)
    except OSError as error:
        logger.error("the proxy cannot start: %s: %s", error.filename, error.strerror)
    return EX_CONFIG


def _run(environ: Mapping[str, str]) -> int:
    cluster, auth = cluster_name(environ), read_setting(environ, "SERF_RPC_AUTH")
    if cluster is None:
        raise ConfigError("DBHANDLER_CLUSTER has to name the cluster to pass connections on to")
    addresses = [address for given in default_rpc_addrs(environ) for address in given.split(",")]
    run_dir = Path(paths.run_dir(environ))
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, socket = run_dir / "haproxy.cfg", control_socket(run_dir)
    file.write_text(configuration(socket, all_write=_all_write(environ)))
    socket.unlink(missing_ok=True)
    haproxy = subprocess.Popen(["haproxy", "-db", "-f", str(file)])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    keeper = Keeper(cluster, lambda: connect_first(addresses, auth), HaProxy(socket))
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
    return EX_SOFTWARE


def _all_write(environ: Mapping[str, str]) -> bool:
    writers = read_setting(environ, "DBHANDLER_PROXY_WRITERS") or "one"
    if writers not in ("one", "all"):
        raise ConfigError(f"DBHANDLER_PROXY_WRITERS has to be one or all, not {writers!r}")
    return writers == "all"


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
