"""The drops under way: a table in the server, so that whatever is killed, what was locked is found again.

In a cluster it is replicated: every node knows what is being dropped, ends the account's sessions of its own, and says
so with a row (a witness) that the dropping node waits for.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbhandler.engine.driver import ER_DUP_ENTRY
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Busy, ServerError
from dbhandler.log import shown
from dbhandler.provisioning.move_table import MoveTable
from dbhandler.provisioning.own_table import OwnTable

_TABLE = "mysql.dbhandler_drops"
_MAKE_TABLE = Statement(
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (name VARCHAR(64) NOT NULL, witness VARCHAR(64) NOT NULL, "
    "attempt VARCHAR(16) NOT NULL, node VARCHAR(64) NOT NULL, account VARCHAR(80) NOT NULL, stage VARCHAR(8) NOT NULL, "
    "taken VARCHAR(255) NOT NULL, held INT NOT NULL, ltime BIGINT UNSIGNED NOT NULL, dump VARCHAR(255) NOT NULL, "
    "PRIMARY KEY (name, witness)) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
    "COMMENT 'drops of databases that are under way'"
)
_COLUMNS = "name, account, node, attempt, ltime, stage, taken, held, dump"

AGAIN = 0.5
"""Seconds until a request for a database that is being dropped is tried again."""

BEGUN, LOCKED, DUMPED = "begun", "locked", "dumped"


@dataclass(frozen=True)
class Drop:
    """One drop: node and attempt say whose it is, stage how far it is, taken which privileges the account has lost for
    its time, held how much the database held when it began, dump its file in the trash."""

    database: str
    account: str
    node: str
    attempt: str
    ltime: int
    stage: str = BEGUN
    taken: tuple[str, ...] = ()
    held: int = 0
    dump: str = ""


class DropTable:
    """The table on one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server) -> None:
        self._own = OwnTable(server, "dbhandler_drops", (_MAKE_TABLE,))
        self._moves = MoveTable(server)

    def all(self) -> list[Drop]:
        """The drops under way, on whichever node."""
        return [_drop(row) for row in self._own.execute(f"SELECT {_COLUMNS} FROM {_TABLE} WHERE witness = ''")]  # noqa: S608

    def of(self, database: str) -> Drop | None:
        """The drop of a database, whatever the case of its name: servers differ in what they take for one name."""
        return next((drop for drop in self.all() if drop.database.lower() == database.lower()), None)

    def check_free(self, database: str) -> None:
        """Raises Busy while the database is being dropped or moved, Elsewhere where it has moved."""
        if self.of(database):
            raise being_dropped(database)
        self._moves.check_here(database)

    def begin(self, drop: Drop) -> None:
        """Notes a new drop, durably. Raises Busy where another node was faster."""
        values = (drop.account, drop.node, drop.attempt, drop.ltime, drop.stage, ",".join(drop.taken), drop.held)
        try:
            self._own.execute(
                f"INSERT INTO {_TABLE} ({_COLUMNS}, witness) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '', '')",  # noqa: S608
                drop.database, *values,
            )  # fmt: skip
        except ServerError as error:
            if error.errno == ER_DUP_ENTRY:
                raise being_dropped(drop.database) from error
            raise

    def advance(self, drop: Drop) -> None:
        """Notes how far a drop is."""
        self._own.execute(
            f"UPDATE {_TABLE} SET stage = %s, dump = %s WHERE name = %s AND witness = '' AND attempt = %s",  # noqa: S608
            drop.stage, drop.dump, drop.database, drop.attempt,
        )  # fmt: skip

    def end(self, drop: Drop) -> None:
        """Forgets a drop and its witnesses."""
        self._own.execute(f"DELETE FROM {_TABLE} WHERE name = %s", drop.database)  # noqa: S608

    def bear_witness(self, drop: Drop, node: str) -> None:
        """Notes that a node has no session of the account any more."""
        self._own.execute(
            f"REPLACE INTO {_TABLE} ({_COLUMNS}, witness) VALUES (%s, %s, '', %s, 0, '', '', 0, '', %s)",  # noqa: S608
            drop.database, drop.account, drop.attempt, node,
        )  # fmt: skip

    def witnesses(self, drop: Drop) -> int:
        """How many nodes have said so."""
        text = f"SELECT COUNT(*) FROM {_TABLE} WHERE name = %s AND witness <> '' AND attempt = %s"  # noqa: S608
        [(number,)] = self._own.execute(text, drop.database, drop.attempt)
        return int(str(number))


def being_dropped(database: str) -> Busy:
    """What is said meanwhile."""
    return Busy(f"the database {shown(database)} is being dropped: ask again", AGAIN)


def _drop(row: tuple[object, ...]) -> Drop:
    name, account, node, attempt, ltime, stage, taken, held, dump = map(str, row)
    privileges = tuple(filter(None, taken.split(",")))
    return Drop(name, account, node, attempt, int(ltime), stage, privileges, int(held), dump)
