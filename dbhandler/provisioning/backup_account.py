"""The account by which the pool's backup reads this server. It reads everything and changes no data."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.engine.server import Server
from dbhandler.provisioning.service_account import ServiceAccount
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


class BackupAccount(ServiceAccount):
    """The account on one server of the pool with these secrets, whose first one its password follows."""

    def __init__(self, server: Server, secrets: Sequence[bytes]) -> None:
        super().__init__(server, USER, [account_password(secret) for secret in secrets], PRIVILEGES, MAX_CONNECTIONS)
