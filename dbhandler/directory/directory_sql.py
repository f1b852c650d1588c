"""Pure: the statements about the directory's tables."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.directory.standing import Standing
from dbhandler.engine.sql import ANY_HOST, Statement
from dbhandler.trust.directory import USER

DATABASE = "dbhandler_directory"
"""No request may ask for it (requests/reserved_names.py)."""
UNTAKEN = 1440
"""A server that was away takes what it was given when it hears of it: a day is long enough, where a minute is for the
others."""
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
NAMES = f"{DATABASE}.names"
_SERVERS, _DOUBLES, _DRAINED = (f"{DATABASE}.{table}" for table in ("servers", "doubles", "drained"))
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_COLUMNS = "server, node, engine, version, labels, names, most, bytes, connections, refusal"

MAKINGS = (
    Statement(f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
    Statement(
        f"CREATE TABLE IF NOT EXISTS {NAMES} (name VARCHAR(64) {_TEXT} PRIMARY KEY, server VARCHAR(64) {_TEXT} NOT "
        "NULL, taken BOOLEAN NOT NULL, claimed DATETIME NOT NULL, INDEX (server)) ENGINE = InnoDB "
        "COMMENT 'which server has which database; taken: it may have made it'"
    ),
    Statement(
        f"CREATE TABLE IF NOT EXISTS {_SERVERS} (server VARCHAR(64) {_TEXT} PRIMARY KEY, node VARCHAR(128) {_TEXT} NOT "
        f"NULL, engine VARCHAR(16) NOT NULL, version VARCHAR(64) {_TEXT} NOT NULL, labels VARCHAR(600) {_TEXT} NOT "
        "NULL, names INT NOT NULL, most INT NOT NULL, bytes BIGINT NOT NULL, connections INT NOT NULL, "
        f"refusal VARCHAR(200) {_TEXT} NOT NULL, told DATETIME NOT NULL) ENGINE = InnoDB "
        "COMMENT 'what the servers say of themselves'"
    ),
    Statement(
        f"CREATE TABLE IF NOT EXISTS {_DOUBLES} (name VARCHAR(64) {_TEXT} NOT NULL, server VARCHAR(64) {_TEXT} NOT "
        "NULL, PRIMARY KEY (name, server)) ENGINE = InnoDB COMMENT 'databases whose name is another server''s'"
    ),
    Statement(
        f"CREATE TABLE IF NOT EXISTS {_DRAINED} (server VARCHAR(64) {_TEXT} PRIMARY KEY) ENGINE = InnoDB "
        "COMMENT 'servers that get no new database: all that they have is to be another''s'"
    ),
)
"""What makes the directory, one after another."""


def is_there() -> Statement:
    """One row where all of it is there."""
    return Statement(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'moves'", (DATABASE,)
    )


def give_account() -> Statement:
    """Lets the account of all agents read and write the directory, and nothing else: what the wildcard in its name
    stands for, too, no request gets (requests/reserved_names.py)."""
    return Statement(f"GRANT {', '.join(RIGHTS)} ON `{DATABASE}`.* TO %s@%s", (USER, ANY_HOST))


def rights(user: str) -> Statement:
    """One row: how many privileges an account has on the directory, and how many on anything else."""
    grantee = f"'{user}'@'{ANY_HOST}'"
    held = "SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = %s AND TABLE_SCHEMA"
    everywhere = "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s"
    text = f"SELECT ({held} = %s), ({held} <> %s) + ({everywhere} AND PRIVILEGE_TYPE <> 'USAGE')"
    return Statement(text, (grantee, DATABASE, grantee, DATABASE, grantee))


def holder(name: str) -> Statement:
    """One row, the server and whether it has taken it, where the name is anybody's."""
    return Statement(f"SELECT server, taken FROM {NAMES} WHERE name = %s", (name,))  # noqa: S608


def claim(name: str, server: str) -> Statement:
    """Gives a name to a server; error 1062 where it is one's already."""
    return Statement(f"INSERT INTO {NAMES} VALUES (%s, %s, FALSE, UTC_TIMESTAMP())", (name, server))  # noqa: S608


def take(name: str, server: str) -> Statement:
    """A server takes a name that is its: from now on the database may be there."""
    text = f"UPDATE {NAMES} SET taken = TRUE, claimed = UTC_TIMESTAMP() WHERE name = %s AND server = %s"  # noqa: S608
    return Statement(text, (name, server))


def reclaim(name: str, old: str, new: str) -> Statement:
    """Gives a name that its server has not taken to another one."""
    return Statement(
        f"UPDATE {NAMES} SET server = %s, claimed = UTC_TIMESTAMP() WHERE name = %s AND server = %s "  # noqa: S608
        "AND NOT taken", (new, name, old),
    )  # fmt: skip


