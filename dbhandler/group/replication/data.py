"""What a data directory holds, as Group Replication sees it, and how it is filled: from the template or from a node."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from dbhandler import files
from dbhandler.engine import group_sql
from dbhandler.engine.private_server import TETHER, PrivateServer
from dbhandler.engine.server import Server, agent_server
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.group.engine import Position
from dbhandler.group.node import Holds, Node
from dbhandler.group.replication.gtid import GtidSet
from dbhandler.group.replication.options import ALWAYS, AUTO_FILE, auto_file, certified
from dbhandler.inventory import InRun
from dbhandler.log import shown
from dbhandler.settings.config import Config
from dbhandler.trust.group import USER
from dbhandler.volume import belonging, template, tls
from dbhandler.volume.data_dir import MARKER, held_by_server

logger = logging.getLogger(__name__)

CLONE_TIMEOUT = 86400.0
"""Seconds for all data of another node."""
RESTARTS = 16
"""The status with which a server ends that has all data, and whose parent (MYSQLD_PARENT_PID) is to start it again."""
ER_DONOR = 3862
"""The other node does not give its data now: it serves one at a time, and says so in the text alone."""
PAUSE, TRIES = 0.5, 120
"""Seconds until it is asked again, and how often."""


class DataDir:
    """The data directory of a node of `cluster`. command is its server's command line, environ that of its processes,
    first_start does the first start's work on a directory that is filled."""

    def __init__(
        self,
        cluster: str,
        config: Config,
        command: Sequence[str],
        environ: Mapping[str, str],
        first_start: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        # The agent waits at the socket of the real server.
        self._config = replace(config, socket=config.run_dir / InRun.FIRST_START_SOCKET)
        self._cluster, self._path, self._first_start = cluster, config.data_dir, first_start
        self._command = [*TETHER, *command, f"--socket={self._config.socket}", *ALWAYS, *certified(self._path)]
        self._environ = environ
        self.transactions = GtidSet()
        """Executed and received, once `position` has looked."""
        self.has_begun_nothing = False
        """Was it filled to begin a group, and has not?"""

    def position(self) -> Position:
        """Where this node is, by what its server has done and received. Raises DbHandlerError or OSError."""
        own = belonging.read(self._path)
        if (self._path / MARKER).exists() or not (own.aside or held_by_server(self._path)):
            return Position(Holds.EMPTY)
        if own.left is not None:
            return Position(Holds.LEFT if own.left == self._cluster else Holds.FOREIGN)
        if own.cluster != self._cluster or own.history is None:
            return Position(Holds.FOREIGN)
        self.transactions = self._recovered()
        has = self.transactions.of(own.history)
        # Who begins writes before anybody can join or connect: what has nothing of the group was in none.
        self.has_begun_nothing = bool(own.fresh and not has.ranges)
        if self.has_begun_nothing:
            return Position(Holds.EMPTY)
        return Position(Holds.DATA, own.history, has)

    def name_server(self, uuid: str) -> None:
        """Gives the server the UUID by which the group knows it."""
        files.write_private(self._path / AUTO_FILE, auto_file(uuid))

    def fill(self, certify: Callable[[], None], enter: Callable[[], None]) -> None:
        """Fills the directory from the template and does the first start's work."""
        self._unpack(certify)
        self._first_start()
        enter()
        template.finish(self._path)

    def take(self, donors: Sequence[Node], password: str, certify: Callable[[], None], uuid: str) -> None:
        """Fills the directory with all data of one of these nodes; `finish` makes them count."""
        self._unpack(certify)
        self.name_server(uuid)
        *others, last = donors
        if not any(self._is_taken(donor, password) for donor in others):
            self._clone(last, password)

    def finish(self) -> None:
        """From now on what is there counts."""
        template.finish(self._path)

    def _unpack(self, certify: Callable[[], None]) -> None:
        keys = partial(tls.ensure_keys, self._config.engine, self._path)
        template.fill(self._path, self._config.template, keys)
        certify()

    def _recovered(self) -> GtidSet:
        logger.info("asking the server which transactions this node holds")
        with PrivateServer(self._command, self._environ) as private, agent_server(self._config) as server:
            private.wait_for(server)
            [(executed, _)] = server.execute(group_sql.executed())
            received = server.execute(group_sql.received())
        found = GtidSet.parse(str(executed))
        return found | GtidSet.parse(str(received[0][0])) if received else found

    def _is_taken(self, donor: Node, password: str) -> bool:
        try:
            self._clone(donor, password)
        except DbHandlerError as error:
            logger.warning("the data of %s cannot be had, the next node is asked: %s", shown(donor.name), error)
            return False
        return True

    def _clone(self, donor: Node, password: str) -> None:
        logger.info("taking all data of %s", shown(donor.name))
        environ = {**self._environ, "MYSQLD_PARENT_PID": str(os.getpid())}
        private = PrivateServer(self._command, environ, ends_itself=RESTARTS)
        with private, agent_server(self._config, timeout=CLONE_TIMEOUT) as server:
            private.wait_for(server)
            server.execute(group_sql.donors(f"{donor.host}:{donor.port}"))
            server.execute(group_sql.clone_tls(str(self._path / tls.AUTHORITY)))
            wish = group_sql.clone(USER, donor.host, donor.port, password)
            # It ends with its connections: how, its status tells.
            with suppress(Unavailable):
                self._ask(server, wish)

    def _ask(self, server: Server, wish: Statement) -> None:
        for left in reversed(range(TRIES)):
            try:
                server.execute(wish)
                return
            except ServerError as error:
                if error.errno != ER_DONOR or not left:
                    raise
            self._sleep(PAUSE)
