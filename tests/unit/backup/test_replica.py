"""A private server: what the engine's tools are asked to do with it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from dbhandler.backup import replica as module
from dbhandler.backup.replica import Replica, replica
from dbhandler.backup.tool import Refused, Unloadable
from dbhandler.engine.sql import Statement
from dbhandler.os_user import socket_user
from dbhandler.volume import template

LOADERS = {"mariadb": ["mariadb", "--no-defaults", "--skip-print-query-on-error"], "mysql": ["mysql", "--no-defaults"]}


class Tools:
    """In place of the engine's: notes what each was fed, and prints this."""

    def __init__(self, *lines: bytes) -> None:
        self.lines, self.refuses = lines, False
        self.fed: list[tuple[list[str], bytes]] = []
        self.printed: list[list[str]] = []

    @contextmanager
    def feed(self, command: Sequence[str], missing: list[str]) -> Iterator[IO[bytes]]:
        stdin = io.BytesIO()
        yield stdin
        self.fed.append((list(command), stdin.getvalue()))
        missing.append("a view")
        if self.refuses:
            raise Refused("mariadb failed: ERROR 1064")

    def print(self, command: Sequence[str], missing: list[str]) -> Iterator[bytes]:
        self.printed.append(list(command))
        missing.append("a table")
        yield from self.lines


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools(b"BINLOG '\n", b"';\n")
    monkeypatch.setattr(module, "fed", made.feed)
    monkeypatch.setattr(module, "printed", made.print)
    return made


@pytest.mark.parametrize(("engine", "plugin"), [("mariadb", "VIA unix_socket"), ("mysql", "WITH auth_socket")])
def test_a_base_is_loaded_and_our_account_is_made_again(engine: str, plugin: str, tools: Tools, tmp_path: Path) -> None:
    copy = Replica(engine, tmp_path)
    copy.load(io.BytesIO(b"CREATE DATABASE x;"))
    [(command, content)] = tools.fed
    assert command[: len(LOADERS[engine])] == LOADERS[engine]
    assert f"--socket={tmp_path}/private.sock" in command and f"--user={socket_user()}" in command
    user = socket_user()
    assert content.decode().splitlines() == [
        "CREATE DATABASE x;", "FLUSH PRIVILEGES;",
        f"CREATE USER IF NOT EXISTS '{user}'@'localhost' IDENTIFIED {plugin};",
        f"GRANT ALL PRIVILEGES ON *.* TO '{user}'@'localhost' WITH GRANT OPTION;",
    ]  # fmt: skip
    assert copy.missing == ["a view"]


def test_a_base_that_it_does_not_take(tools: Tools, tmp_path: Path) -> None:
    tools.refuses = True
    with pytest.raises(Unloadable, match="mariadb failed: ERROR 1064"):
        Replica("mariadb", tmp_path).load(io.BytesIO(b""))


@pytest.mark.parametrize(
    ("engine", "after", "command"),
    [
        ("mariadb", "0-1-5", ["mariadb-binlog", "--no-defaults", "--start-position=0-1-5"]),
        ("mariadb", "", ["mariadb-binlog", "--no-defaults"]),
        ("mysql", "u:1-5", ["mysqlbinlog", "--no-defaults", "--skip-gtids", "--exclude-gtids=u:1-5"]),
        ("mysql", "", ["mysqlbinlog", "--no-defaults", "--skip-gtids"]),
    ],
)
def test_the_log_is_replayed(engine: str, after: str, command: list[str], tools: Tools, tmp_path: Path) -> None:
    Replica(engine, tmp_path).replay([Path("/x/1.log"), Path("/x/2.log")], after)
    assert tools.printed == [[*command, "/x/1.log", "/x/2.log"]]
    [(_, content)] = tools.fed
    assert content == b"BINLOG '\n';\n"


def test_where_there_is_nothing_nothing_is_replayed(tools: Tools, tmp_path: Path) -> None:
    Replica("mariadb", tmp_path).replay([], "0-1-5")
    assert not tools.printed and not tools.fed


@pytest.mark.parametrize(
    ("engine", "tool"),
    [("mariadb", ["mariadb-dump", "--no-defaults"]), ("mysql", ["mysqldump", "--no-defaults"])],
)
def test_a_database_is_dumped(engine: str, tool: list[str], tools: Tools, tmp_path: Path) -> None:
    copy = Replica(engine, tmp_path)
    assert list(copy.dump("--all-databases")) == [b"BINLOG '\n", b"';\n"]
    [command] = tools.printed
    assert command[:2] == tool and {"--force", "--routines", "--events", "--triggers", "--hex-blob"} <= set(command)
    # A database may be called like an option.
    assert command[-2:] == ["--", "--all-databases"] and ("--set-gtid-purged=OFF" in command) is (engine == "mysql")
    assert copy.missing == ["a table"]


def test_all_is_dumped_but_what_each_server_keeps_of_itself(tools: Tools, tmp_path: Path) -> None:
    assert list(Replica("mariadb", tmp_path).dump_all())
    [command] = tools.printed
    assert command[-1] == "--all-databases" and "--ignore-table=mysql.gtid_slave_pos" in command


def test_a_statement_as_text(tmp_path: Path) -> None:
    statement = Statement("SELECT %s, '100%%', %s", ("a@b", 7))
    assert Replica("mysql", tmp_path).text(statement) == "SELECT 'a@b', '100%', 7"


class Started:
    """In place of a private server: notes how it was started."""

    command: Sequence[str] = ()
    environ: Mapping[str, str] = {}
    ended = False

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], extra: Sequence[str]) -> None:
        Started.command, Started.environ, Started.ended = [*command, *extra], environ, False

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        Started.ended = True

    def wait_for(self, server: object) -> None:
        pass


def test_it_is_started_on_a_new_data_directory_that_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[Path] = []
    monkeypatch.setattr(module, "PrivateServer", Started)
    monkeypatch.setattr(template, "fill", lambda data_dir, _template: filled.append(data_dir))
    monkeypatch.setenv("DBHANDLER_POOL_SECRET", "hunter2")
    with replica("mysql", tmp_path, ["--port=0"]) as copy:
        [scratch] = tmp_path.iterdir()
        assert filled == [scratch / "data"] and scratch.stat().st_mode & 0o777 == 0o700
        assert (scratch / "data").stat().st_mode & 0o777 == 0o700 and copy.engine == "mysql"
    assert {"--no-defaults", f"--datadir={scratch}/data", f"--socket={scratch}/private.sock", "--skip-log-bin",
            "--event-scheduler=OFF", "--port=0"} <= set(Started.command)  # fmt: skip
    # The options of the server itself come first.
    assert Started.command[list(Started.command).index("--no-defaults") - 1].endswith("mysqld")
    assert "hunter2" not in Started.environ.values()
    assert Started.ended and list(tmp_path.iterdir()) == []
