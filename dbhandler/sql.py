"""Pure: identifiers, grant patterns and the statements this package sends, for MariaDB and MySQL."""

from __future__ import annotations

from dataclasses import dataclass, field

ANY_HOST, LOCALHOST = "%", "localhost"

_BY_HASH = {"mariadb": "IDENTIFIED BY PASSWORD %s", "mysql": "IDENTIFIED WITH caching_sha2_password AS %s"}


_SERVES = "EXISTS (SELECT 1 FROM mysql.user)"
"""Always true, and an error (1047) on a cluster's node without a quorum, which would answer from old memory else."""


@dataclass(frozen=True)
class Statement:
    """SQL text with %s in place of values, and the values. secret: it carries a credential."""

    text: str
    values: tuple[object, ...] = field(default=(), repr=False)
    secret: bool = False


def identifier(name: str) -> str:
    """A quoted identifier. Source: MySQL 8.4 Reference Manual, 11.2: a back-tick within is doubled.

    The per cent sign is doubled as well, because statements with values go through the driver's formatting.
    """
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def grant_pattern(database: str, wildcards: bool = True) -> str:
    """The text that stands for this database only in GRANT ... ON and in mysql.db.

    Source: MySQL 8.4 Reference Manual, 15.7.1.6: `_` and `%` are wildcards there unless escaped by a backslash, and
    are not (nor is the backslash) where the server runs with partial_revokes.
    """
    if not wildcards:
        return database
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def create_database(name: str, charset: str | None, collation: str | None) -> Statement:
    """CREATE DATABASE without IF NOT EXISTS: error 1007 is how to know who made it."""
    return _create_database("CREATE DATABASE", name, charset, collation)


def create_missing_database(name: str, charset: str | None, collation: str | None) -> Statement:
    """CREATE DATABASE IF NOT EXISTS: for the server's owner, and for a cluster, where an error on one node is one in
    the log of every node."""
    return _create_database("CREATE DATABASE IF NOT EXISTS", name, charset, collation)


def _create_database(verb: str, name: str, charset: str | None, collation: str | None) -> Statement:
    # What is not given is the server's default.
    given = [("CHARACTER SET %s", charset), ("COLLATE %s", collation)]
    clauses = [(clause, value) for clause, value in given if value is not None]
    text = " ".join([f"{verb} {identifier(name)}", *(clause for clause, _ in clauses)])
    return Statement(text, tuple(value for _, value in clauses))


def create_user(user: str, password: str, max_connections: int | None = None, host: str = ANY_HOST) -> Statement:
    """CREATE USER IF NOT EXISTS with a password; an existing account stays as it is."""
    text, values = "CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s", (user, host, password)
    if max_connections is not None:
        return Statement(text + " WITH MAX_USER_CONNECTIONS %s", (*values, max_connections), secret=True)
    return Statement(text, values, secret=True)


def create_user_by_hash(user: str, hashed: str, host: str, engine: str) -> Statement:
    """CREATE USER IF NOT EXISTS with a password's hash, as the engine itself stores it."""
    return Statement(f"CREATE USER IF NOT EXISTS %s@%s {_BY_HASH[engine]}", (user, host, hashed), secret=True)


def change_password(user: str, password: str, host: str = ANY_HOST) -> Statement:
    """A new password for an account; its open connections stay."""
    return Statement("ALTER USER %s@%s IDENTIFIED BY %s", (user, host, password), secret=True)


def set_password(user: str, password: str, host: str, engine: str) -> Statement:
    """A password in place of whatever else an account proved itself by."""
    # MySQL would keep the socket's plugin, and with it no password.
    plugin = {"mariadb": "", "mysql": " WITH caching_sha2_password"}[engine]
    return Statement(f"ALTER USER %s@%s IDENTIFIED{plugin} BY %s", (user, host, password), secret=True)


def change_password_by_hash(user: str, hashed: str, host: str, engine: str) -> Statement:
    """A new password for an account by its hash."""
    return Statement(f"ALTER USER %s@%s {_BY_HASH[engine]}", (user, host, hashed), secret=True)


def expire_password(user: str, host: str) -> Statement:
    """The account has to change its password at the first log-in."""
    return Statement("ALTER USER %s@%s PASSWORD EXPIRE", (user, host))


def create_socket_account(user: str, engine: str) -> list[Statement]:
    """An account that its operating system user proves at the socket, with all privileges."""
    plugin = {"mariadb": "VIA unix_socket", "mysql": "WITH auth_socket"}[engine]
    account = Statement(f"CREATE USER IF NOT EXISTS %s@%s IDENTIFIED {plugin}", (user, LOCALHOST))
    return [account, grant_everything(user, LOCALHOST)]


def proved_by_socket(user: str, engine: str) -> Statement:
    """One row where the account at localhost proves itself by its operating system user."""
    # MariaDB shows only the first of an account's ways to log in in mysql.user.
    table = {
        "mariadb": "mysql.global_priv WHERE JSON_SEARCH(Priv, 'one', 'unix_socket') IS NOT NULL",
        "mysql": "mysql.user WHERE plugin = 'auth_socket'",
    }[engine]
    return Statement(f"SELECT 1 FROM {table} AND User = %s AND Host = %s", (user, LOCALHOST))  # noqa: S608


