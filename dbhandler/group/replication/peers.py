"""What the nodes that serve say of their data, over TLS by the pool's authority."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from dbhandler.engine import group_sql
from dbhandler.engine.distant import DistantServer
from dbhandler.errors import DbHandlerError
from dbhandler.group.node import Node
from dbhandler.group.replication.gtid import GtidSet
from dbhandler.trust.authority import pool_roots
from dbhandler.trust.group import USER, account_password

TIMEOUT = 5.0
"""Seconds for one answer."""


@dataclass(frozen=True)
class Done:
    """What a server has done, and those transactions of it that it cannot give to others one by one any more."""

    executed: GtidSet
    purged: GtidSet


class Peers:
    """The way to the other nodes of the pool with these secrets. password is the one that the last of them took."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._passwords = [account_password(secret) for secret in secrets]
        self._context = ssl.create_default_context(cadata=pool_roots(tuple(secrets)))
        self.password = 0

    def transactions(self, node: Node) -> Done:
        """What is done there. Raises DbHandlerError where it does not let this node in."""
        complaint: DbHandlerError | None = None
        for number, password in enumerate(self._passwords):
            try:
                found = self._transactions(node, password)
            except DbHandlerError as error:
                complaint = complaint or error
                continue
            self.password = number
            return found
        raise complaint or DbHandlerError("this node has no secret")

    def word(self) -> str:
        """The password itself."""
        return self._passwords[self.password]

    def _transactions(self, node: Node, password: str) -> Done:
        with DistantServer(node.host, node.port, USER, password, self._context, TIMEOUT, "mysql") as server:
            [(executed, purged)] = server.execute(group_sql.executed())
            return Done(GtidSet.parse(str(executed)), GtidSet.parse(str(purged)))
