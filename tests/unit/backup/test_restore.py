"""A database given back: whom it belongs to, and whom it is asked of."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from dbhandler.backup import restore as module
from dbhandler.backup.restore import ask_for, check_free, check_there, load
from dbhandler.backup.source import Source
from dbhandler.backup.tool import Refused
from dbhandler.client.connection import Connection
from dbhandler.engine import sql
from dbhandler.errors import DbHandlerError, Denied, Unavailable
from dbhandler.provisioning.definer import redefined
from dbhandler.requests.box import Keys, fingerprint
from dbhandler.settings.backup import BackupSettings, backup_settings
from dbhandler.trust import words
from tests.support.fakes import RecordingServer, Rows
from tests.support.pools import OURS, THEIRS, PlayedCluster, PlayedServer

CONNECTION = Connection("shop_before", "10.0.0.97", 3306, "shop_before", "hunter2")
DEFINER = b"DEFINER=`clerk`@`%`"


def made_of(*lines: bytes, user: str = "clerk") -> list[bytes]:
    return list(redefined(lines, user))


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        (b"CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()\n", b"CREATE " + DEFINER + b" PROCEDURE `p`()\n"),
        (b"CREATE DEFINER=`a``@`` b`@`%` FUNCTION `f`()\n", b"CREATE " + DEFINER + b" FUNCTION `f`()\n"),
        (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t\n",
            b"/*!50003 CREATE*/ /*!50017 " + DEFINER + b"*/ /*!50003 TRIGGER t\n",
        ),
        (
            b"/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `e`\n",
            b"/*!50106 CREATE*/ /*!50117 " + DEFINER + b"*/ /*!50106 EVENT `e`\n",
        ),
        (
            b"/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n",
            b"/*!50013 " + DEFINER + b" SQL SECURITY DEFINER */\n",
        ),
        # A role of MariaDB's has no host.
        (b"CREATE DEFINER=`staff` PROCEDURE `p`()\n", b"CREATE " + DEFINER + b" PROCEDURE `p`()\n"),
    ],
)
def test_what_ran_with_anybody_s_rights_runs_with_the_account_s(line: bytes, becomes: bytes) -> None:
    assert made_of(line) == [becomes]


@pytest.mark.parametrize(
    "line",
    [
        b"INSERT INTO `x` VALUES ('CREATE DEFINER=`root`@`localhost`');\n",
        b"  CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()\n",
        b"CREATE TABLE `DEFINER` (`x` int);\n",
        b"\xff\xfe\n",
    ],
)
def test_all_else_stays(line: bytes) -> None:
    assert made_of(line) == [line]


def test_the_account_is_quoted() -> None:
    assert made_of(b"CREATE DEFINER=`a`@`b` PROCEDURE\n", user="o`x") == [b"CREATE DEFINER=`o``x`@`%` PROCEDURE\n"]


class Tool:
    """In place of the engine's: notes what it was fed, and with which options."""

    def __init__(self) -> None:
        self.command: Sequence[str] = ()
        self.options, self.mode, self.content = "", 0, b""
        self.fails: Exception | None = None

    @contextmanager
    def fed(self, command: Sequence[str], missing: list[str]) -> Iterator[IO[bytes]]:
        option_file = Path(command[1].partition("=")[2])
        self.command, self.options, self.mode = command, option_file.read_text(), option_file.stat().st_mode & 0o777
        stdin = io.BytesIO()
        yield stdin
        self.content = stdin.getvalue()
        missing.append("a view")
        if self.fails:
            raise self.fails


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    made = Tool()
    monkeypatch.setattr(module, "fed", made.fed)
    return made


def test_a_dump_is_loaded_with_the_account_s_rights(tool: Tool, tmp_path: Path) -> None:
    lines = [b"CREATE DEFINER=`root`@`localhost` PROCEDURE\n", b"SELECT 1;\n"]
    assert load(lines, CONNECTION, tmp_path) == ["a view"]
    assert tool.content == b"CREATE DEFINER=`shop_before`@`%` PROCEDURE\nSELECT 1;\n"
    assert (tool.command[0], tool.command[-1], tool.mode) == ("mariadb", "shop_before", 0o600)
    assert "hunter2" in tool.options and "hunter2" not in str(tool.command)
    assert list(tmp_path.iterdir()) == []


