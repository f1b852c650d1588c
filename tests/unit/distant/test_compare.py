"""What a server holds, and what differs, with servers that are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from dbhandler.distant.compare import UNREADABLE, Unreadable, asker, differences, one_moment, state
from dbhandler.engine.driver import pymysql
from dbhandler.errors import DbHandlerError, Unavailable

Rows = Sequence[tuple[object, ...]]
UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


class Played:
    """Answers statements from a table; of others there are no rows."""

    def __init__(self, answers: Mapping[str, Rows | Exception]) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, text: str) -> Rows:
        self.asked.append(text)
        answer = self.answers.get(text, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


SHOP: Mapping[str, Rows | Exception] = {
    "SHOW DATABASES": [("information_schema",), ("shop",), ("SYS",), ("performance_schema",)],
    "SHOW CREATE DATABASE `shop`": [("shop", "CREATE DATABASE `shop`")],
    "SHOW FULL TABLES IN `shop`": [("orders", "BASE TABLE"), ("open", "VIEW")],
    "SHOW CREATE TABLE `shop`.`orders`": [("orders", "CREATE TABLE `orders` () AUTO_INCREMENT=7 COMMENT='x'")],
    "CHECKSUM TABLE `shop`.`orders`": [("shop.orders", 42)],
    "SHOW COLUMNS FROM `shop`.`open`": [("id", "int")],
    "SHOW CREATE VIEW `shop`.`open`": [("open", "CREATE VIEW `open` AS SELECT 1")],
    "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'": [("t",)],
    "SHOW CREATE TRIGGER `shop`.`t`": [("t", "STRICT", "CREATE TRIGGER t")],
    "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'shop'": [("e",)],
    "SHOW CREATE EVENT `shop`.`e`": [("e", "STRICT", "SYSTEM", "CREATE EVENT e")],
    "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop' "
    "AND ROUTINE_TYPE = 'PROCEDURE'": [("p",)],
    "SHOW CREATE PROCEDURE `shop`.`p`": [("p", "STRICT", "CREATE PROCEDURE p")],
    "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop' "
    "AND ROUTINE_TYPE = 'FUNCTION'": [("f",)],
    "SHOW CREATE FUNCTION `shop`.`f`": [("f", "STRICT", "CREATE FUNCTION f")],
}
STATE = {
    ("shop", "database", ""): "CREATE DATABASE `shop`",
    ("shop", "definition of", "orders"): "CREATE TABLE `orders` () COMMENT='x'",
    ("shop", "rows of", "orders"): 42,
    ("shop", "view", "open"): "CREATE VIEW `open` AS SELECT 1",
    ("shop", "trigger", "t"): "CREATE TRIGGER t",
    ("shop", "event", "e"): "CREATE EVENT e",
    ("shop", "procedure", "p"): "CREATE PROCEDURE p",
    ("shop", "function", "f"): "CREATE FUNCTION f",
}


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_all_that_a_server_holds(engine: str) -> None:
    assert state(Played(SHOP), engine) == STATE


def test_some_schemas_only() -> None:
    ask = Played({**SHOP, "SHOW DATABASES": [("shop",), ("other",)]})
    assert state(ask, "mariadb", ["shop", "gone"]) == STATE
    assert not any("other" in text or "gone" in text for text in ask.asked)


def test_names_are_quoted() -> None:
    ask = Played({
        "SHOW DATABASES": [("a`%\\'b",)], "SHOW CREATE DATABASE `a``%\\'b`": [("", "x")],
        "SHOW FULL TABLES IN `a``%\\'b`": [("t`", "BASE TABLE")], "SHOW CREATE TABLE `a``%\\'b`.`t```": [("", "y")],
        "CHECKSUM TABLE `a``%\\'b`.`t```": [("", 1)],
    })  # fmt: skip
    assert state(ask, "mysql")["a`%\\'b", "rows of", "t`"] == 1
    assert any(text.endswith("TRIGGER_SCHEMA = 'a`%\\\\''b'") for text in ask.asked)


@pytest.mark.parametrize(
    ("statement", "answer", "key"),
    [
        ("SHOW CREATE TABLE `shop`.`orders`", Unreadable("x"), ("shop", "definition of", "orders")),
        ("CHECKSUM TABLE `shop`.`orders`", [("shop.orders", None)], ("shop", "rows of", "orders")),
        ("SHOW COLUMNS FROM `shop`.`open`", Unreadable("x"), ("shop", "view", "open")),
        ("SHOW CREATE PROCEDURE `shop`.`p`", Unreadable("x"), ("shop", "procedure", "p")),
    ],
)
def test_what_nobody_can_read_is_known_as_such(
    statement: str, answer: Rows | Exception, key: tuple[str, str, str]
) -> None:
    found = state(Played({**SHOP, statement: answer}), "mariadb")
    assert found == {**STATE, key: UNREADABLE}


def test_accounts_are_compared_but_for_those_of_each_server_itself() -> None:
    ask = Played({
        "SHOW DATABASES": [("mysql",)], "SHOW CREATE DATABASE `mysql`": [("mysql", "x")],
        "SHOW TABLES IN mysql": [("global_priv",), ("db",), ("gtid_slave_pos",), ("dbhandler_registry",), ("user",)],
        "SELECT * FROM mysql.`global_priv`": [("%", "shop", "{}"), ("localhost", "root", "{}"), ("%", "a", "{}")],
    })  # fmt: skip
    found = state(ask, "mariadb")
    assert found["mysql", "rows of", "global_priv"] == ["('%', 'a', '{}')", "('%', 'shop', '{}')"]
    assert [name for _, kind, name in found if kind == "rows of"] == ["global_priv", "db", "dbhandler_registry"]


def test_of_two_states_the_differences_are_named() -> None:
    other = {
        **STATE, ("shop", "rows of", "orders"): 43, ("shop", "database", ""): "other",
        ("shop", "view", "more\n"): "x",
    }  # fmt: skip
    del other["shop", "event", "e"]
    assert differences(STATE, other) == [
        "database 'shop'", "event 'shop'.'e'", "rows of 'shop'.'orders'", r"view 'shop'.'more\n'"
    ]  # fmt: skip
    assert differences(STATE, STATE) == []


def test_what_the_server_itself_cannot_read_is_no_difference() -> None:
    assert differences({("s", "view", "v"): UNREADABLE}, {}) == []
    # But what only the restored one cannot read is one.
    assert differences({("s", "view", "v"): "x"}, {("s", "view", "v"): UNREADABLE}) == ["view 's'.'v'"]


Answer = Rows | Exception | Callable[[], Rows]


class Connection:
    """A connection that answers so."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.asked: list[str] = []
        self._answers, self._rows = answers, list[tuple[object, ...]]()

    @contextmanager
    def cursor(self) -> Iterator[Connection]:
        yield self

    def execute(self, text: str, values: Sequence[object] = ()) -> None:
        self.asked.append(text % tuple(values) if values else text)
        answer = self._answers.get(text, [])
        if isinstance(answer, Exception):
            raise answer
        self._rows = list(answer() if callable(answer) else answer)

    def fetchall(self) -> Rows:
        return self._rows


