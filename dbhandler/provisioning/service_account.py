"""An account of this package's own in the server, whose password comes from the pool's secret: made, and kept as it
should be, by the agent.

Where it is as it should be, nothing is written: neither a line in the binary log, nor, in a cluster, a statement that
all nodes wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from dbhandler.provisioning import backup_sql


class ServiceAccount:
    """The account `user` on one server, which only TLS reaches, with at most so many connections. passwords are those
    of the pool's secrets, of which it gets the first; privileges is what it may do on everything, by engine."""

    def __init__(
        self,
        server: Server,
        user: str,
        passwords: Sequence[str],
        privileges: Mapping[str, Sequence[str]],
        connections: int,
    ) -> None:
        self._server, self._user, self._passwords = server, user, passwords
        self._privileges, self._connections = privileges, connections

    def ensure(self) -> None:
        """Makes the account what it should be. Raises Denied for one that is somebody else's, Unavailable or
        ServerError when the server does."""
        held = self._held()
        if not self._server.execute(sql.account_exists(self._user)):
            self._write(backup_sql.make_account)
        elif not held and not any(self._accepts(password) for password in self._passwords):
            raise Denied(
                f"the account {self._user} is not this package's: an application has got it before. Drop or rename it"
            )
        elif not self._is_right():
            self._write(backup_sql.change_account)
        self._give(held, self._wanted())

    def _write(self, statement: Callable[[str, str, str, int], Statement]) -> None:
        password, engine = self._passwords[0], self._server.engine
        self._server.execute(statement(self._user, password, engine, self._connections))

    def _is_right(self) -> bool:
        needs = self._server.execute(backup_sql.requirements(self._user))
        right = [(str(tls), int(str(most))) for tls, most in needs] == [("ANY", self._connections)]
        return right and self._accepts(self._passwords[0])

    def _accepts(self, password: str) -> bool:
        return self._server.accepts(self._user, password)

    def _give(self, held: frozenset[str], wanted: frozenset[str]) -> None:
        if held - wanted:
            self._server.execute(backup_sql.revoke(self._user, sorted(held - wanted)))
        if wanted - held:
            self._server.execute(backup_sql.grant(self._user, sorted(wanted - held)))

    def _wanted(self) -> frozenset[str]:
        # MariaDB before 11.3 does not know all of them.
        known = {name.upper() for name in self._names(backup_sql.known_privileges())}
        return frozenset(name for name in self._privileges[self._server.engine] if name in known)

    def _held(self) -> frozenset[str]:
        return frozenset(self._names(backup_sql.held_privileges(self._user)))

    def _names(self, statement: Statement) -> list[str]:
        return [str(row[0]) for row in self._server.execute(statement)]
