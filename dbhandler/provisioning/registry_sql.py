"""Pure: the statements about the registry, one table in the server's own schema."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.engine.sql import Statement

_SCHEMA, _NAME = "mysql", "dbhandler_registry"
_TABLE = f"{_SCHEMA}.{_NAME}"
_COLUMNS = "name, owner, dropped, claimed, TIMESTAMPDIFF(SECOND, claimed, UTC_TIMESTAMP(6))"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_OWNER = f"owner VARCHAR(128) {_TEXT} NULL"
_CLAIMED = "claimed DATETIME(6) NULL"


def columns() -> Statement:
    """One row with its name for every column of the table, none where there is no table."""
    return Statement(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (_SCHEMA, _NAME),
    )


def make_table() -> Statement:
    """The table. Its primary key and the unique owner decide who wins where two ask at once."""
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {_TABLE} (name VARCHAR(64) {_TEXT} PRIMARY KEY, dropped BIGINT NULL, {_OWNER}, "
        f"{_CLAIMED}, UNIQUE KEY owner (owner)) ENGINE = InnoDB COMMENT 'databases made on request and the accounts "
        "they are for; dropped: when, in Serf''s Lamport time'"
    )


def add_owners() -> Statement:
    """Makes the table of version 0.1, which only clusters (of MariaDB) had, one with owners."""
    return Statement(
        f"ALTER TABLE {_TABLE} ADD COLUMN IF NOT EXISTS {_OWNER}, ADD COLUMN IF NOT EXISTS {_CLAIMED}, "
        "ADD UNIQUE KEY IF NOT EXISTS owner (owner)"
    )


def fill(entries: Sequence[tuple[str, int | None]]) -> Statement:
    """Adds names with their tombstones (None: none); what is there stays as it is."""
    marks = ", ".join(["(%s, %s)"] * len(entries))
    values = tuple(value for entry in entries for value in entry)
    return Statement(f"INSERT IGNORE INTO {_TABLE} (name, dropped) VALUES {marks}", values)  # noqa: S608


def entry(name: str) -> Statement:
    """The row of a name: name, owner, tombstone, when it was claimed, and how many seconds ago."""
    return Statement(f"SELECT {_COLUMNS} FROM {_TABLE} WHERE name = %s", (name,))  # noqa: S608


def entry_of(owner: str) -> Statement:
    """As `entry`, the row of an owner."""
    return Statement(f"SELECT {_COLUMNS} FROM {_TABLE} WHERE owner = %s", (owner,))  # noqa: S608


def claims() -> Statement:
    """As `entry`, the row of every name that an owner has claimed."""
    return Statement(f"SELECT {_COLUMNS} FROM {_TABLE} WHERE owner IS NOT NULL")  # noqa: S608


def claim(name: str, owner: str) -> Statement:
    """Claims a name that has no row; changes nothing where it or the owner has one by now."""
    text = f"INSERT IGNORE INTO {_TABLE} (name, owner, claimed) VALUES (%s, %s, UTC_TIMESTAMP(6))"  # noqa: S608
    return Statement(text, (name, owner))


def take_over(name: str, owner: str, former: str | None, claimed: object) -> Statement:
    """Claims a name whose row is as it was seen: the owner before, and when that one claimed it."""
    return Statement(
        f"UPDATE IGNORE {_TABLE} SET owner = %s, claimed = UTC_TIMESTAMP(6) "  # noqa: S608
        "WHERE name = %s AND owner <=> %s AND claimed <=> %s",
        (owner, name, former, claimed),
    )


def release(name: str, owner: str) -> Statement:
    """The name is nobody's any more, if it is that owner's."""
    text = f"UPDATE {_TABLE} SET owner = NULL, claimed = NULL WHERE name = %s AND owner = %s"  # noqa: S608
    return Statement(text, (name, owner))


def forget(name: str) -> Statement:
    """Nothing is known of a name any more."""
    return Statement(f"DELETE FROM {_TABLE} WHERE name = %s", (name,))  # noqa: S608


def made(name: str) -> Statement:
    """Adds a name; a tombstone of it is gone, an owner stays."""
    text = f"INSERT INTO {_TABLE} (name) VALUES (%s) ON DUPLICATE KEY UPDATE dropped = NULL"  # noqa: S608
    return Statement(text, (name,))


def dropped(name: str, ltime: int) -> Statement:
    """Puts a tombstone on a name, which is nobody's from then on."""
    return Statement(
        f"INSERT INTO {_TABLE} (name, dropped) VALUES (%s, %s) "  # noqa: S608
        "ON DUPLICATE KEY UPDATE dropped = %s, owner = NULL, claimed = NULL",
        (name, ltime, ltime),
    )


def names() -> Statement:
    """One row for every name without a tombstone, sorted."""
    return Statement(f"SELECT name FROM {_TABLE} WHERE dropped IS NULL ORDER BY name")  # noqa: S608
