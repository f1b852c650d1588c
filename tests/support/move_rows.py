"""The directory's table of moves, in memory."""

from __future__ import annotations

import re
import sqlite3

from dbhandler.directory import moves_sql
from dbhandler.engine.sql import Statement
from tests.support.fakes import Clock, Rows

_MAKING = (
    f"CREATE TABLE {moves_sql.TABLE} (name TEXT PRIMARY KEY, source, target, step, attempt, keep INT, node, done INT, "
    "total INT, position, is_back INT, tries INT, why, beat REAL, changed REAL, asked REAL)"
)
_TRANSLATED = (
    (r"TIMESTAMPDIFF\(SECOND, (\w+), UTC_TIMESTAMP\(3\)\)", r"CAST(now() - \1 AS INT)"),
    (r"UTC_TIMESTAMP\(3\) - INTERVAL (\S+) SECOND", r"now() - \1"),
    (r"UTC_TIMESTAMP\(3\)", "now()"),
    (r"INSERT IGNORE", "INSERT OR IGNORE"),
    (r"\bIF\(", "IIF("),
    (r"%s", "?"),
)


class MoveRows:
    """The directory's table of moves. Statements run as they are, but for what is only spelled differently here."""

    def __init__(self, clock: Clock) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._db.create_function("now", 0, lambda: clock.now)
        self._db.execute("ATTACH ':memory:' AS dbhandler_directory")
        self._db.execute(_MAKING)

    def execute(self, statement: Statement) -> Rows:
        """The rows of one statement."""
        text = statement.text
        for pattern, instead in _TRANSLATED:
            text = re.sub(pattern, instead, text)
        return list(self._db.execute(text, [int(v) if isinstance(v, bool) else v for v in statement.values]))

    def switched(self, name: str, to: str, position: str) -> None:
        """What the statement that switches does in this table."""
        text = f"UPDATE {moves_sql.TABLE} SET step = %s, position = %s, why = '', changed = UTC_TIMESTAMP(3)"
        self.execute(Statement(f"{text} WHERE name = %s", (to, position, name)))