def moment_of(connection: Connection, engine: str) -> str:
    with one_moment(connection, engine) as position:  # type: ignore[arg-type]
        connection.asked.append("(reading)")
    return str(position)


SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT"


def test_one_moment_of_mariadb_is_where_its_log_was() -> None:
    place = [("Binlog_snapshot_file", "log.000003"), ("Binlog_snapshot_position", "4711")]
    connection = Connection({
        "SHOW STATUS LIKE 'binlog_snapshot_%'": place, "SELECT BINLOG_GTID_POS(%s, %s)": [("0-5-7",)]
    })  # fmt: skip
    assert moment_of(connection, "mariadb") == "0-5-7"
    assert connection.asked == [
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", SNAPSHOT, "SHOW STATUS LIKE 'binlog_snapshot_%'",
        "SELECT BINLOG_GTID_POS(log.000003, 4711)", "(reading)", "ROLLBACK",
    ]  # fmt: skip


def test_a_mariadb_without_a_binary_log_has_no_moment() -> None:
    with pytest.raises(DbHandlerError, match="does not say where its binary log was"):
        moment_of(Connection({}), "mariadb")


def test_one_moment_of_mysql_is_one_in_which_nothing_was_written() -> None:
    told = iter([f"{UUID}:1", f"{UUID}:1-2", f"{UUID}:1-2,\n{UUID[:-1]}3:1", f"{UUID}:1-2,\n{UUID[:-1]}3:1"])
    connection = Connection({"SELECT @@gtid_executed": lambda: [(next(told),)]})
    assert moment_of(connection, "mysql") == f"{UUID}:1-2,{UUID[:-1]}3:1"
    assert connection.asked.count(SNAPSHOT) == 2
    assert connection.asked[-4:] == [SNAPSHOT, "SELECT @@gtid_executed", "(reading)", "ROLLBACK"]


def test_a_mysql_that_never_stops_writing_has_none_now() -> None:
    numbers = iter(range(1, 1000))
    connection = Connection({"SELECT @@gtid_executed": lambda: [(f"{UUID}:{next(numbers)}",)]})
    with pytest.raises(Unavailable, match="writes too much"):
        moment_of(connection, "mysql")


def test_the_asker() -> None:
    ask = asker(Connection({"SELECT 1": [(1,)]}))  # type: ignore[arg-type]
    assert ask("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (pymysql.err.OperationalError(1356, "View 'x' references"), Unreadable, "View 'x' references"),
        (pymysql.err.ProgrammingError(1146, "Table 'x' is away"), Unreadable, "Table 'x' is away"),
        (pymysql.err.OperationalError(2013, "Lost"), Unavailable, "the server cannot be read now (error 2013: Lost)"),
        (TimeoutError("timed out"), Unavailable, "the server cannot be read now (error timed out)"),
    ],
)
def test_its_errors(error: Exception, kind: type[DbHandlerError], sentence: str) -> None:
    ask = asker(Connection({"SELECT 1": error}))  # type: ignore[arg-type]
    with pytest.raises(DbHandlerError) as caught:
        ask("SELECT 1")
    assert (type(caught.value), str(caught.value)) == (kind, sentence)
