"""Pure: the statements that ask what a server holds and who uses it, each for all databases or accounts at once."""

from __future__ import annotations

from dbhandler.engine.sql import SYSTEM_SCHEMAS, Statement

_SIZE = "COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0)"
_LAST_WRITE = "UNIX_TIMESTAMP(MAX(UPDATE_TIME))"


def sizes() -> Statement:
    """One row for each database that holds a table: its name, the bytes of data and indexes as the engine estimates
    them, and when it was written to last (seconds since 1970), None where the server does not know."""
    # MariaDB compares these columns without regard to case, whatever its rule for names is.
    return Statement(
        f"SELECT MIN(TABLE_SCHEMA), {_SIZE}, {_LAST_WRITE} FROM information_schema.TABLES "  # noqa: S608
        f"WHERE LOWER(TABLE_SCHEMA) NOT IN {SYSTEM_SCHEMAS} GROUP BY CAST(TABLE_SCHEMA AS BINARY)"
    )


def sizes_of(database: str) -> Statement:
    """As `sizes`, of one database: one row, whose name is None where it holds no table."""
    return Statement(
        f"SELECT MIN(TABLE_SCHEMA), {_SIZE}, {_LAST_WRITE} FROM information_schema.TABLES "  # noqa: S608
        "WHERE TABLE_SCHEMA = %s AND CAST(TABLE_SCHEMA AS BINARY) = CAST(%s AS BINARY)",
        (database, database),
    )


def users() -> Statement:
    """One row (user, host) for each account."""
    return Statement("SELECT User, Host FROM mysql.user")


def grants() -> Statement:
    """One row (user, host, pattern) for each grant on a database."""
    return Statement("SELECT User, Host, Db FROM mysql.db")


def counts_logins(engine: str) -> Statement:
    """One row with 1 or 0 for each of what counts the connections of an account: performance_schema and, in MariaDB,
    userstat, both of which are off there by default."""
    return Statement("SELECT @@GLOBAL.performance_schema" + (", @@GLOBAL.userstat" if engine == "mariadb" else ""))


def logins_by_performance_schema() -> Statement:
    """One row (user, connections since the server's start) for each user name that has had any."""
    return Statement("SELECT USER, TOTAL_CONNECTIONS FROM performance_schema.users WHERE USER IS NOT NULL")


def logins_by_userstat() -> Statement:
    """The same by MariaDB's userstat, since that was turned on."""
    return Statement("SELECT USER, TOTAL_CONNECTIONS FROM information_schema.USER_STATISTICS")
