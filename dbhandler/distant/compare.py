"""What a server holds, at one moment: a checksum of every table, and the text of all that is no table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dbhandler.distant.access import Connection
from dbhandler.distant.left_out import OF_ONE_OBJECT
from dbhandler.distant.position import Position
from dbhandler.engine.driver import pymysql
from dbhandler.engine.sql import identifier
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown

Rows = Sequence[tuple[object, ...]]
Ask = Callable[[str], Rows]
"""Runs one statement and returns its rows. Raises Unreadable for one object that cannot be read."""
State = Mapping[tuple[str, str, str], object]
"""(schema, kind, name) -> what stands for its content."""

UNREADABLE = "unreadable"
"""Stands for what nobody can read: a view of a table that is gone, a damaged table."""


class Unreadable(DbHandlerError):
    """One object cannot be read; all others can."""


OWN_SCHEMAS = ("information_schema", "performance_schema", "sys")
_GRANTS = ("db", "tables_priv", "columns_priv", "procs_priv")
_ACCOUNTS = {
    "mariadb": ("global_priv", "roles_mapping", *_GRANTS),
    "mysql": ("user", "role_edges", "global_grants", *_GRANTS),
}
_KEPT = ("dbhandler_registry", "dbhandler_kept", "dbhandler_accounts")


@contextmanager
def one_moment(connection: Connection, engine: str) -> Iterator[Position]:
    """Everything that is read meanwhile is of one moment of the server's, at this position. Raises Unavailable."""
    with _translated(), connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield _snapshot(cursor, engine)
        cursor.execute("ROLLBACK")


def _snapshot(cursor: pymysql.cursors.Cursor, engine: str) -> Position:
    if engine == "mariadb":
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SHOW STATUS LIKE 'binlog_snapshot_%'")
        place = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
        file, offset = place["binlog_snapshot_file"], int(place["binlog_snapshot_position"])
        cursor.execute("SELECT BINLOG_GTID_POS(%s, %s)", (file, offset))
        [(position,)] = cursor.fetchall()
        return Position.parse(str(position or ""), engine)
    for _ in range(200):
        before = _executed(cursor)
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        if _executed(cursor) == before:
            return Position.parse(before, engine)
        cursor.execute("ROLLBACK")
    raise Unavailable("it writes too much for a view of one moment")


def _executed(cursor: pymysql.cursors.Cursor) -> str:
    cursor.execute("SELECT @@gtid_executed")
    return str(cursor.fetchall()[0][0]).replace("\n", "")


def asker(connection: Connection) -> Ask:
    """Asks over a connection. The statements raise Unavailable or Unreadable."""

    def ask(text: str) -> Rows:
        with _translated(), connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    return ask


def state(ask: Ask, engine: str, schemas: Iterable[str] | None = None, with_rows: bool = True) -> State:
    """What the server holds, in all schemas, accounts included, or in these; without rows only how tables are made."""
    found = [name for name in _names(ask("SHOW DATABASES")) if name.lower() not in OWN_SCHEMAS]
    wanted = found if schemas is None else [name for name in schemas if name in found]
    state: dict[tuple[str, str, str], object] = {}
    for schema in wanted:
        state[schema, "database", ""] = ask(f"SHOW CREATE DATABASE {_quoted(schema)}")[0][1]
        if schema == "mysql":
            state |= _system_tables(ask, engine)
        else:
            state |= _objects(ask, schema, with_rows)
    return state


def differences(one: State, other: State) -> list[str]:
    """What differs, as a sentence names it, of what can be read in the one."""
    keys = sorted(one.keys() | other.keys())
    return [_called(key) for key in keys if one.get(key) != other.get(key) and one.get(key) != UNREADABLE]


def _called(key: tuple[str, str, str]) -> str:
    schema, kind, name = key
    return f"{kind} {shown(schema)}{'.' + shown(name) if name else ''}"


def _system_tables(ask: Ask, engine: str) -> State:
    present = set(_names(ask("SHOW TABLES IN mysql")))
    tables = [table for table in (*_ACCOUNTS[engine], *_KEPT) if table in present]
    return {("mysql", "rows of", table): _rows(ask, table) for table in tables}


def _rows(ask: Ask, table: str) -> object:
    # A checksum would tell nothing of what differs, and of some system tables it is always NULL. Which account is the
    # private server's own is no difference.
    rows = [row for row in ask(f"SELECT * FROM mysql.{_quoted(table)}") if "localhost" not in map(str, row)]  # noqa: S608
    return sorted(map(repr, rows))


def _objects(ask: Ask, schema: str, with_rows: bool) -> State:
    inside = _quoted(schema)
    state: dict[tuple[str, str, str], object] = {}
    for name, kind in ask(f"SHOW FULL TABLES IN {inside}"):
        table = f"{inside}.{_quoted(str(name))}"
        if kind == "VIEW":
            state[schema, "view", str(name)] = _view(ask, table)
            continue
        state[schema, "definition of", str(name)] = _text(ask, f"SHOW CREATE TABLE {table}", 1)
        if with_rows:
            rows = ask(f"CHECKSUM TABLE {table}")[0][1]
            state[schema, "rows of", str(name)] = UNREADABLE if rows is None else rows
    for kind, listed, column in _PROGRAMS:
        for row in ask(listed.format(schema=_literal(schema), inside=inside)):
            program = f"{inside}.{_quoted(str(row[0]))}"
            state[schema, kind.lower(), str(row[0])] = _text(ask, f"SHOW CREATE {kind} {program}", column)
    return state


def _view(ask: Ask, view: str) -> object:
    # Of one whose tables are gone the text is still there, and can be made nowhere.
    fields = _text(ask, f"SHOW COLUMNS FROM {view}", 0)
    return fields if fields == UNREADABLE else _text(ask, f"SHOW CREATE VIEW {view}", 1)


_ROUTINES = "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {schema} AND ROUTINE_TYPE = "
_PROGRAMS = (
    ("TRIGGER", "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {schema}", 2),
    ("EVENT", "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema}", 3),
    ("PROCEDURE", _ROUTINES + "'PROCEDURE'", 2),
    ("FUNCTION", _ROUTINES + "'FUNCTION'", 2),
)


def _text(ask: Ask, statement: str, column: int) -> str:
    try:
        rows = ask(statement)
    except Unreadable:
        return UNREADABLE
    # Where the counter of a table stands is no content: a replay counts as the rows say.
    return " ".join(word for word in str(rows[0][column]).split(" ") if not word.startswith("AUTO_INCREMENT="))


def _names(rows: Rows) -> list[str]:
    return [str(row[0]) for row in rows]


def _quoted(name: str) -> str:
    return identifier(name).replace("%%", "%")


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (pymysql.err.Error, OSError) as error:
        code = error.args[0] if error.args else 0
        if code in OF_ONE_OBJECT:
            raise Unreadable(str(error.args[-1])) from error
        detail = f": {error.args[1]}" if len(error.args) > 1 else ""
        raise Unavailable(f"the server cannot be read now (error {code}{detail})") from error
    except KeyError as error:
        raise DbHandlerError("the server does not say where its binary log was") from error
