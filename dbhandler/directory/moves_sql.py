"""Pure: the statements about the directory's table of moves."""

from __future__ import annotations

from collections.abc import Collection

from dbhandler.directory.directory_sql import DATABASE, NAMES
from dbhandler.directory.move import MOST_TRIES, OVER, Move, Step
from dbhandler.engine.sql import Statement
from dbhandler.log import printable

TABLE = f"{DATABASE}.moves"
_COLUMNS = "name, source, target, step, attempt, keep, node, done, total, position, is_back, tries, why"
_TIMES = ", ".join(f"TIMESTAMPDIFF(SECOND, {column}, UTC_TIMESTAMP(3))" for column in ("beat", "changed", "asked"))
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

MAKING = Statement(
    f"CREATE TABLE IF NOT EXISTS {TABLE} (name VARCHAR(64) {_TEXT} PRIMARY KEY, source VARCHAR(64) {_TEXT} NOT NULL, "
    f"target VARCHAR(64) {_TEXT} NOT NULL, step VARCHAR(16) NOT NULL, attempt VARCHAR(32) NOT NULL, keep INT NOT NULL, "
    f"node VARCHAR(128) {_TEXT} NOT NULL, done BIGINT NOT NULL, total BIGINT NOT NULL, position TEXT {_TEXT} NOT NULL, "
    f"is_back BOOLEAN NOT NULL, tries INT NOT NULL, why VARCHAR(400) {_TEXT} NOT NULL, beat DATETIME(3) NOT NULL, "
    "changed DATETIME(3) NOT NULL, asked DATETIME(3) NOT NULL, INDEX (source), INDEX (target)) ENGINE = InnoDB "
    "COMMENT 'databases on their way from one server to another'"
)
MOST_WHY = 400
"""Characters of a reason."""


def select(where: str = "TRUE", *values: object) -> Statement:
    """The rows for which the condition holds."""
    return Statement(f"SELECT {_COLUMNS}, {_TIMES} FROM {TABLE} WHERE {where} ORDER BY asked, name", values)  # noqa: S608


def of(name: str) -> Statement:
    """The row of a name."""
    return select("name = %s", name)


def of_server(server: str) -> Statement:
    """The rows in which a server has something to do."""
    return select(f"%s IN (source, target) AND step NOT IN {_listed(OVER)}", server)


def forget_over(name: str) -> Statement:
    """Forgets a former move of a name, of which nothing is left to be done."""
    return Statement(f"DELETE FROM {TABLE} WHERE name = %s AND step IN {_listed(OVER)}", (name,))  # noqa: S608


def forget_old(seconds: int) -> Statement:
    """Forgets the moves that have been over for so long."""
    return Statement(
        f"DELETE FROM {TABLE} WHERE step IN {_listed(OVER)} "  # noqa: S608
        "AND changed < UTC_TIMESTAMP(3) - INTERVAL %s SECOND", (seconds,),
    )  # fmt: skip


def ask(move: Move) -> Statement:
    """Adds a row; none where the name has one."""
    return Statement(
        f"INSERT IGNORE INTO {TABLE} ({_COLUMNS}, beat, changed, asked) "  # noqa: S608
        f"VALUES (%s, %s, %s, %s, %s, %s, '', 0, 0, %s, %s, 0, ''{', UTC_TIMESTAMP(3)' * 3})",
        (move.name, move.source, move.target, move.step, move.attempt, move.keep, move.position, move.is_back),
    )  # fmt: skip


def replace(move: Move, former: str) -> Statement:
    """Makes of a row that is switched, and whose attempt was `former`, the move back, while what was there is kept."""
    return Statement(
        f"UPDATE {TABLE} SET source = %s, target = %s, step = %s, attempt = %s, keep = %s, is_back = %s, tries = 0, "  # noqa: S608
        "why = '', node = '', done = 0, total = 0, changed = UTC_TIMESTAMP(3), asked = UTC_TIMESTAMP(3) "
        "WHERE name = %s AND attempt = %s AND step = %s AND source = %s AND target = %s "
        "AND changed > UTC_TIMESTAMP(3) - INTERVAL keep SECOND",
        (
            move.source, move.target, move.step, move.attempt, move.keep, move.is_back, move.name, former,
            Step.SWITCHED, move.target, move.source,
        ),
    )  # fmt: skip


