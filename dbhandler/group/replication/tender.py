"""Makes the server that runs a member of its group: begins it or joins it, as the start program wants it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from dbhandler.engine import group_sql
from dbhandler.engine.process import ServerProcess
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import DbHandlerError
from dbhandler.group.replication.orders import Order, Orders
from dbhandler.group.replication.running import ONLINE, RECOVERING, UNREACHABLE
from dbhandler.log import told
from dbhandler.provisioning.service_account import ServiceAccount
from dbhandler.settings.config import Config
from dbhandler.trust.group import USER, account_password

logger = logging.getLogger(__name__)

INTERVAL = 0.2
"""Seconds between two looks at the server."""
PATIENCE = 15.0
"""Seconds for which a server may be out of its group before it starts anew: not so often that its container ends."""
JOIN_TIMEOUT = 300.0
"""Seconds for one statement; joining ends by itself after 60."""
PRIVILEGES = ("BACKUP_ADMIN", "CONNECTION_ADMIN", "REPLICATION SLAVE")
"""What giving another node all data, or what it has missed, takes."""
MAX_CONNECTIONS = 20


class Tender:
    """Tends the server of a node of the pool with these secrets. server is a connection for this thread alone."""

    def __init__(
        self,
        server: Server,
        orders: Orders,
        process: ServerProcess,
        secrets: Sequence[bytes],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._orders, self._process, self._clock = server, orders, process, clock
        self._passwords = [account_password(secret) for secret in secrets]
        self._account = ServiceAccount(server, USER, self._passwords, {"mysql": PRIVILEGES}, MAX_CONNECTIONS)
        self._out_since: float | None = None
        self._is_account_right = False

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        while not stop.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        """Looks once."""
        self._process.insist()
        try:
            state = self._state()
            if state == ONLINE:
                self._out_since = None
                self._ensure_account()
            elif state not in (RECOVERING, UNREACHABLE):
                self._bring_in()
        except (DbHandlerError, OSError) as error:
            logger.debug("the group is not tended now: %s", told(error))

    def _state(self) -> str:
        try:
            rows = self._server.execute(group_sql.members())
        except DbHandlerError:
            # Another life of the server, perhaps with other accounts, begins.
            self._out_since, self._is_account_right = None, False
            raise
        return next((str(state) for _, state, _, is_me, _ in rows if is_me), "")

    def _bring_in(self) -> None:
        if order := self._orders.take():
            self._out_since = self._clock()
            self._start(order)
        elif self._out_since is None:
            self._out_since = self._clock()
        elif self._clock() - self._out_since >= PATIENCE and not self._process.is_ending:
            logger.warning("the server is not in its group, and starts anew")
            self._out_since = None
            self._process.end()

    def _start(self, order: Order) -> None:
        try:
            if order.begins:
                self._server.execute(group_sql.bootstrap(on=True))
            self._server.execute(group_sql.start(USER, self._passwords[order.password]))
        except DbHandlerError as error:
            logger.warning("the server cannot %s its group: %s", "begin" if order.begins else "join", told(error))
        finally:
            if order.begins:
                self._server.execute(group_sql.bootstrap(on=False))

    def _ensure_account(self) -> None:
        """Who begins makes it, and so writes the first transaction; a change of secrets changes it."""
        if not self._is_account_right:
            self._account.ensure()
            self._is_account_right = True


def tender(config: Config) -> Tender:
    """The tender of this container's server."""
    process = ServerProcess(config.socket.with_suffix(".pid"))
    return Tender(agent_server(config, JOIN_TIMEOUT), Orders(config.run_dir), process, config.pool_secrets)
