"""Pure: the statements that ask who may do what, about databases and accounts, and what a database holds."""

from __future__ import annotations

from dataclasses import dataclass

from dbhandler.engine.sql import ANY_HOST, Statement

_TABLES = ("mysql.tables_priv", "mysql.columns_priv", "mysql.procs_priv")
"""Privileges on tables, columns and routines; the database's name in them is never a pattern."""

_ROLES = {
    "mariadb": "SELECT COUNT(*) FROM mysql.roles_mapping WHERE User = %s",
    "mysql": "SELECT COUNT(*) FROM mysql.role_edges WHERE %s IN (FROM_USER, TO_USER)",
}
_DEFINERS = {
    "mariadb": (("mysql.proc", "db", "definer"), ("mysql.event", "db", "definer")),
    "mysql": (
        ("information_schema.ROUTINES", "ROUTINE_SCHEMA", "DEFINER"),
        ("information_schema.EVENTS", "EVENT_SCHEMA", "DEFINER"),
        ("information_schema.VIEWS", "TABLE_SCHEMA", "DEFINER"),
        ("information_schema.TRIGGERS", "TRIGGER_SCHEMA", "DEFINER"),
    ),
}
"""Where objects that run with an account's rights are found by that account, without opening every table."""


@dataclass(frozen=True)
class Rules:
    """How a server compares names of databases. folded: capital and small letters are one; wildcards: `_` and `%` in a
    grant on a database stand for others."""

    folded: bool = False
    wildcards: bool = True


def rules() -> Statement:
    """Rows (name, value) with what the rules follow from; partial_revokes (MySQL's) is not there on MariaDB."""
    return Statement("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('lower_case_table_names', 'partial_revokes')")


def partial_revokes() -> Statement:
    """One row with 1 or 0, on a server that knows the variable."""
    return Statement("SELECT @@GLOBAL.partial_revokes")


def folded(name: str) -> Statement:
    """One row with the name in small letters, as the server itself folds names."""
    return Statement("SELECT LOWER(CONVERT(%s USING utf8mb3) COLLATE utf8mb3_general_ci)", (name,))


def holders(database: str, besides: str | None, rules: Rules, most: int = 1) -> Statement:
    """At most so many rows (user, host), some of them twice, for accounts, roles or leftovers of one that hold any
    privilege on the database, or would when it exists; the account besides@ANY_HOST is left out. No row: nobody does.

    Source: MySQL 8.4 Reference Manual, 8.2.4 and 15.7.1.6; the server matches patterns byte by byte.
    """
    column = "LOWER(Db)" if rules.folded else "Db"
    same = f"{column} = %s"
    matches = f"CAST(%s AS BINARY) LIKE CAST({column} AS BINARY)" if rules.wildcards else same
    parts = [("mysql.db", matches), *((table, same) for table in _TABLES)]
    others = "NOT (User <=> %s AND Host = %s)"
    selects = [f"SELECT User, Host FROM {table} WHERE {rule} AND {others}" for table, rule in parts]  # noqa: S608
    return Statement(" UNION ALL ".join(selects) + f" LIMIT {most}", (database, besides, ANY_HOST) * len(parts))


def sessions() -> Statement:
    """One row (number, user, host, chosen database, …) for every session: ten times as fast as the tables with the
    same content."""
    return Statement("SHOW PROCESSLIST")


def reads_everything(user: str) -> Statement:
    """One row where an account of that name may read every database."""
    return Statement("SELECT 1 FROM mysql.user WHERE User = %s AND Select_priv = 'Y' LIMIT 1", (user,))


def end_session(number: int) -> Statement:
    """Ends a session; the server answers with error 1094 where it has ended already."""
    return Statement("KILL %s", (number,))


def databases_of(user: str) -> Statement:
    """One row per grant of an account on a database: the grant's pattern."""
    return Statement("SELECT Db FROM mysql.db WHERE User = %s AND Host = %s", (user, ANY_HOST))


def other_holdings_of(user: str, engine: str) -> Statement:
    """One row with the number of what an account has, or will have once it is made, beside grants on databases: tables,
    columns, routines, roles, and the right to act as another account or another's to act as this one."""
    counts = [f"SELECT COUNT(*) FROM {table} WHERE User = %s AND Host = %s" for table in _TABLES]  # noqa: S608
    counts += ["SELECT COUNT(*) FROM mysql.proxies_priv WHERE %s IN (User, Proxied_user)", _ROLES[engine]]
    return Statement(f"SELECT ({') + ('.join(counts)})", (user, ANY_HOST) * len(_TABLES) + (user, user))


def global_privileges_of(user: str) -> Statement:
    """One row with the number of an account's privileges on everything."""
    grantee = "'" + user.replace("\\", "\\\\").replace("'", "''") + f"'@'{ANY_HOST}'"
    return Statement(
        "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s AND PRIVILEGE_TYPE <> 'USAGE'",
        (grantee,),
    )


def runs_as(user: str, engine: str, besides: str | None = None) -> Statement:
    """One row with the name of a database (another than `besides`) in which something runs with the rights of this
    account, or none."""
    values = (f"{user}@{ANY_HOST}",) if besides is None else (f"{user}@{ANY_HOST}", besides)
    selects = [
        f"SELECT {schema} FROM {table} WHERE {definer} = %s" + ("" if besides is None else f" AND {schema} <> %s")  # noqa: S608
        for table, schema, definer in _DEFINERS[engine]
    ]
    return Statement(" UNION ALL ".join(selects) + " LIMIT 1", values * len(selects))


def contents(database: str) -> Statement:
    """One row with the number of tables, views, routines and events in a database."""
    # MariaDB compares these columns without regard to case, whatever its rule for names is.
    counts = [
        f"SELECT COUNT(*) FROM information_schema.{view} WHERE {column} = %s "  # noqa: S608
        f"AND CAST({column} AS BINARY) = CAST(%s AS BINARY)"
        for view, column in (("TABLES", "TABLE_SCHEMA"), ("ROUTINES", "ROUTINE_SCHEMA"), ("EVENTS", "EVENT_SCHEMA"))
    ]
    return Statement(f"SELECT ({') + ('.join(counts)})", (database,) * 6)


def referenced_tables(database: str) -> Statement:
    """One row for each table in a database that a foreign key leads to."""
    return Statement(
        "SELECT DISTINCT REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE "
        "WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME IS NOT NULL", (database,),
    )  # fmt: skip