def step(move: Move, to: Step, why: str, since: Collection[Step]) -> Statement:
    """Takes a step, from one of those steps alone."""
    return Statement(
        f"UPDATE {TABLE} SET step = %s, why = %s, changed = UTC_TIMESTAMP(3), beat = UTC_TIMESTAMP(3) "  # noqa: S608
        f"WHERE name = %s AND attempt = %s AND step IN {_listed(since)}", (to, _short(why), move.name, move.attempt),
    )  # fmt: skip


def begin(move: Move, node: str) -> Statement:
    """The target begins one that waits."""
    return Statement(
        f"UPDATE {TABLE} SET step = %s, node = %s, tries = tries + 1, done = 0, changed = UTC_TIMESTAMP(3), "  # noqa: S608
        "beat = UTC_TIMESTAMP(3) WHERE name = %s AND attempt = %s AND step = %s",
        (Step.COPYING, node, move.name, move.attempt, Step.WAITING),
    )  # fmt: skip


def again(move: Move, attempt: str) -> Statement:
    """One that is undone waits for its next try, which begins with nothing, and is another one to all that is noted."""
    return Statement(
        f"UPDATE {TABLE} SET step = %s, attempt = %s, is_back = FALSE, changed = UTC_TIMESTAMP(3) "  # noqa: S608
        "WHERE name = %s AND attempt = %s AND step = %s",
        (Step.WAITING, attempt, move.name, move.attempt, Step.UNDOING),
    )  # fmt: skip


def forget_server(server: str) -> Statement:
    """Forgets the moves of a server."""
    return Statement(f"DELETE FROM {TABLE} WHERE %s IN (source, target)", (server,))  # noqa: S608


def inherit(old: str, new: str) -> Statement:
    """Makes the moves of a server those of another one, which has its data."""
    return Statement(
        f"UPDATE {TABLE} SET source = IF(source = %s, %s, source), target = IF(target = %s, %s, target)",  # noqa: S608
        (old, new) * 2,
    )  # fmt: skip


def try_no_more(move: Move) -> Statement:
    """Nobody begins it again."""
    text = f"UPDATE {TABLE} SET tries = {MOST_TRIES} WHERE name = %s AND attempt = %s"  # noqa: S608
    return Statement(text, (move.name, move.attempt))


def progress(move: Move, done: int, total: int, why: str) -> Statement:
    """Says how far the target is."""
    return Statement(
        f"UPDATE {TABLE} SET done = %s, total = %s, why = %s, beat = UTC_TIMESTAMP(3) "  # noqa: S608
        "WHERE name = %s AND attempt = %s", (done, total, _short(why), move.name, move.attempt),
    )  # fmt: skip


def stopped(move: Move, position: str) -> Statement:
    """Nobody writes at the source any more, whose log stands there."""
    return Statement(
        f"UPDATE {TABLE} SET step = %s, position = %s, changed = UTC_TIMESTAMP(3) "  # noqa: S608
        "WHERE name = %s AND attempt = %s AND step = %s",
        (Step.STOPPED, position, move.name, move.attempt, Step.STOPPING),
    )  # fmt: skip


def switch(move: Move, position: str) -> Statement:
    """The name becomes the target's, whose log stands there: in one statement, which happens or does not."""
    return Statement(
        f"UPDATE {TABLE} m JOIN {NAMES} n ON n.name = m.name SET m.step = %s, m.position = %s, m.why = '', "  # noqa: S608
        "m.changed = UTC_TIMESTAMP(3), n.server = m.target, n.taken = TRUE, n.claimed = UTC_TIMESTAMP() "
        "WHERE m.name = %s AND m.attempt = %s AND m.step = %s AND n.server = m.source",
        (Step.SWITCHED, position, move.name, move.attempt, Step.STOPPED),
    )  # fmt: skip


def _short(why: str) -> str:
    """As it may stand on the operator's terminal: a server's own words quote what tenants have written."""
    return printable(why)[:MOST_WHY]


def _listed(steps: Collection[Step]) -> str:
    return "(" + ", ".join(f"'{step}'" for step in steps) + ")"
