"""Writers that note what they do and when, so that of every moment it is known what a database held."""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tests.support.containers import Database

Rows = set[tuple[Any, ...]]


@dataclass
class Content:
    """What a database holds: the columns and rows of each table, and what is no table."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    programs: set[tuple[str, str]] = field(default_factory=set)


Change = Callable[[Content], None]


@dataclass(frozen=True)
class Step:
    """What was asked for at `began` and acknowledged at `ended`, UTC seconds."""

    began: float
    ended: float
    change: Change


class Record:
    """The steps of one writer, one after another."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def possible(self, moment: float, late: float) -> tuple[int, int]:
        """How many steps may be in at that moment: at least those acknowledged `late` seconds before, at most those
        begun by then."""
        least = bisect_right(self.steps, moment - late, key=lambda step: step.ended)
        return least, bisect_left(self.steps, moment, key=lambda step: step.began)

    def content(self, count: int) -> Content:
        """After so many steps."""
        content = Content()
        for step in self.steps[:count]:
            step.change(content)
        return content


class RecordingWriter:
    """Writes into one database of its own, until the end of the block."""

    def __init__(self, server: Database, database: str, seed: int) -> None:
        self.database, self.record, self.failure = database, Record(), ""
        self._server, self._rng = server, random.Random(seed)
        self._over, self._number = threading.Event(), 0
        self._extras, self._there = list[str](), set[tuple[str, str]]()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> RecordingWriter:
        self._server.sql(f"CREATE DATABASE `{self.database}`")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        assert not self.failure, self.failure

    def _run(self) -> None:
        try:
            with closing(self._server.connect(database=self.database)) as connection:
                cursor = connection.cursor()
                self._found(cursor)
                while not self._over.is_set():
                    self._one(cursor)
        except Exception as error:
            self.failure = repr(error)

    def _step(self, cursor: Any, statements: Sequence[str], change: Change) -> None:
        began = time.time()
        for statement in statements:
            cursor.execute(statement)
        self.record.steps.append(Step(began, time.time(), change))

    def _found(self, cursor: Any) -> None:
        # A name and words that are written otherwise in each character set.
        self._step(
            cursor, ["CREATE TABLE `straße` (n INT PRIMARY KEY, word VARCHAR(40)) CHARSET latin1"],
            _created("straße", "n", "word"),
        )  # fmt: skip
        self._step(cursor, ["CREATE TABLE audit (n INT PRIMARY KEY)"], _created("audit", "n"))

    def _one(self, cursor: Any) -> None:
        chance = self._rng.random()
        if chance < 0.9:
            self._insert(cursor)
        elif chance < 0.94:
            self._transaction(cursor)
        elif chance < 0.96:
            self._rolled_back(cursor)
        else:
            self._rng.choice([self._table, self._altered, self._dropped, self._trigger, self._program])(cursor)

    def _next(self) -> tuple[int, str]:
        self._number += 1
        return self._number, self._rng.choice(["Grüße", "naïve", "plain", "ÿ'\\%"])

    def _insert(self, cursor: Any) -> None:
        row = self._next()
        self._step(cursor, [_insertion(row, cursor)], _inserted([row]))

    def _transaction(self, cursor: Any) -> None:
        rows = [self._next() for _ in range(3)]
        self._step(cursor, ["BEGIN", *(_insertion(row, cursor) for row in rows), "COMMIT"], _inserted(rows))

    def _rolled_back(self, cursor: Any) -> None:
        self._step(cursor, ["BEGIN", _insertion(self._next(), cursor), "ROLLBACK"], lambda _: None)

    def _table(self, cursor: Any) -> None:
        number, _ = self._next()
        name = f"extra{number}"
        self._extras.append(name)
        self._step(cursor, [f"CREATE TABLE {name} (n INT)"], _created(name, "n"))
        self._step(cursor, [f"INSERT INTO {name} VALUES ({number})"], lambda content: content.rows[name].add((number,)))

    def _altered(self, cursor: Any) -> None:
        if self._extras:
            name, (number, _) = self._rng.choice(self._extras), self._next()
            self._step(cursor, [f"ALTER TABLE {name} ADD COLUMN c{number} INT DEFAULT {number}"], _wider(name, number))

    def _dropped(self, cursor: Any) -> None:
        if self._extras:
            name = self._extras.pop(self._rng.randrange(len(self._extras)))
            self._step(cursor, [f"DROP TABLE {name}"], _gone(name))

    def _trigger(self, cursor: Any) -> None:
        body = "CREATE TRIGGER noting AFTER INSERT ON `straße` FOR EACH ROW INSERT INTO audit VALUES (NEW.n)"
        self._switched(cursor, "TRIGGER", "noting", body)

    def _program(self, cursor: Any) -> None:
        kind, text = self._rng.choice([
            ("VIEW", "CREATE VIEW {} AS SELECT n FROM `straße` WHERE word <> 'ß'"),
            ("PROCEDURE", "CREATE PROCEDURE {}() BEGIN SELECT 'ß;'; SELECT 2; END"),
            ("FUNCTION", "CREATE FUNCTION {}(a INT) RETURNS INT DETERMINISTIC RETURN a + 1"),
            ("EVENT", "CREATE EVENT {} ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DELETE FROM audit"),
        ])  # fmt: skip
        name = f"{kind.lower()}{self._rng.randrange(3)}"
        self._switched(cursor, kind, name, text.format(name))

    def _switched(self, cursor: Any, kind: str, name: str, text: str) -> None:
        """Makes it where it is not there, else drops it."""
        there = (kind, name) in self._there
        self._there ^= {(kind, name)}
        statement = f"DROP {kind} {name}" if there else text
        self._step(cursor, [statement], _switch(kind, name))


def _insertion(row: tuple[int, str], cursor: Any) -> str:
    return str(cursor.mogrify("INSERT INTO `straße` VALUES (%s, %s)", row))


def _created(table: str, *columns: str) -> Change:
    def change(content: Content) -> None:
        content.columns[table], content.rows[table] = list(columns), set()

    return change


def _inserted(rows: Sequence[tuple[int, str]]) -> Change:
    def change(content: Content) -> None:
        content.rows["straße"] |= set(rows)
        if ("TRIGGER", "noting") in content.programs:
            content.rows["audit"] |= {(number,) for number, _ in rows}

    return change


def _wider(table: str, number: int) -> Change:
    def change(content: Content) -> None:
        content.columns[table].append(f"c{number}")
        content.rows[table] = {(*row, number) for row in content.rows[table]}

    return change


def _switch(kind: str, name: str) -> Change:
    def change(content: Content) -> None:
        content.programs ^= {(kind, name)}

    return change


def _gone(table: str) -> Change:
    def change(content: Content) -> None:
        del content.columns[table], content.rows[table]

    return change


_PROGRAMS = (
    "SELECT 'VIEW', TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '{0}'",
    "SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{0}'",
    "SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{0}'",
    "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{0}'",
)


def content_of(server: Database, database: str) -> Content:
    """What is there now."""
    found = Content()
    with closing(server.connect(database=database)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES")
        for name in [name for name, kind in cursor.fetchall() if kind == "BASE TABLE"]:
            cursor.execute(f"SELECT * FROM `{name}`")
            found.rows[name] = set(cursor.fetchall())
            found.columns[name] = [column[0] for column in cursor.description]
        for query in _PROGRAMS:
            cursor.execute(query.format(database))
            found.programs |= {(str(kind), str(name)) for kind, name in cursor.fetchall()}
    return found
