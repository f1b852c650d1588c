"""From whatever a volume holds to what the server can be started on, with a server that is played."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from dbhandler.engine import private_server, sql
from dbhandler.engine.password_hash import stored
from dbhandler.engine.private_server import TETHER
from dbhandler.engine.sql import Statement
from dbhandler.errors import ConfigError, DbHandlerError, ServerError
from dbhandler.first_start import init_scripts, initial_sql
from dbhandler.first_start import work as first_start
from dbhandler.first_start.work import FirstStartWork, client_options
from dbhandler.os_user import socket_user
from dbhandler.settings.config import Config
from dbhandler.volume import prepare as volume
from dbhandler.volume import template, upgrade
from dbhandler.volume.data_dir import MARKER, STAMP
from dbhandler.volume.prepare import Volume
from tests.support.fakes import RecordingServer

VERSION = "11.8.3-MariaDB"


class World:
    """Notes what was done, in order; what the private server says is a RecordingServer's matter."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.done: list[object] = []
        self.server = PlayedServer(self.done)
        self.data_dir = folder / "data"
        self.run_dir = folder / "run"
        self.environ = {
            "DBHANDLER_ENGINE": "mariadb",
            "DBHANDLER_DATA_DIR": str(self.data_dir),
            "DBHANDLER_RUN_DIR": str(self.run_dir),
        }
        for path in (self.data_dir, self.run_dir):
            path.mkdir()
        patch.setattr(volume, "server_version", lambda engine: VERSION)
        patch.setattr(template, "fill", self._fill)
        patch.setattr("dbhandler.volume.tls.ensure_keys", lambda *_: self.done.append("keys"))
        patch.setattr(first_start, "agent_server", lambda config: self.server)
        patch.setattr(upgrade, "agent_server", lambda config: self.server)
        patch.setattr(upgrade, "Server", self._log_in)
        for module in (first_start, private_server):
            patch.setattr(module, "PrivateServer", self._private)
        patch.setattr(init_scripts, "found", list)

    def prepare(self, **settings: str) -> list[object]:
        """One start; returns what was done."""
        self.done.clear()
        environ = self.environ | settings
        Volume(Config.from_environ(environ), ["mariadbd"], environ).prepare({"PATH": "/bin"})
        return self.done

    def holds(self, *names: str) -> None:
        """A data directory with a server's files of these names."""
        for name in ("ibdata1", *names):
            (self.data_dir / name).touch()
        (self.data_dir / "mariadb_upgrade_info").write_text(VERSION)

    def _fill(self, data_dir: Path, archive: Path, meanwhile: Callable[[], None]) -> None:
        self.done.append("filled")
        for name in (MARKER, "ibdata1"):
            (data_dir / name).touch()
        meanwhile()

    def _private(self, command: Sequence[str], environ: object, extra: Sequence[str] = ()) -> PrivateWorld:
        return PrivateWorld(self, extra)

    def _log_in(self, socket: str, user: str, password: str = "") -> PlayedServer:
        self.done.append(f"log in as {user}")
        self.server.refusing = self.server.accounts.get(user) != password
        return self.server


class PlayedServer(RecordingServer):
    def __init__(self, done: list[object]) -> None:
        super().__init__()
        self._done = done
        self.accounts = {socket_user(): ""}
        self.refusing = False

    def connect(self) -> None:
        if self.refusing:
            raise ServerError("access denied", 1045)

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        self._done.append(statement)
        return super().execute(statement)

    def close(self) -> None:
        pass

    def __enter__(self) -> PlayedServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class PrivateWorld:
    def __init__(self, world: World, extra: Sequence[str]) -> None:
        self._world, self._extra = world, list(extra)

    def __enter__(self) -> PrivateWorld:
        self._world.done.append(["started", *self._extra])
        return self

    def __exit__(self, *_: object) -> None:
        self._world.done.append("stopped")

    def wait_for(self, server: PlayedServer) -> None:
        server.connect()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_an_empty_directory_needs_no_second_start_of_the_server(world: World) -> None:
    assert world.prepare() == ["filled", "keys"]
    # Killed before dbhandler-admin has made it durable, it is begun again: nobody can have logged in.
    assert (world.data_dir / MARKER).exists()
    assert world.prepare() == ["filled", "keys"]


def test_what_the_variables_ask_for_is_made_where_no_network_reaches(world: World) -> None:
    database = sql.create_missing_database("shop", None, None)
    alone = initial_sql.logged(False)
    assert world.prepare(MYSQL_DATABASE="shop") == ["filled", "keys", ["started"], database, alone, "stopped"]
    assert (world.data_dir / STAMP).exists() and not (world.data_dir / MARKER).exists()
    assert world.prepare(MYSQL_DATABASE="other") == ["keys"], "a later start makes nothing"


def test_a_way_to_log_in_that_says_nothing_leaves_an_empty_volume_empty(world: World) -> None:
    with pytest.raises(ConfigError, match="MYSQL_ROOT_PASSWORD is set to nothing"):
        world.prepare(MYSQL_ROOT_PASSWORD="")
    assert world.done == []
    world.holds(STAMP)
    assert world.prepare(MYSQL_ROOT_PASSWORD="") == ["keys"], "a later start needs none"


