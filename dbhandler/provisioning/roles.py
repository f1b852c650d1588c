"""Pure: what each role may do, and the statements that give and take it."""

from __future__ import annotations

from collections.abc import Mapping

from dbhandler.engine import sql
from dbhandler.engine.sql import ANY_HOST, Statement, identifier
from dbhandler.requests.vocabulary import Role

PRIVILEGES: Mapping[Role, tuple[str, ...]] = {
    Role.OWNER: ("ALL PRIVILEGES",),
    Role.WRITER: (
        "SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "SHOW VIEW", "CREATE TEMPORARY TABLES", "LOCK TABLES",
    ),
    # Neither EXECUTE, by which a routine changes what its owner may, nor LOCK TABLES, which stops those who write.
    Role.READER: ("SELECT", "SHOW VIEW"),
}  # fmt: skip
"""On the one database of the account, and nothing elsewhere; never with GRANT OPTION."""


def give(role: Role, pattern: str, user: str) -> Statement:
    """Gives an account what the role may do on what the pattern (sql.grant_pattern) stands for."""
    if role is Role.OWNER:
        return sql.grant_database(pattern, user)
    return Statement(f"GRANT {', '.join(PRIVILEGES[role])} ON {identifier(pattern)}.* TO %s@%s", (user, ANY_HOST))


def limited(user: str, connections: int) -> Statement:
    """Sets how many connections an account may have."""
    return Statement("ALTER USER %s@%s WITH MAX_USER_CONNECTIONS %s", (user, ANY_HOST, connections))
