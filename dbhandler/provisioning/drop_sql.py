"""Pure: the statements with which an account is shut out of its database, and let in again."""

from __future__ import annotations

from dbhandler.engine.sql import ANY_HOST, Statement, identifier

WRITING = (
    "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "EVENT", "CREATE ROUTINE",
    "ALTER ROUTINE", "CREATE VIEW", "CREATE TEMPORARY TABLES", "DELETE HISTORY",
)  # fmt: skip
"""Privileges with which something can be changed. The others stay: the dump reads views by their definer's rights."""


def grantee(user: str) -> str:
    """An account as information_schema writes it."""
    return "'" + user.replace("\\", "\\\\").replace("'", "''") + f"'@'{ANY_HOST}'"


def lock(user: str, locked: bool) -> Statement:
    """Locks an account, or opens it again. Its sessions, events and routines go on."""
    return Statement(f"ALTER USER %s@%s ACCOUNT {'LOCK' if locked else 'UNLOCK'}", (user, ANY_HOST))


def privileges(user: str, pattern: str) -> Statement:
    """One row for every privilege of an account on what the pattern stands for."""
    return Statement(
        "SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = %s AND TABLE_SCHEMA = %s",
        (grantee(user), pattern),
    )


def revoke(taken: tuple[str, ...], pattern: str, user: str) -> Statement:
    """Takes privileges, all of them of WRITING, from an account."""
    return Statement(f"REVOKE {', '.join(taken)} ON {identifier(pattern)}.* FROM %s@%s", (user, ANY_HOST))


def give_back(taken: tuple[str, ...], pattern: str, user: str) -> Statement:
    """Undoes `revoke`."""
    return Statement(f"GRANT {', '.join(taken)} ON {identifier(pattern)}.* TO %s@%s", (user, ANY_HOST))


def sessions(engine: str) -> Statement:
    """One row (number, user) for every session, events that run included."""
    table = {"mariadb": "information_schema.PROCESSLIST", "mysql": "performance_schema.processlist"}[engine]
    return Statement(f"SELECT ID, USER FROM {table}")  # noqa: S608


def fresh_times() -> Statement:
    """MySQL: when a table was written to last is looked up, not remembered for a day."""
    return Statement("SET SESSION information_schema_stats_expiry = 0")


def changes(database: str) -> Statement:
    """One row (kind, name, made, changed last) for everything in a database. By whole seconds of the server's clock."""
    return Statement(
        "SELECT 'table', TABLE_NAME, CREATE_TIME, UPDATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s "
        "UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME, CREATED, LAST_ALTERED FROM information_schema.ROUTINES "
        "WHERE ROUTINE_SCHEMA = %s "
        "UNION ALL SELECT 'event', EVENT_NAME, CREATED, LAST_ALTERED FROM information_schema.EVENTS "
        "WHERE EVENT_SCHEMA = %s "
        "UNION ALL SELECT 'trigger', TRIGGER_NAME, CREATED, NULL FROM information_schema.TRIGGERS "
        "WHERE TRIGGER_SCHEMA = %s",
        (database,) * 4,
    )


def now() -> Statement:
    """One row: the server's clock."""
    return Statement("SELECT NOW()")


def defaults(database: str) -> Statement:
    """One row (character set, collation) where the database exists."""
    return Statement(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA "
        "WHERE SCHEMA_NAME = %s",
        (database,),
    )