def test_whoever_says_how_root_logs_in_gets_the_account_of_health_checks(world: World) -> None:
    world.prepare(MYSQL_ROOT_PASSWORD="pw")
    file = world.data_dir / ".my-healthcheck.cnf"
    assert file.stat().st_mode & 0o777 == 0o600
    log_in = client_options(world.run_dir / "mysqld.sock", "healthcheck", "PASSWORD")
    assert re.fullmatch(re.escape(log_in).replace("PASSWORD", "[A-Za-z0-9]{32}"), file.read_text())
    granted = [done.text for done in world.done if isinstance(done, Statement) and "GRANT USAGE" in done.text]
    assert len(granted) == 3


def test_a_packed_data_directory_among_the_scripts_ends_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init_scripts, "found", lambda: [Path("a.sql"), Path("backup.tar.xz")])
    with pytest.raises(DbHandlerError, match=r"'backup\.tar\.xz' is a copy of a data directory"):
        world.prepare()
    assert ["started"] not in world.done


def test_replicas_begin_with_the_first_start_of_their_source(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []

    def private(command: Sequence[str], _: object, extra: Sequence[str]) -> PrivateWorld:
        commands.append([*command, *extra])
        return PrivateWorld(world, ())

    monkeypatch.setattr(first_start, "PrivateServer", private)
    settings = {"DBHANDLER_STATE_DIR": str(world.run_dir), "MARIADB_REPLICATION_USER": "r"}
    settings["MARIADB_REPLICATION_PASSWORD"] = "p"
    world.prepare(**settings)
    number = (world.run_dir / "server-id").read_text().strip()
    assert commands == [["mariadbd", f"--server-id={number}"]]


def test_a_first_start_that_fails_is_begun_again(world: World) -> None:
    database = sql.create_missing_database("shop", None, None)
    world.server.replies[database] = ServerError("no", 1)
    with pytest.raises(ServerError):
        world.prepare(MYSQL_DATABASE="shop")
    assert (world.data_dir / MARKER).exists()
    world.server.replies.clear()
    assert world.prepare(MYSQL_DATABASE="shop")[0] == "filled"


def test_scripts_run_after_the_accounts_and_before_the_password_expires(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scripts:
        def __init__(self, client: Sequence[str], environ: dict[str, str], tether: Sequence[str]) -> None:
            self.client, self.environ = client, environ
            assert not tether

        def run(self, paths: Sequence[Path]) -> None:
            log_in = Path(self.environ["DBHANDLER_CLIENT_FILE"])
            assert log_in.stat().st_mode & 0o777 == 0o600
            assert log_in.read_text() == client_options(world.run_dir / "mysqld.sock", "root", "pw")
            assert self.environ["MARIADB_ROOT_PASSWORD"] == self.environ["MYSQL_ROOT_PASSWORD"] == "pw"
            assert self.client[-1] == "--database=shop"
            world.done.append(paths)

    monkeypatch.setattr(first_start, "InitScripts", Scripts)
    monkeypatch.setattr(init_scripts, "found", lambda: [Path("a.sql")])
    done = world.prepare(MYSQL_ROOT_PASSWORD="pw", MYSQL_DATABASE="shop", MYSQL_ONETIME_PASSWORD="1")
    scripts, expired = done.index([Path("a.sql")]), done.index(sql.expire_password("root", "localhost"))
    changed = sql.change_password_by_hash("root", stored("pw", "mariadb"), "localhost", "mariadb")
    assert done.index(changed) < scripts < expired
    assert not (world.run_dir / "init.cnf").exists()


def test_beside_processes_that_wait_for_the_server_the_work_has_a_socket_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    class Scripts:
        def __init__(self, client: Sequence[str], environ: dict[str, str], tether: Sequence[str]) -> None:
            seen.update(environ, tether=" ".join(tether))

        def run(self, paths: Sequence[Path]) -> None:
            seen["log in"] = Path(seen["DBHANDLER_CLIENT_FILE"]).read_text()
            seen["clients"] = (Path(seen["MARIADB_HOME"]) / "my.cnf").read_text()

    commands: list[Sequence[str]] = []
    monkeypatch.setattr(first_start, "InitScripts", Scripts)
    monkeypatch.setattr(init_scripts, "found", lambda: [Path("a.sh")])

    def private(command: Sequence[str], _: object, extra: Sequence[str]) -> PrivateWorld:
        commands.append([*command, *extra])
        return PrivateWorld(world, ())

    monkeypatch.setattr(first_start, "PrivateServer", private)
    environ = world.environ | {"MYSQL_DATABASE": "shop", "DBHANDLER_BINLOG": "1"}
    FirstStartWork(Config.from_environ(environ), ["mariadbd", "-v"], environ, beside_others=True).do({})
    option = f"socket={world.run_dir / 'first-start.sock'}"
    assert commands == [[*TETHER, "mariadbd", "-v", f"--{option}", "--skip-log-bin"]]
    assert seen["tether"] == " ".join(TETHER)
    assert option in seen["log in"]
    # What a script reads when it calls the client by itself.
    assert seen["clients"] == f"[client]\n{option}\n"


def test_our_own_directory_is_served_as_it_is(world: World) -> None:
    world.holds(STAMP)
    assert world.prepare() == ["keys"]


def test_a_directory_from_before_there_were_stamps_is_taken_for_ours(world: World) -> None:
    world.holds()
    assert world.prepare() == ["keys", ["started"], f"log in as {socket_user()}", "stopped"]
    assert (world.data_dir / STAMP).exists()


def test_another_images_directory_needs_its_root_password(world: World) -> None:
    world.holds()
    world.server.accounts = {"root": "secret"}
    with pytest.raises(DbHandlerError, match=r"MARIADB_ROOT_PASSWORD .* DBHANDLER_ADOPT=1"):
        world.prepare()
    with pytest.raises(DbHandlerError, match="the given root password is not that of"):
        world.prepare(MYSQL_ROOT_PASSWORD="guess")
    assert not (world.data_dir / STAMP).exists()
    done = world.prepare(MYSQL_ROOT_PASSWORD="secret")
    assert done[-3:] == [*sql.create_socket_account(socket_user(), "mariadb"), "stopped"]
    assert (world.data_dir / STAMP).exists()


def test_an_owner_may_have_it_adopted_without_the_password(world: World) -> None:
    world.holds()
    done = world.prepare(DBHANDLER_ADOPT="1")
    init_file = world.run_dir / "adopt.sql"
    assert ["started", f"--init-file={init_file}"] in done
    assert f"'{socket_user()}'@localhost IDENTIFIED VIA unix_socket" in init_file.read_text()


def test_an_older_mariadb_is_only_told_of_by_default(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.holds(STAMP)
    (world.data_dir / "mariadb_upgrade_info").write_text("10.11.6-MariaDB")
    assert world.prepare() == ["keys"]
    assert "MARIADB_AUTO_UPGRADE=1" in caplog.text


def test_an_older_mariadb_is_upgraded_where_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "upgrade_mariadb", lambda private, config, version: world.done.append(version))
    world.holds(STAMP)
    (world.data_dir / "mariadb_upgrade_info").write_text("10.11.6-MariaDB")
    assert world.prepare(MARIADB_AUTO_UPGRADE="1") == ["keys", ["started"], "10.11.6-MariaDB", "stopped"]


def test_what_cannot_be_used_is_left_untouched(world: World) -> None:
    (world.data_dir / "photo.jpg").touch()
    (world.run_dir / "ready").touch()
    with pytest.raises(DbHandlerError, match=r"photo\.jpg"):
        world.prepare()
    assert world.done == [] and (world.run_dir / "ready").exists()


def test_a_log_in_that_a_killed_first_start_has_left_goes(world: World) -> None:
    world.holds(STAMP)
    (world.run_dir / "init.cnf").write_text("password=secret")
    world.prepare()
    assert not (world.run_dir / "init.cnf").exists()


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", False),
        (bytes(100), False),
        (bytes(24576), False),
        # Closed in order, killed before it was removed.
        (b"A\x23\x05\x74\x02" + bytes(200), False),
        (b"\xfe\x23\x05\x74\x02" + bytes(200), True),
        # Something else: it may be worth a recovery, so it is not ours to remove.
        (bytes(300) + b"xid", True),
        (b"garbage" + bytes(200), True),
    ],
)
def test_only_a_log_without_transactions_is_removed(world: World, content: bytes, kept: bool) -> None:
    world.holds(STAMP)
    log = world.data_dir / "tc.log"
    log.write_bytes(content)
    world.prepare()
    assert log.exists() is kept