def count_one(server: str) -> Statement:
    """Counts the name among those of the server, until that tells how many it has."""
    return Statement(f"UPDATE {_SERVERS} SET names = names + 1 WHERE server = %s", (server,))  # noqa: S608


def release(names: Sequence[str], server: str, age: int) -> Statement:
    """Takes names from a server that has taken them `age` seconds ago, or that were given to it UNTAKEN times as long
    ago."""
    text = f"DELETE FROM {NAMES} WHERE server = %s AND name IN ({_marks(names)})"  # noqa: S608
    old = f"claimed <= UTC_TIMESTAMP() - INTERVAL IF(taken, 1, {UNTAKEN}) * %s SECOND"
    return Statement(f"{text} AND {old}", (server, *names, age))


def fill(names: Sequence[str], server: str) -> Statement:
    """Gives a server the names that are nobody's, and has it take those that are its already."""
    values = ", ".join(["(%s, %s, TRUE, UTC_TIMESTAMP())"] * len(names))
    taken = "taken = taken OR server = VALUES(server)"
    text = f"INSERT INTO {NAMES} VALUES {values} ON DUPLICATE KEY UPDATE {taken}"  # noqa: S608
    return Statement(text, _flat(names, server))


def holders(names: Sequence[str]) -> Statement:
    """One row (name, server) for each of the names that is anybody's."""
    return Statement(f"SELECT name, server FROM {NAMES} WHERE name IN ({_marks(names)})", tuple(names))  # noqa: S608


def names_of(server: str) -> Statement:
    """One row for each name of a server."""
    return Statement(f"SELECT name FROM {NAMES} WHERE server = %s ORDER BY name", (server,))  # noqa: S608


def tell(standing: Standing) -> Statement:
    """Says how a server stands now."""
    values = (
        standing.server, standing.node, standing.engine, standing.version, ",".join(sorted(standing.labels)),
        standing.names, standing.most, standing.bytes, standing.connections, standing.full,
    )  # fmt: skip
    marks = ", ".join(["%s"] * len(values))
    return Statement(f"REPLACE INTO {_SERVERS} ({_COLUMNS}, told) VALUES ({marks}, UTC_TIMESTAMP())", values)  # noqa: S608


def standings() -> Statement:
    """One row for each server, with how many seconds ago it said so at its end, and whether it is drained."""
    ends = f"TIMESTAMPDIFF(SECOND, told, UTC_TIMESTAMP()), server IN (SELECT server FROM {_DRAINED})"  # noqa: S608
    return Statement(f"SELECT {_COLUMNS}, {ends} FROM {_SERVERS}")  # noqa: S608


def drain(server: str) -> Statement:
    """Keeps new databases from a server."""
    return Statement(f"INSERT IGNORE INTO {_DRAINED} VALUES (%s)", (server,))  # noqa: S608


def undrain(server: str) -> Statement:
    """Undoes `drain`."""
    return Statement(f"DELETE FROM {_DRAINED} WHERE server = %s", (server,))  # noqa: S608


def move_names(old: str, new: str) -> Statement:
    """Gives all names of a server to another one, which has its data."""
    return Statement(f"UPDATE {NAMES} SET server = %s WHERE server = %s", (new, old))  # noqa: S608


def forget_names(server: str) -> Statement:
    """Takes all names from a server."""
    return Statement(f"DELETE FROM {NAMES} WHERE server = %s", (server,))  # noqa: S608


def forget_server(server: str) -> Statement:
    """Forgets what a server said."""
    return Statement(f"DELETE FROM {_SERVERS} WHERE server = %s", (server,))  # noqa: S608


def forget_doubles(server: str) -> Statement:
    """Forgets which of a server's databases have a name that is another server's."""
    return Statement(f"DELETE FROM {_DOUBLES} WHERE server = %s", (server,))  # noqa: S608


def note_doubles(names: Sequence[str], server: str) -> Statement:
    """Notes which of a server's databases have a name that is another server's."""
    values = ", ".join(["(%s, %s)"] * len(names))
    return Statement(f"INSERT IGNORE INTO {_DOUBLES} VALUES {values}", _flat(names, server))  # noqa: S608


def doubles() -> Statement:
    """One row (name, server that has it, server whose the name is) for each such database."""
    return Statement(
        f"SELECT d.name, d.server, n.server FROM {_DOUBLES} d JOIN {NAMES} n ON n.name = d.name "  # noqa: S608
        "AND n.server <> d.server ORDER BY d.name, d.server"
    )


def counts() -> Statement:
    """One row (server, number of names) for each server that has any."""
    return Statement(f"SELECT server, COUNT(*) FROM {NAMES} GROUP BY server")  # noqa: S608


def _marks(values: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _flat(names: Sequence[str], server: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in (name, server))
