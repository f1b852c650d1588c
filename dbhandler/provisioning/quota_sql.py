"""Pure: the statements with which a database is measured, and kept within its quota."""

from __future__ import annotations

import hashlib

from dbhandler.engine.sql import ANY_HOST, Statement

GROWING = ("INSERT", "UPDATE", "CREATE", "ALTER", "INDEX", "CREATE VIEW")
"""Privileges by which a database grows. The others stay, EVENT and TRIGGER too: what deletes by itself needs them."""

_COLUMNS = ", ".join(f"{name.replace(' ', '_').capitalize()}_priv" for name in GROWING)


def sharing() -> Statement:
    """MySQL: one row with the name of its folder for each database with a table in the file that all share."""
    return Statement(
        "SELECT DISTINCT SUBSTRING_INDEX(NAME, '/', 1) FROM information_schema.INNODB_TABLES "
        "WHERE SPACE = 0 AND INSTR(NAME, '/') > 0"
    )


def free(database: str) -> Statement:
    """One row: the bytes within a database's tables that new rows take before the files grow."""
    # MariaDB compares these columns without regard to case, whatever its rule for names is.
    return Statement(
        "SELECT COALESCE(SUM(DATA_FREE), 0) FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = %s AND CAST(TABLE_SCHEMA AS BINARY) = CAST(%s AS BINARY)",
        (database, database),
    )


def held(user: str, pattern: str) -> Statement:
    """One row with Y or N for each of GROWING, where an account has any privilege on what the pattern stands for."""
    text = f"SELECT {_COLUMNS} FROM mysql.db WHERE Host = %s AND User = %s AND Db = %s"  # noqa: S608
    return Statement(text, (ANY_HOST, user, pattern))


def sessions(engine: str) -> Statement:
    """One row (number, user, idle) for every session; idle (1 or 0): it waits for a statement, outside of a
    transaction."""
    table = {"mariadb": "information_schema.PROCESSLIST", "mysql": "performance_schema.processlist"}[engine]
    return Statement(
        "SELECT ID, USER, COMMAND = 'Sleep' AND "  # noqa: S608
        "ID NOT IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX) "
        f"FROM {table}"
    )


def exempt(database: str) -> Statement:
    """One row with 1: nobody keeps a database within its quota while this session lives, or until `exempt_no_more`."""
    return Statement("SELECT GET_LOCK(%s, 1)", (_lock(database),))


def exempt_no_more(database: str) -> Statement:
    """Ends what `exempt` began."""
    return Statement("SELECT RELEASE_LOCK(%s)", (_lock(database),))


def is_exempt(database: str) -> Statement:
    """One row: the number of the session that has called `exempt`, None where there is none."""
    return Statement("SELECT IS_USED_LOCK(%s)", (_lock(database),))


def _lock(database: str) -> str:
    # A lock's name has 64 characters at most, and letter case is nothing in it.
    return f"dbhandler_quota_{hashlib.sha256(database.encode()).hexdigest()[:32]}"
