"""The registry of version 0.1 is moved into the table once; a broken one costs a line in the log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dbhandler.engine.sql import Statement
from dbhandler.errors import Unavailable
from dbhandler.provisioning import privilege_sql, registry_sql
from dbhandler.provisioning.old_registry import OldRegistry
from dbhandler.provisioning.registry import Registry
from tests.support.fakes import RecordingServer, Rows

SCHEMA = """
CREATE TABLE made (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE dropped (name TEXT PRIMARY KEY, ltime INTEGER NOT NULL) WITHOUT ROWID;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as version 0.1 left it when it was killed."""
    path = tmp_path / "registry.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        database.execute("INSERT INTO made VALUES ('shop'), ('blog')")
        database.execute("INSERT INTO dropped VALUES ('wiki', 17)")
    return path


def test_names_and_tombstones_are_moved_and_the_file_is_gone(path: Path, tmp_path: Path) -> None:
    stored: list[tuple[str, int | None]] = []
    OldRegistry(path).move(stored.extend)
    assert sorted(stored) == [("blog", None), ("shop", None), ("wiki", 17)]
    assert list(tmp_path.iterdir()) == []
    OldRegistry(path).move(lambda _: pytest.fail("moved twice"))


def test_while_the_server_is_away_the_file_stays(path: Path) -> None:
    def away(_: object) -> None:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        OldRegistry(path).move(away)
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough for a header" * 9, None])
def test_a_broken_file_is_set_aside_with_a_line_in_the_log(
    path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    OldRegistry(path).move(lambda _: pytest.fail("nothing can be read"))
    assert not path.exists()
    assert path.with_name("registry.sqlite.broken").exists()
    assert "set aside as registry.sqlite.broken" in caplog.text


def test_the_registry_takes_over_what_the_file_holds(path: Path) -> None:
    server = RecordingServer()
    Registry(server, path).names()  # type: ignore[arg-type]
    entries: list[tuple[str, int | None]] = [("wiki", 17), ("blog", None), ("shop", None)]
    assert server.executed[-2:] == [registry_sql.fill(entries), registry_sql.names()]


def test_names_of_before_are_compared_as_the_server_does(path: Path) -> None:
    small: dict[Statement, Rows | Exception] = {
        privilege_sql.folded(name): [(f"small {name}",)] for name in ("wiki", "blog", "shop")
    }
    server = RecordingServer({privilege_sql.rules(): [("lower_case_table_names", "1")], **small})
    Registry(server, path).names()  # type: ignore[arg-type]
    entries: list[tuple[str, int | None]] = [("small wiki", 17), ("small blog", None), ("small shop", None)]
    assert registry_sql.fill(entries) in server.executed
