"""The account by which the pool's backup reads this server: made, and kept as it should be, by the agent.

It reads everything and changes no data. Where it is as it should be, nothing is written: neither a line in the binary
log, nor, in a cluster, a statement that all nodes wait for.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from dbhandler.provisioning import backup_sql
from dbhandler.trust.backup import USER, account_password

MAX_CONNECTIONS = 10

PRIVILEGES = {
    "mariadb": (
        "SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "SHOW CREATE ROUTINE", "REPLICATION SLAVE", "BINLOG MONITOR",
    ),
    "mysql": (
        "SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "SHOW_ROUTINE", "REPLICATION SLAVE", "REPLICATION CLIENT",
        # A dump that says which changes it has in it.
        "FLUSH_TABLES",
    ),
}  # fmt: skip
"""What reading takes, by engine. Not PROCESS, which shows other accounts' statements, and neither RELOAD nor LOCK
TABLES."""


class BackupAccount:
    """The account on one server of the pool with these secrets, whose first one its password follows."""

    def __init__(self, server: Server, secrets: Sequence[bytes]) -> None:
        self._server, self._passwords = server, [account_password(secret) for secret in secrets]

    def ensure(self) -> None:
        """Makes the account what it should be. Raises Denied for one that is somebody else's, Unavailable or
        ServerError when the server does."""
        held = self._held()
        if not self._server.execute(sql.account_exists(USER)):
            self._server.execute(backup_sql.make_account(self._passwords[0], self._server.engine, MAX_CONNECTIONS))
        elif not held and not any(self._accepts(password) for password in self._passwords):
            raise Denied(f"the account {USER} is not the backup's: an application has got it before. Drop or rename it")
        elif not self._is_right():
            self._server.execute(backup_sql.change_account(self._passwords[0], self._server.engine, MAX_CONNECTIONS))
        self._give(held, self._wanted())

    def _is_right(self) -> bool:
        needs = self._server.execute(backup_sql.requirements(USER))
        return [(str(tls), int(str(most))) for tls, most in needs] == [("ANY", MAX_CONNECTIONS)] and self._accepts(
            self._passwords[0]
        )

    def _accepts(self, password: str) -> bool:
        return self._server.accepts(USER, password)

    def _give(self, held: frozenset[str], wanted: frozenset[str]) -> None:
        if held - wanted:
            self._server.execute(backup_sql.revoke(USER, sorted(held - wanted)))
        if wanted - held:
            self._server.execute(backup_sql.grant(USER, sorted(wanted - held)))

    def _wanted(self) -> frozenset[str]:
        # MariaDB before 11.3 does not know all of them.
        known = {name.upper() for name in self._names(backup_sql.known_privileges())}
        return frozenset(name for name in PRIVILEGES[self._server.engine] if name in known)

    def _held(self) -> frozenset[str]:
        return frozenset(self._names(backup_sql.held_privileges(USER)))

    def _names(self, statement: Statement) -> list[str]:
        return [str(row[0]) for row in self._server.execute(statement)]
