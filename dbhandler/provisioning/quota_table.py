"""The accounts that have lost privileges because their database is over its quota: a table in the server, so that
whatever is killed they get back what they had.

In a cluster it is replicated: one node decides, and each ends sessions of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.provisioning.own_table import OwnTable

_TABLE = "mysql.dbhandler_quotas"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_MAKE_TABLE = Statement(
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (user VARCHAR(128) {_TEXT} PRIMARY KEY, name VARCHAR(64) {_TEXT} NOT NULL, "
    f"taken VARCHAR(255) {_TEXT} NOT NULL, stage VARCHAR(8) {_TEXT} NOT NULL, since DATETIME(6) NOT NULL) "
    "ENGINE = InnoDB COMMENT 'accounts of databases over their quota, and which privileges they have lost'"
)


class Stage(StrEnum):
    """How far it is: privileges are being taken, they are taken, or they are given back a moment ago."""

    TAKING, OVER, BACK = "taking", "over", "back"


@dataclass(frozen=True)
class Reduced:
    """One account of the database `name`, and which privileges it has lost. since says when its stage began, by the
    server, age how many seconds ago."""

    user: str
    name: str
    taken: tuple[str, ...]
    stage: Stage = Stage.TAKING
    since: object = None
    age: int = 0

    @property
    def is_over(self) -> bool:
        """Is its database over the quota?"""
        return self.stage is not Stage.BACK


class QuotaTable:
    """The table on one server. Names of databases are in the server's form (`Names.folded`). Every method raises
    Unavailable or ServerError when the server does; reading makes no table."""

    def __init__(self, server: Server) -> None:
        self._own = OwnTable(server, "dbhandler_quotas", (_MAKE_TABLE,))

    def all(self) -> list[Reduced]:
        """Every account that is known."""
        if not self._own.is_there():
            return []
        columns = "user, name, taken, stage, since, TIMESTAMPDIFF(SECOND, since, UTC_TIMESTAMP(6))"
        return [_reduced(*row) for row in self._own.execute(f"SELECT {columns} FROM {_TABLE} ORDER BY user")]  # noqa: S608

    def over(self) -> frozenset[str]:
        """The databases over their quota."""
        return frozenset(row.name for row in self.all() if row.is_over)

    def put(self, row: Reduced) -> None:
        """Notes an account, durably, in place of what was known of it, from now on in its stage."""
        values = (row.user, row.name, ",".join(row.taken), row.stage)
        self._own.execute(f"REPLACE INTO {_TABLE} VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6))", *values)  # noqa: S608

    def forget(self, user: str) -> None:
        """Forgets an account."""
        self._own.execute(f"DELETE FROM {_TABLE} WHERE user = %s", user)  # noqa: S608


def _reduced(user: object, name: object, taken: object, stage: object, since: object, age: object) -> Reduced:
    privileges = tuple(filter(None, str(taken).split(",")))
    return Reduced(str(user), str(name), privileges, Stage(str(stage)), since, int(str(age)))