def test_its_option_file_is_gone_even_where_it_fails(tool: Tool, tmp_path: Path) -> None:
    tool.fails = Refused("mariadb failed")
    with pytest.raises(Refused):
        load([], CONNECTION, tmp_path)
    assert list(tmp_path.iterdir()) == []


class Copy:
    """What a private server holds."""

    def __init__(self, *databases: str) -> None:
        rows: Rows = [(name,) for name in databases]
        self.server = RecordingServer(
            {sql.databases(): rows} | {sql.database_exists(name): [(1,)] for name in databases}
        )


def test_what_was_there_can_be_restored() -> None:
    check_there(Copy("shop"), "shop")  # type: ignore[arg-type]


@pytest.mark.parametrize(("databases", "named"), [(("shop", "x\n"), r"'shop', 'x\n'"), ((), "none")])
def test_what_was_not_there_names_what_was(databases: tuple[str, ...], named: str) -> None:
    with pytest.raises(Denied) as caught:
        check_there(Copy(*databases), "blog")  # type: ignore[arg-type]
    assert str(caught.value) == f"there was no database 'blog' at that moment: there were {named}"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "key")


@pytest.fixture
def settings(tmp_path: Path) -> BackupSettings:
    given = words.encode(OURS.secrets[0])
    return backup_settings({"DBHANDLER_POOL_SECRET": given, "DBHANDLER_BACKUP_DIR": str(tmp_path)})


def source(keys: Keys) -> Source:
    return Source(f"key-{fingerprint(keys.public)}", "a", "mariadb")


def cluster(monkeypatch: pytest.MonkeyPatch, *servers: PlayedServer) -> PlayedCluster:
    played = PlayedCluster(*servers)
    monkeypatch.setattr(module, "connect", lambda _settings: played)
    return played


def test_a_new_database_is_asked_of_the_source_s_own_server(
    keys: Keys, settings: BackupSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PlayedServer("b", Keys(tmp_path / "other"))
    played = cluster(monkeypatch, other, PlayedServer("a", keys))
    connection = ask_for("shop_before", source(keys), settings, tmp_path / "restored")
    assert (connection.database, connection.user) == ("shop_before", "shop_before")
    assert {node for node, query in played.asked() if query == "create_db"} == {"a"}
    [state] = (tmp_path / "restored").glob("*.json")
    assert state.stat().st_mode & 0o777 == 0o600
    # It is the account that is loaded with, and nobody else is told of it.
    assert connection.password in state.read_text()


@pytest.mark.parametrize("status", ["ready", "pending", "denied", "failed"])
def test_a_name_that_is_taken_is_refused(
    status: str, keys: Keys, settings: BackupSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = cluster(monkeypatch, PlayedServer("a", keys, says={"find_db": {"status": status}}))
    with pytest.raises(Denied, match="there is a database 'shop' already: restore under another name"):
        ask_for("shop", source(keys), settings, tmp_path / "restored")
    assert all(query == "find_db" for _, query in played.asked())
    assert not (tmp_path / "restored").exists()


def test_a_name_that_is_free(keys: Keys, settings: BackupSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, PlayedServer("a", keys))
    assert check_free("shop", source(keys), settings).name == "a"


@pytest.mark.parametrize("wrong", ["down", "other", "stranger"])
def test_without_its_server_nobody_is_asked(
    wrong: str, keys: Keys, settings: BackupSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {
        "down": PlayedServer("a", keys, tags={"mysql": "down"}),
        "other": PlayedServer("b", Keys(tmp_path / "other")),
        "stranger": PlayedServer("a", keys, THEIRS),
    }
    played = cluster(monkeypatch, servers[wrong])
    with pytest.raises(Unavailable, match="no server of 'a' is ready to take a database"):
        check_free("shop", source(keys), settings)
    assert played.asked() == []


def test_a_server_that_is_silent(keys: Keys, settings: BackupSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    played = cluster(monkeypatch, PlayedServer("a", keys))
    played.forge = lambda *_: []
    with pytest.raises(Unavailable, match="'a' does not answer"):
        check_free("shop", source(keys), settings)


def test_errors_of_the_agent_are_those_of_a_client(
    keys: Keys, settings: BackupSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_settings: object) -> PlayedCluster:
        raise Unavailable("no Serf agent answers")

    monkeypatch.setattr(module, "connect", away)
    with pytest.raises(DbHandlerError, match="no Serf agent answers"):
        check_free("shop", source(keys), settings)
