"""How the backup reaches a server: as the account that reads everything, over TLS by the pool's authority."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dbhandler import files
from dbhandler.distant.node import Node
from dbhandler.engine.distant import DistantServer
from dbhandler.engine.driver import pymysql
from dbhandler.engine.sql import Statement, create_user, grant_everything
from dbhandler.errors import Denied, Unavailable
from dbhandler.log import printable, shown
from dbhandler.trust.authority import pool_roots

_T = TypeVar("_T")
CONNECT_TIMEOUT = 5.0
"""Seconds."""
RESTING = 120
"""Seconds for which a connection for statements may be idle."""
Connection = pymysql.connections.Connection
_REFUSED = frozenset({1045, 1698, 3118})
_SHUT_OUT = _REFUSED | {1044, 1049, 1130, 1862, 3955, 4151}
"""Neither is an account let in that may not reach the database that it names, whose password has expired, or that is
locked."""


class Access:
    """The way to all servers of the pool with these secrets, which is the same for each; folder holds private files
    for the tools. user is the account, password what makes its password of a secret."""

    def __init__(
        self,
        secrets: Sequence[bytes],
        folder: Path,
        user: str,
        password: Callable[[bytes], str],
    ) -> None:
        self._user, self._passwords = user, [password(secret) for secret in secrets]
        roots = pool_roots(tuple(secrets))
        self._folder, self._roots = folder, folder / "pool-ca.pem"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_private(self._roots, roots)
        self._context = ssl.create_default_context(cadata=roots)

    @property
    def roots(self) -> Path:
        """The file of the certificates by which every server's is verified."""
        return self._roots

    def lets_in(self, node: Node, user: str, password: str, database: str) -> bool:
        """Does the server let somebody else's account into this database? Raises Unavailable."""
        try:
            self._open(node, password, CONNECT_TIMEOUT, user, database).close()
        except pymysql.err.Error as error:
            if error.args[0] in _SHUT_OUT:
                return False
            raise Unavailable(f"{shown(node.name)} does not answer now (error {error.args[0]})") from None
        return True

    def connect(self, node: Node, read_timeout: float) -> Connection:
        """A connection; a read on it takes at most `read_timeout` seconds. Raises Unavailable, or Denied where the
        server does not know the account, which its agent makes before it is ready."""
        return self._with_password(node, lambda password: self._open(node, password, read_timeout))

    def option_file(self, node: Node, engine: str) -> Path:
        """The file that tells the engine's tools (--defaults-file) how to reach this server. Raises as connect does,
        or OSError."""

        def write(password: str) -> Path:
            self._open(node, password, CONNECT_TIMEOUT).close()
            path = self._folder / f"{self._user}-{node.name.encode().hex()}.cnf"
            verified = {"mysql": "ssl-mode=VERIFY_IDENTITY", "mariadb": "ssl-verify-server-cert"}[engine]
            lines = [f"host={node.host}", f"port={node.port}", f"user={self._user}", f"password={password}"]
            lines += ["protocol=tcp", f"ssl-ca={self._roots}", verified]
            files.write_private(path, "\n".join(["[client]", *lines, ""]))
            return path

        return self._with_password(node, write)

    def server(self, node: Node, engine: str, timeout: float) -> DistantServer:
        """As connect, for statements that take at most `timeout` seconds."""

        def made(password: str) -> DistantServer:
            self._open(node, password, CONNECT_TIMEOUT).close()
            return DistantServer(
                node.host, node.port, self._user, password, self._context, timeout, engine, idle=RESTING
            )  # fmt: skip

        return self._with_password(node, made)

    def account(self, engine: str) -> list[Statement]:
        """What makes the account anew, with everything that it may, after all accounts were replaced."""
        made = create_user(self._user, self._passwords[0], engine, needs_tls=True)
        return [made, grant_everything(self._user)]

    def _with_password(self, node: Node, use: Callable[[str], _T]) -> _T:
        for password in self._passwords:
            try:
                return use(password)
            except pymysql.err.Error as error:
                if error.args[0] not in _REFUSED:
                    raise Unavailable(
                        f"{shown(node.name)} does not answer: {printable(str(error.args[-1]), 200)}"
                    ) from None
        raise Denied(f"{shown(node.name)} does not know the account {self._user} of this pool")

    def _open(
        self, node: Node, password: str, read_timeout: float, user: str | None = None, database: str | None = None
    ) -> Connection:
        return pymysql.connect(
            host=node.host, port=node.port, user=user or self._user, password=password.encode(), database=database,
            ssl=self._context, autocommit=True, connect_timeout=CONNECT_TIMEOUT, read_timeout=read_timeout,
            write_timeout=read_timeout, charset="utf8mb4",
        )  # fmt: skip
