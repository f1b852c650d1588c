"""What the owner of this server allows: names, quotas, and which kinds of request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dbhandler.errors import Denied, InvalidRequest
from dbhandler.log import shown
from dbhandler.requests.payload import Request
from dbhandler.requests.reserved_names import is_reserved

DEFAULT_PATTERN = "[A-Za-z0-9_][A-Za-z0-9_$-]*"
SYSTEM_USERS = frozenset({
    "root", "admin", "mysql", "public", "debian-sys-maint", "healthcheck",
    # Ours: of backups, the directory and a group's nodes (trust/, which is slow to load).
    "dbhandler_backup", "dbhandler_restore", "dbhandler_directory", "dbhandler_group",
})  # fmt: skip
SYSTEM_USER_PREFIXES = ("mysql.", "mariadb.", "dbhandler_move_")
"""The last one's are ours: of databases without an owner, while they move (moving/belongings.py)."""
MAX_ACCOUNTS = 8
"""Accounts of one database beside its own, where the server's owner says nothing."""
MAX_COPIES = 2
"""Copies of one database at a time, where the server's owner says nothing."""
MAX_USER = {"mariadb": 80, "mysql": 32}
"""Characters in an account's user name, by engine."""


@dataclass(frozen=True)
class Policy:
    """The owner's rules. None for a quota means that there is no limit, for max_user_connections that the server's own
    holds (0: no limit); quota_bytes is how much of the disk a database may take, max_accounts how many accounts it may
    have beside its own, max_copies how many copies there may be of it; admin_user is reserved as well."""

    name_pattern: re.Pattern[str] = field(default_factory=lambda: re.compile(DEFAULT_PATTERN))
    max_databases: int | None = None
    quota_bytes: int | None = None
    max_accounts: int = MAX_ACCOUNTS
    max_copies: int = MAX_COPIES
    max_user_connections: int | None = None
    require_sealed: bool = False
    require_tls: bool = False
    allow_drop: bool = False
    allow_restore: bool = False
    admin_user: str = "admin"

    def check(self, request: Request) -> None:
        """Raises InvalidRequest for a name this server never serves, Denied for a kind it does not accept."""
        self.check_database(request.database)
        if self.require_sealed and request.sealed is None:
            raise Denied(
                "this server takes sealed requests only (DBHANDLER_REQUIRE_SEALED): "
                f"a bare name is not enough: {shown(request.database)}"
            )

    def check_database(self, name: str) -> None:
        """Raises InvalidRequest for a database's name that the server needs for itself, or that the owner's pattern
        forbids."""
        if is_reserved(name):
            raise InvalidRequest(f"the name belongs to the server itself, for a schema or a file: {shown(name)}")
        if not self.name_pattern.fullmatch(name):
            raise InvalidRequest(
                f"a name has to match {self.name_pattern.pattern} (DBHANDLER_NAME_PATTERN): {shown(name)}"
            )

    def check_user(self, user: str, engine: str) -> None:
        """Raises InvalidRequest for the user name of an account that a request may never have."""
        limit = MAX_USER[engine]
        if not 1 <= len(user) <= limit:
            raise InvalidRequest(f"a user name has 1 to {limit} characters here, this one has {len(user)}")
        if not self.name_pattern.fullmatch(user):
            raise InvalidRequest(
                f"a user name has to match {self.name_pattern.pattern} (DBHANDLER_NAME_PATTERN): {shown(user)}"
            )
        folded = user.lower()
        if folded in SYSTEM_USERS | {self.admin_user.lower()} or folded.startswith(SYSTEM_USER_PREFIXES):
            raise InvalidRequest(f"the user name is reserved: {shown(user)}")
