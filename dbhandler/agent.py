"""dbhandler-agent: the resident process that carries out requests, over its one connection to the server."""

from __future__ import annotations

import fcntl
import logging
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dbhandler import log, paths
from dbhandler.box import Keys
from dbhandler.cluster_registry import ClusterRegistry
from dbhandler.cluster_watch import cluster_watch
from dbhandler.config import Config, log_format
from dbhandler.drain import SpoolDrain
from dbhandler.errors import DbHandlerError
from dbhandler.gossip import connect
from dbhandler.last_error import LastError
from dbhandler.lifecycle import Lifecycle
from dbhandler.membership import Membership
from dbhandler.observe import Observe, Sources, start
from dbhandler.os_user import socket_user
from dbhandler.provision import Provisioner
from dbhandler.queries import Queries, Worker
from dbhandler.registry import Memory, Registry
from dbhandler.serf_settings import SerfSettings
from dbhandler.server import Server, agent_server
from dbhandler.spool import MAX_PAYLOAD, Spool
from dbhandler.trash import Trash, dump_command
from dbhandler.watch import ServerWatch

logger = logging.getLogger(__name__)

EX_TEMPFAIL, EX_CONFIG = 75, 78
STANDBY = 30.0
"""Seconds for which a second agent waits for the end of the first; supervisord starts it again after that."""
HANDOVER_TIMEOUT = 1.0
"""Seconds for a local process to hand over its query; it sends it in one go."""


class Agent:
    """The loop: queries first, then one spool entry, then a look at the server."""

    def __init__(
        self, drains: Sequence[SpoolDrain], queries: Queries, watch: ServerWatch, fifo: str, socket_path: str
    ) -> None:
        self._drains, self._queries, self._watch = drains, queries, watch
        self._stopping = False
        self._wake = _open_fifo(fifo)
        self._listener = _listen(socket_path)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, self._drain_pokes)
        self._selector.register(self._listener, selectors.EVENT_READ, self._serve_query)

    def stop(self, *_: object) -> None:
        """Ends `run` after what it is doing; usable as a signal handler."""
        self._stopping = True
        os.write(self._wake, b"\n")

    def run(self) -> None:
        """Works until `stop` is called."""
        while not self._stopping:
            self._watch.look()
            busy = any(drain.step() for drain in self._drains)
            wait = 0 if busy else min(self._watch.interval, *(drain.wait() for drain in self._drains))
            for key, _ in self._selector.select(wait):
                key.data()

    def _drain_pokes(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 65536)

    def _serve_query(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(HANDOVER_TIMEOUT)
            try:
                name, _, payload = _read_all(connection).partition(b"\n")
                connection.sendall(self._queries.answer(name.decode("ascii", "replace"), payload))
            except OSError as error:
                logger.warning("a query went away before its answer: %s", error)


def _read_all(connection: socket.socket) -> bytes:
    chunks, room = [], MAX_PAYLOAD + 256
    while room > 0 and (chunk := connection.recv(room)):
        chunks.append(chunk)
        room -= len(chunk)
    return b"".join(chunks)


def _open_fifo(path: str) -> int:
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    # Open for writing too, so that the last writer's end is never an end of file.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _listen(path: str) -> socket.socket:
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o600)
    listener.listen(64)
    return listener


def alone(
    folder: Path, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Makes sure, for as long as this process lives, that no other agent works in the state folder.

    Two would be served by one socket, and with the end of one, nobody. False when another still does after STANDBY.
    """
    lock, deadline = os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600), clock() + STANDBY
    while not _locked(lock):
        if clock() >= deadline:
            os.close(lock)
            return False
        sleep(0.1)
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class Parts:
    """The two halves of the agent: the loop, and the thread that looks after the Serf cluster."""

    agent: Agent
    membership: Membership


def build(config: Config, environ: Mapping[str, str]) -> Parts:
    """Wires the agent's parts together. Raises DbHandlerError or OSError."""
    server = agent_server(config)
    spool, memory = _open_spool(paths.spool_dir(environ)), _open_spool(paths.memory_spool_dir(environ))
    keys, registry = Keys(config.state_dir / "key"), _registry(config, server)
    errors = LastError()
    logging.getLogger("dbhandler").addHandler(errors)
    counting = config.metrics is not None
    cluster = cluster_watch(config, server, lambda: membership.members)
    watch = ServerWatch(
        server, config.engine, config.ready_file.exists, note=errors.note, counting=counting,
        check=cluster.check if cluster else None,
    )  # fmt: skip
    membership = Membership(
        partial(connect, config.serf),
        lambda: {**watch.tags(), "key": keys.public, **(cluster.tags() if cluster else {}), **advertised(config)},
        config.serf.join,
        config.state_dir / "peers.json",
    )
    observe = start(config.metrics, Sources(
        watch.tags, lambda: len(spool.entries()) + len(memory.entries()), lambda: watch.databases, lambda: errors.lines
    ))  # fmt: skip
    worker = _worker(config, server, keys, registry, observe)
    whereabouts = partial(_whereabouts, config, watch, membership)
    queries = Queries(worker, server, watch, registry, spool, whereabouts, errors, observe=observe)
    drains = [SpoolDrain(spool, worker), SpoolDrain(memory, worker)]
    agent = Agent(drains, queries, watch, paths.wake_fifo(environ), paths.agent_socket(environ))
    return Parts(agent, membership)


def _open_spool(folder: str) -> Spool:
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    spool = Spool(folder)
    spool.sweep()
    return spool


def advertised(config: Config) -> Mapping[str, str]:
    """The tag with the address that applications are told, for whoever gets it from another node of the cluster."""
    if config.cluster is None or config.advertise_host is None:
        return {}
    return {"address": f"{config.advertise_host}:{config.advertise_port or 3306}"}


def _registry(config: Config, server: Server) -> Memory:
    return ClusterRegistry(server) if config.cluster else Registry(config.state_dir / "registry.sqlite")


def _worker(config: Config, server: Server, keys: Keys, registry: Memory, observe: Observe) -> Worker:
    event_clock = partial(_event_clock, config.serf)
    dump = dump_command(config.engine, config.socket, socket_user())
    trash = Trash(config.state_dir / "trash", dump, config.trash_days)
    return Worker(
        Provisioner(server, config.policy, config.engine, keys, registry, event_clock, config.cluster is not None),
        Lifecycle(server, config.policy, keys, registry, trash, event_clock),
        observe=observe,
    )


def _event_clock(settings: SerfSettings) -> int | None:
    try:
        with connect(settings) as serf:
            return serf.event_clock()
    except DbHandlerError:
        return None


def main(environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    try:
        config = Config.from_environ(environ)
        if not alone(config.state_dir):
            logger.error("another agent is at work in %s", config.state_dir)
            return EX_TEMPFAIL
        parts = build(config, environ)
    except (DbHandlerError, OSError) as error:
        logger.error("the agent cannot start: %s", error)
        return EX_CONFIG
    signal.signal(signal.SIGTERM, parts.agent.stop)
    signal.signal(signal.SIGINT, parts.agent.stop)
    stop = threading.Event()
    thread = threading.Thread(target=parts.membership.run, args=(stop,), name="membership", daemon=True)
    thread.start()
    parts.agent.run()
    stop.set()
    return 0


def _whereabouts(config: Config, watch: ServerWatch, membership: Membership) -> Mapping[str, object]:
    own = membership.own
    host = config.advertise_host or (own.host if own else socket.gethostname())
    return {"host": host, "port": config.advertise_port or watch.port}
