"""A server's private key in its own data, closed with the pool's secret: who restores the data from a dump has who the
server is, too, and its applications go on."""

from __future__ import annotations

from collections.abc import Callable

from dbhandler.engine.server import Server
from dbhandler.provisioning import backup_sql

KEY, PUBLIC = "key", "public"


def row_name(what: str, node: str = "") -> str:
    """The name of the row of KEY or PUBLIC. node is the identity of a cluster's node, each of which has a key."""
    return f"{what}.{node}" if node else what


class KeptKey:
    """The row of the closed key, and beside it that of the public one. keep makes what is to be held of the key from
    what is held (None: nothing)."""

    def __init__(
        self, server: Server, public_key: str, keep: Callable[[str | None], str | None], node: str = ""
    ) -> None:
        self._server, self._public, self._keep = server, public_key, keep
        self._names = row_name(KEY, node), row_name(PUBLIC, node)

    def ensure(self) -> None:
        """Writes the rows unless they are right. Raises Unavailable or ServerError when the server does."""
        if not self._server.execute(backup_sql.kept_exists()):
            self._server.execute(backup_sql.make_kept())
        held = {str(name): str(value) for name, value in self._server.execute(backup_sql.kept(self._names))}
        key, public = self._names
        closed = self._keep(held.get(key) if held.get(public) == self._public else None)
        if closed is not None and held != (wanted := {key: closed, public: self._public}):
            self._server.execute(backup_sql.keep(wanted))
