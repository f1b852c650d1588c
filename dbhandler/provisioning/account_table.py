"""The accounts beside a database's own, and whatever ends: a table in the server, so that nothing outlives its time
because somebody was killed or away.

In a cluster it is replicated, and every node ends what is due. What an account may do, its grants say alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.provisioning.own_table import OwnTable

_TABLE, _USED = "mysql.dbhandler_accounts", "mysql.dbhandler_boxes"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_MAKE_TABLES = (
    Statement(
        f"CREATE TABLE IF NOT EXISTS {_TABLE} "
        f"(user VARCHAR(128) {_TEXT} PRIMARY KEY, name VARCHAR(64) {_TEXT} NOT NULL, "
        f"role VARCHAR(8) {_TEXT} NOT NULL, ends BIGINT NULL, old_until BIGINT NULL, KEY name (name)) ENGINE = InnoDB "
        "COMMENT 'accounts beside a database''s own, and when they, databases and former passwords end (ms since 1970)'"
    ),
    Statement(
        f"CREATE TABLE IF NOT EXISTS {_USED} (digest CHAR(64) {_TEXT} PRIMARY KEY, until BIGINT NOT NULL) "
        "ENGINE = InnoDB COMMENT 'sealed boxes that were opened: each is good for one time'"
    ),
)
_COLUMNS = "user, name, role, ends, old_until"

MAIN = "main"
"""In place of a role: the row is about the database's own account, and its end is the database's."""
ADMIN = "admin"
"""In place of a role: the row is about the administrator's account, which has no database and no end."""


@dataclass(frozen=True)
class Account:
    """One row: an account of the database `name`, its role, MAIN or ADMIN, when it ends, and until when its former
    password is valid (ms since 1970, None: not at all)."""

    user: str
    name: str
    role: str
    ends: int | None = None
    old_until: int | None = None

    @property
    def is_granted(self) -> bool:
        """Is it one beside the database's own?"""
        return self.role not in (MAIN, ADMIN)


class AccountTable:
    """The table on one server. Names of databases are in the server's form (`Names.folded`). Every method raises
    Unavailable or ServerError when the server does; reading makes no table."""

    def __init__(self, server: Server) -> None:
        self._server, self._own = server, OwnTable(server, "dbhandler_boxes", _MAKE_TABLES)

    def of(self, user: str) -> Account | None:
        """What is known of an account."""
        return next(iter(self._select("WHERE user = %s", user)), None)

    def granted(self, name: str) -> list[Account]:
        """The accounts of a database beside its own, by name."""
        return self._select("WHERE name = %s AND role <> %s ORDER BY user", name, MAIN)

    def ending(self) -> list[Account]:
        """The accounts that end, and those with a former password."""
        return self._select("WHERE ends IS NOT NULL OR old_until IS NOT NULL")

    def all(self) -> list[Account]:
        """Every account that is known."""
        return self._select("ORDER BY name, user")

    def put(self, account: Account) -> None:
        """Notes an account, durably, in place of what was known of it."""
        values = (account.user, account.name, account.role, account.ends, account.old_until)
        self._own.execute(f"REPLACE INTO {_TABLE} ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s)", *values)  # noqa: S608

    def keep_old(self, user: str, name: str, until: int) -> None:
        """Notes until when the former password of an account is valid; one that nothing is known of is the database's
        own."""
        self._own.execute(
            f"INSERT INTO {_TABLE} ({_COLUMNS}) VALUES (%s, %s, %s, NULL, %s) ON DUPLICATE KEY UPDATE old_until = %s",  # noqa: S608
            user, name, MAIN, until, until,
        )  # fmt: skip

    def forget_old(self, account: Account) -> None:
        """Notes that a former password is gone, unless there is another one by now."""
        where = "WHERE user = %s AND old_until = %s"
        self._own.execute(f"UPDATE {_TABLE} SET old_until = NULL {where}", account.user, account.old_until)  # noqa: S608
        # Nothing is left to be known of a database's own account, or of the administrator's.
        self._own.execute(
            f"DELETE FROM {_TABLE} WHERE user = %s AND role IN (%s, %s) AND ends IS NULL AND old_until IS NULL",  # noqa: S608
            account.user, MAIN, ADMIN,
        )  # fmt: skip

    def forget(self, account: Account) -> None:
        """Forgets an account, unless its end is another one by now."""
        self._own.execute(f"DELETE FROM {_TABLE} WHERE user = %s AND ends <=> %s", account.user, account.ends)  # noqa: S608

    def forget_account(self, user: str) -> None:
        """Forgets an account."""
        self._own.execute(f"DELETE FROM {_TABLE} WHERE user = %s", user)  # noqa: S608

    def forget_all(self, name: str) -> None:
        """Forgets all accounts of a database."""
        if self._own.is_there():
            self._own.execute(f"DELETE FROM {_TABLE} WHERE name = %s", name)  # noqa: S608

    def use(self, box: str, now: int, until: int) -> bool:
        """Notes that a box is used; False where it was before. box is its digest; those that nobody could open any more
        are forgotten."""
        self._own.execute(f"DELETE FROM {_USED} WHERE until < %s", now)  # noqa: S608
        self._own.execute(f"INSERT IGNORE INTO {_USED} (digest, until) VALUES (%s, %s)", box, until)  # noqa: S608
        # Of two that do this at once one has a warning (1062).
        return not self._server.execute(Statement("SHOW WARNINGS"))

    def _select(self, rest: str, *values: object) -> list[Account]:
        if not self._own.is_there():
            return []
        rows = self._own.execute(f"SELECT {_COLUMNS} FROM {_TABLE} {rest}", *values)  # noqa: S608
        return [_account(*row) for row in rows]


def _account(user: object, name: object, role: object, ends: object, old_until: object) -> Account:
    return Account(str(user), str(name), str(role), _time(ends), _time(old_until))


def _time(value: object) -> int | None:
    return None if value is None else int(str(value))
