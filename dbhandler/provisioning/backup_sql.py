"""Pure: the statements about the backup's account, and about what a server's data keep for its restoration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbhandler.engine import sql
from dbhandler.engine.sql import ANY_HOST, Statement

_SCHEMA, _NAME = "mysql", "dbhandler_kept"
KEPT_TABLE = f"{_SCHEMA}.{_NAME}"


def make_account(user: str, password: str, engine: str, connections: int) -> Statement:
    """CREATE USER IF NOT EXISTS for an account of ours."""
    return sql.create_user(user, password, engine, connections, needs_tls=True)


def change_account(user: str, password: str, engine: str, connections: int) -> Statement:
    """Makes of an account what make_account does."""
    changed = sql.change_password(user, password, engine)
    text = f"{changed.text} REQUIRE SSL WITH MAX_USER_CONNECTIONS %s ACCOUNT UNLOCK"
    return Statement(text, (*changed.values, connections), secret=True)


def requirements(user: str) -> Statement:
    """One row: how an account has to be encrypted (ANY: somehow), and how many connections it may have."""
    text = "SELECT ssl_type, max_user_connections FROM mysql.user WHERE User = %s AND Host = %s"
    return Statement(text, (user, ANY_HOST))


def known_privileges() -> Statement:
    """One row, which begins with its name, for every privilege that the server knows."""
    return Statement("SHOW PRIVILEGES")


def held_privileges(user: str) -> Statement:
    """One row for every privilege on everything that an account holds, and one for the right to pass them on."""
    grantee = f"'{user}'@'{ANY_HOST}'"
    table = "FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s"
    return Statement(
        f"SELECT PRIVILEGE_TYPE {table} AND PRIVILEGE_TYPE <> 'USAGE' "
        f"UNION SELECT 'GRANT OPTION' {table} AND IS_GRANTABLE = 'YES'",
        (grantee, grantee),
    )


def grant(user: str, privileges: Sequence[str]) -> Statement:
    """Gives an account privileges on everything."""
    return Statement(f"GRANT {', '.join(privileges)} ON *.* TO %s@%s", (user, ANY_HOST))


def revoke(user: str, privileges: Sequence[str]) -> Statement:
    """Takes privileges on everything from an account."""
    return Statement(f"REVOKE {', '.join(privileges)} ON *.* FROM %s@%s", (user, ANY_HOST))


def kept_exists() -> Statement:
    """One row where the table of what is kept is there."""
    return Statement(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", (_SCHEMA, _NAME)
    )


def make_kept() -> Statement:
    """That table."""
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {KEPT_TABLE} (name VARCHAR(64) PRIMARY KEY, value TEXT NOT NULL) "
        "ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
        "COMMENT 'who this server is: its key, closed with its pool''s secret'"
    )


def kept(names: Sequence[str]) -> Statement:
    """One row (name, value) for each of these names that has a value."""
    marks = ", ".join(["%s"] * len(names))
    return Statement(f"SELECT name, value FROM {KEPT_TABLE} WHERE name IN ({marks})", tuple(names))  # noqa: S608


def keep(values: Mapping[str, str]) -> Statement:
    """Gives names values, in place of those that they have."""
    marks = ", ".join(["(%s, %s)"] * len(values))
    flat = tuple(word for pair in values.items() for word in pair)
    return Statement(f"REPLACE INTO {KEPT_TABLE} (name, value) VALUES {marks}", flat)  # noqa: S608


def forget(name: str) -> Statement:
    """Takes a name's value away."""
    return Statement(f"DELETE FROM {KEPT_TABLE} WHERE name = %s", (name,))  # noqa: S608


def read_accounts() -> Statement:
    """Puts in force what stands in the tables of accounts."""
    return Statement("FLUSH PRIVILEGES")
