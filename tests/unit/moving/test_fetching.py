"""The copy of one moment: which program writes it, and what of it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError, ServerError
from dbhandler.moving.fetching import command, fetch

MARIADB = """/*M!999999\\- sandbox */
CREATE TABLE t (i int);
INSERT INTO t VALUES (1);
-- SET GLOBAL gtid_slave_pos='0-1-7';
"""
MYSQL = """SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;
SET @@SESSION.SQL_LOG_BIN= 0;
/* SET @@GLOBAL.GTID_PURGED='+3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,
3e11fa47-71ca-11e1-9e33-c80aa9429563:1-2';*/
CREATE TABLE t (i int);
INSERT INTO t VALUES (1);
SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;
"""


class Loader:
    def __init__(self, loaded: list[bytes], error: Exception | None) -> None:
        self._loaded, self._error = loaded, error

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self, text: bytes) -> None:
        if self._error:
            raise self._error
        self._loaded.append(text)


def fetched(
    dump: str, engine: str, error: Exception | None = None, end: str = ""
) -> tuple[Position, list[bytes], list[int]]:
    loaded, told = list[bytes](), list[int]()

    def connect() -> Any:
        return Loader(loaded, error)

    program = ["sh", "-c", f'printf %s "$1"; {end}', "sh", dump]
    return fetch(program, "shop", engine, connect, set(), told.append), loaded, told


@pytest.mark.parametrize(("engine", "dump"), [("mariadb", MARIADB), ("mysql", MYSQL)])
def test_what_is_loaded_is_the_database_and_nothing_about_the_log(engine: str, dump: str) -> None:
    position, loaded, told = fetched(dump, engine)
    assert [text for text in loaded if text.startswith((b"CREATE", b"INSERT"))] == [
        b"CREATE TABLE t (i int)",
        b"INSERT INTO t VALUES (1)",
    ]
    assert not any(b"GTID" in text or b"LOG_BIN" in text or b"9563" in text for text in loaded)
    assert told == sorted(told) and told[-1] == len(dump.encode())
    expected = (
        "0-1-7"
        if engine == "mariadb"
        else "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,3e11fa47-71ca-11e1-9e33-c80aa9429563:1-2"
    )
    assert str(position) == expected


def test_of_mariadb_the_position_that_is_told_last_counts() -> None:
    """Before it stands what the application has written, routines with lines of their own among it."""
    line = "-- SET GLOBAL gtid_slave_pos='9-9-9';\n"
    forged = f"CREATE PROCEDURE p() SELECT '\n{line}';\n{line}"
    assert str(fetched(forged + MARIADB, "mariadb")[0]) == "0-1-7"


def test_a_dump_without_a_position_or_with_a_failure_is_none() -> None:
    with pytest.raises(DbHandlerError, match="does not say at which position"):
        fetched("CREATE TABLE t (i int);\n", "mariadb")
    with pytest.raises(ServerError, match="'shop' was not copied: 'no such table'"):
        fetched(MARIADB, "mariadb", end="echo no such table >&2; exit 2")
    with pytest.raises(ServerError, match="full"):
        fetched(MARIADB, "mariadb", ServerError("full"))


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_the_name_is_no_option_and_no_password_stands_in_the_command(engine: str) -> None:
    line = command(engine, Path("/run/x.cnf"), "--all-databases")
    assert line[-2:] == ["--", "--all-databases"] and "--defaults-file=/run/x.cnf" in line
    assert {"--single-transaction", "--skip-events", "--routines", "--triggers"} <= set(line)
    # Only the first option is read as one for the file.
    tool = {"mariadb": "mariadb-dump", "mysql": "mysqldump"}[engine]
    assert line[line.index(tool) + 1].startswith("--defaults-file=")