def install_auth_socket() -> Statement:
    """MySQL's plugin for socket accounts; the server answers with error 1125 or 1968 where it is installed."""
    return Statement("INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'")


def grant_database(pattern: str, user: str, host: str = ANY_HOST) -> Statement:
    """All privileges on what `pattern` (from grant_pattern) stands for."""
    return Statement(f"GRANT ALL PRIVILEGES ON {identifier(pattern)}.* TO %s@%s", (user, host))


def drop_database(name: str) -> Statement:
    """DROP DATABASE IF EXISTS."""
    return Statement(f"DROP DATABASE IF EXISTS {identifier(name)}")


def drop_user(user: str) -> Statement:
    """DROP USER IF EXISTS."""
    return Statement("DROP USER IF EXISTS %s@%s", (user, ANY_HOST))


def grant_everything(user: str, host: str = ANY_HOST) -> Statement:
    """All privileges on everything, for the admin."""
    return Statement("GRANT ALL PRIVILEGES ON *.* TO %s@%s WITH GRANT OPTION", (user, host))


def account_exists(user: str, host: str = ANY_HOST) -> Statement:
    """One row where the account exists."""
    return Statement("SELECT 1 FROM mysql.user WHERE User = %s AND Host = %s", (user, host))


def hosts_of(user: str) -> Statement:
    """One row with its host for every account of that user name."""
    return Statement("SELECT Host FROM mysql.user WHERE User = %s", (user,))


def databases_of(user: str) -> Statement:
    """One row per database grant of an account: the grant's pattern."""
    return Statement("SELECT Db FROM mysql.db WHERE User = %s AND Host = %s", (user, ANY_HOST))


def other_privileges_of(user: str) -> Statement:
    """One row with the number of an account's privileges that are not on whole databases."""
    grantee = "'" + user.replace("\\", "\\\\").replace("'", "''") + f"'@'{ANY_HOST}'"
    return Statement(
        "SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s "
        "AND PRIVILEGE_TYPE <> 'USAGE') + (SELECT COUNT(*) FROM mysql.tables_priv WHERE User = %s AND Host = %s)",
        (grantee, user, ANY_HOST),
    )


def users_of(patterns: tuple[str, ...]) -> Statement:
    """One row with its user for every account that has a grant under one of these patterns."""
    marks = ", ".join(["%s"] * len(patterns))
    return Statement(f"SELECT User FROM mysql.db WHERE Db IN ({marks})", patterns)  # noqa: S608


def contents(database: str) -> Statement:
    """One row with the number of tables, views, routines and events in a database."""
    return Statement(
        "SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s) "
        "+ (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s) "
        "+ (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s)",
        (database,) * 3,
    )


def database_exists(name: str) -> Statement:
    """One row where the database exists. The comparison is the server's own, so its case rule holds."""
    return Statement(f"SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s AND {_SERVES}", (name,))  # noqa: S608


def partial_revokes() -> Statement:
    """One row (name, value) on a server that knows partial revokes (MySQL), else none."""
    return Statement("SHOW GLOBAL VARIABLES LIKE 'partial_revokes'")


def databases() -> Statement:
    """The names of all databases but the server's own."""
    return Statement(
        f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE {_SERVES} AND LOWER(SCHEMA_NAME) NOT IN "  # noqa: S608
        "('mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo')"
    )


def server_facts() -> Statement:
    """One row: version, TCP port."""
    return Statement("SELECT VERSION(), @@port")


def status(name: str) -> Statement:
    """One row (name, value) where the server has a status variable of that name."""
    return Statement("SHOW GLOBAL STATUS LIKE %s", (name,))


def innodb() -> Statement:
    """One row where InnoDB is there."""
    return Statement(
        "SELECT 1 FROM information_schema.ENGINES WHERE ENGINE = 'InnoDB' AND SUPPORT IN ('YES', 'DEFAULT')"
    )


def replica_status(engine: str, name: str) -> Statement:
    """The state of this server as a replica, under the name of one connection (a channel in MySQL)."""
    if engine == "mysql":
        return Statement("SHOW REPLICA STATUS FOR CHANNEL %s", (name,))
    return Statement("SHOW REPLICA %s STATUS", (name,)) if name else Statement("SHOW REPLICA STATUS")


def serves() -> Statement:
    """One row, on a server that serves: a cluster's node without a quorum takes connections and answers with 1047."""
    return Statement(f"SELECT {_SERVES}")


def warnings() -> Statement:
    """One row (level, code, text) per warning of the statement before."""
    return Statement("SHOW WARNINGS")


def cluster_status() -> Statement:
    """Rows (name, value) that say what a cluster's node is."""
    return Statement(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_state_uuid', "
        "'wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_ready')"
    )


def uptime() -> Statement:
    """One row: (name, seconds since the server started)."""
    return status("Uptime")
