"""Identifiers, grant patterns and the statements this package sends, for MariaDB and MySQL."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbhandler.engine.password_hash import stored

ANY_HOST, LOCALHOST = "%", "localhost"

_BY_HASH = {"mariadb": "IDENTIFIED BY PASSWORD %s", "mysql": "IDENTIFIED WITH caching_sha2_password AS %s"}
"""No statement carries a password itself: password_hash.py says why."""


SYSTEM_SCHEMAS = "('mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo', 'dbhandler_directory')"
"""The server's own databases, and that of the pool's directory."""

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


def create_user(
    user: str,
    password: str,
    engine: str,
    max_connections: int | None = None,
    host: str = ANY_HOST,
    needs_tls: bool = False,
) -> Statement:
    """CREATE USER IF NOT EXISTS with a password; an existing account stays as it is. needs_tls: nobody logs in with it
    over a connection that is not encrypted."""
    made = create_user_by_hash(user, stored(password, engine), host, engine)
    text = made.text + (" REQUIRE SSL" if needs_tls else "")
    if max_connections is None:
        return Statement(text, made.values, secret=True)
    return Statement(f"{text} WITH MAX_USER_CONNECTIONS %s", (*made.values, max_connections), secret=True)


def create_user_by_hash(user: str, hashed: str, host: str, engine: str) -> Statement:
    """CREATE USER IF NOT EXISTS with a password's hash, as the engine itself stores it."""
    return Statement(f"CREATE USER IF NOT EXISTS %s@%s {_BY_HASH[engine]}", (user, host, hashed), secret=True)


def change_password(user: str, password: str, engine: str) -> Statement:
    """A new password for an account, in place of whatever else it proved itself by; its open connections stay."""
    return change_password_by_hash(user, stored(password, engine), ANY_HOST, engine)


def change_password_by_hash(user: str, hashed: str, host: str, engine: str) -> Statement:
    """As change_password, by the password's hash."""
    return Statement(f"ALTER USER %s@%s {_BY_HASH[engine]}", (user, host, hashed), secret=True)


def add_password(user: str, password: str, engine: str, present: str) -> Statement:
    """A new password for an account beside the present one, whose hash is `present`: both are valid until
    drop_old_password. Sources: MySQL 8.4 Reference Manual, 8.2.15 (dual passwords); MariaDB's documentation of
    CREATE USER (several ways to log in, the first that fits)."""
    hashed = stored(password, engine)
    if engine == "mysql":
        return Statement(f"ALTER USER %s@%s {_BY_HASH[engine]} RETAIN CURRENT PASSWORD", (user, ANY_HOST, hashed), True)
    way = "mysql_native_password USING %s"
    return Statement(f"ALTER USER %s@%s IDENTIFIED VIA {way} OR {way}", (user, ANY_HOST, hashed, present), True)


def drop_old_password(user: str, engine: str, present: str) -> Statement:
    """Ends what add_password began: the password whose hash is `present` is the only one from then on."""
    if engine == "mysql":
        return Statement("ALTER USER %s@%s DISCARD OLD PASSWORD", (user, ANY_HOST))
    return change_password_by_hash(user, present, ANY_HOST, engine)


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


def revoke_database(pattern: str, user: str) -> Statement:
    """Takes back what `grant_database` gave."""
    return Statement(f"REVOKE ALL PRIVILEGES ON {identifier(pattern)}.* FROM %s@%s", (user, ANY_HOST))


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


def stored_password(user: str, mariadb: bool) -> Statement:
    """One row for an account of requests: what the engine keeps of how it logs in (stored_ways.py)."""
    if mariadb:
        columns = "Priv FROM mysql.global_priv"
    else:
        columns = "plugin, authentication_string, account_locked, User_attributes FROM mysql.user"
    return Statement(f"SELECT {columns} WHERE User = %s AND Host = %s", (user, ANY_HOST))


def database_exists(name: str) -> Statement:
    """One row where the database exists. The comparison is the server's own, so its case rule holds."""
    return Statement(f"SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s AND {_SERVES}", (name,))  # noqa: S608


def databases() -> Statement:
    """The names of all databases but the server's own."""
    return Statement(
        f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE {_SERVES} AND LOWER(SCHEMA_NAME) NOT IN "  # noqa: S608
        f"{SYSTEM_SCHEMAS}"
    )


def server_facts() -> Statement:
    """One row: version, TCP port, whether nobody is to write."""
    return Statement("SELECT VERSION(), @@port, @@GLOBAL.read_only")


def connection_limits() -> Statement:
    """One row: connections to this server, and connections of one account that has no limit of its own."""
    return Statement("SELECT @@GLOBAL.max_connections, @@GLOBAL.max_user_connections")


def limit_accounts(connections: int) -> Statement:
    """Sets how many connections an account may have that has no limit of its own."""
    return Statement("SET GLOBAL max_user_connections = %s", (connections,))


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


def uptime() -> Statement:
    """One row: (name, seconds since the server started)."""
    return status("Uptime")