def test_what_a_former_life_has_left_is_removed(world: World) -> None:
    for name in ("mysqld.sock", "mysqld.sock.lock", "ready", "agent.sock"):
        (world.run_dir / name).write_text("1")
    world.prepare()
    assert {file.name for file in world.run_dir.iterdir()} == {"agent.sock"}


def test_a_password_survives_an_option_file() -> None:
    text = client_options(Path("/s"), "root", 'a"b\\c # ;')
    assert text.splitlines() == ["[client]", "socket=/s", "user=root", 'password="a\\"b\\\\c # ;"']
    assert "password" not in client_options(Path("/s"), "mysql", None)


def test_a_log_that_was_cut_is_read_once_more_when_it_is_switched_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbhandler.engine.server.agent_server", lambda config: world.server)
    world.holds(STAMP)
    (world.data_dir / "binlog.index").write_text("./binlog.000001\n")
    (world.data_dir / "binlog.000001").write_bytes(bytes(21) + b"\1")
    for world.server.refusing in (False, True):
        keys, started, stopped = world.prepare(DBHANDLER_BINLOG="0")
        assert (keys, stopped) == ("keys", "stopped")
        assert "--log-bin=binlog" in cast(list[str], started)
    assert world.prepare(DBHANDLER_BINLOG="1") == ["keys"]
