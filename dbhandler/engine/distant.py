"""A server that is reached over the network: by its address, over TLS that is verified, by an account's password."""

from __future__ import annotations

import ssl

from dbhandler.engine.driver import pymysql
from dbhandler.engine.server import CONNECT_TIMEOUT, SESSION, Server

IDLE = 10


class DistantServer(Server):
    """One connection to the server at host and port, as one account; context says whose certificates are believed.

    The server ends one that is idle for `idle` seconds: all agents of a pool may have one. Being refused is a fault
    that passes: its agent makes the account before the server is ready.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        context: ssl.SSLContext,
        timeout: float,
        engine: str = "mariadb",
        idle: int = IDLE,
    ) -> None:
        self._idle = idle
        super().__init__("", user, password, timeout, refusal_passes=True, engine=engine)
        self._host, self._port, self._context = host, port, context

    def _connect(self) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            host=self._host, port=self._port, user=self._user, password=self._password.encode(), ssl=self._context,
            charset="utf8mb4", autocommit=True, init_command=f"{SESSION}, wait_timeout = {self._idle}",
            connect_timeout=CONNECT_TIMEOUT, read_timeout=self._timeout, write_timeout=self._timeout,
        )  # fmt: skip
