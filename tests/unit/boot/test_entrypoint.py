"""From `docker run` to the server's command line."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from dbhandler import os_user, places
from dbhandler.boot import entrypoint as boot
from dbhandler.boot import own_memory, preparing, supervise
from dbhandler.errors import DbHandlerError
from dbhandler.first_start import official
from dbhandler.group import volume as cluster_volume
from dbhandler.os_user import socket_user
from dbhandler.settings.config import Config


class Executed(Exception):
    """Stands for the program that replaces this process."""

    def __init__(self, program: str, arguments: list[str], environ: dict[str, str]) -> None:
        super().__init__(program)
        self.program, self.arguments, self.environ = Path(program).name, arguments, environ


def supervised(conf: Path, listens: Callable[[], bool]) -> int:
    """Stands for the supervisor, which this process goes on as."""
    raise Executed("supervise", [str(conf)], dict(os.environ))


class FakeVolume:
    """Notes for what it is prepared; raises what a test sets."""

    prepared: ClassVar[list[tuple[list[str], dict[str, str]]]] = []
    error: ClassVar[DbHandlerError | None] = None

    def __init__(self, config: Config, command: list[str], environ: dict[str, str]) -> None:
        self._command = command

    def prepare(self, environ: dict[str, str]) -> None:
        if self.error:
            raise self.error
        self.prepared.append((self._command, environ))


@contextmanager
def in_turn(prepare: Callable[[], int]) -> Iterator[Callable[[], int]]:
    """Prepares at once; what the other process does is tried with a real one elsewhere (test_preparing.py)."""
    status = prepare()
    yield lambda: status


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A container's environment with its folders and programs below tmp_path; exec is caught."""

    def execve(program: str, arguments: list[str], environ: dict[str, str]) -> None:
        raise Executed(program, arguments, environ)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    (tmp_path / "bin").mkdir()
    for name in ("mariadbd", "sh"):
        (tmp_path / "bin" / name).touch(0o755)
    monkeypatch.setattr(boot, "Volume", FakeVolume)
    monkeypatch.setattr(preparing, "beside", in_turn)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    # They change the process they are in.
    for name in ("wipe", "show"):
        monkeypatch.setattr(own_memory, name, lambda *_: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(supervise, "supervise", supervised)
    (tmp_path / "template").write_text("password = {password}\n" * 2)
    return {
        "PATH": str(tmp_path / "bin"),
        "DBHANDLER_SUPERVISORD_CONF": str(tmp_path / "template"),
        "DBHANDLER_ENGINE": "mariadb",
        "DBHANDLER_DATA_DIR": str(tmp_path / "data"),
        "DBHANDLER_STATE_DIR": str(tmp_path / "state"),
        "DBHANDLER_RUN_DIR": str(tmp_path / "run"),
    }


def entered(environ: dict[str, str], *arguments: str) -> Executed:
    with pytest.raises(Executed) as caught:
        boot.entrypoint(list(arguments), environ)
    return caught.value


@pytest.mark.parametrize(
    ("arguments", "serves"),
    [
        ([], True),
        (["--max-connections=5"], True),
        (["-u", "x"], True),
        (["mariadbd", "--max-connections=5"], True),
        (["mysqld"], True),
        (["mysqld", "--verbose", "--help"], False),
        (["--verbose", "--help"], False),
        (["mariadbd", "--version"], False),
        (["bash"], False),
        (["mariadb", "-hdb", "-uadmin"], False),
        (["dbhandler-request", "x"], False),
    ],
)
def test_arguments_go_to_the_server_and_commands_are_executed(arguments: list[str], serves: bool) -> None:
    assert boot.serves(arguments) is serves


def test_the_servers_command_line_ends_with_what_was_given(environ: dict[str, str]) -> None:
    config = Config.from_environ(environ | {"DBHANDLER_DEFAULTS_FILE": "/etc/my.cnf"})
    assert boot.server_command(config, ["mysqld", "--port=7", "-v"]) == [
        "mariadbd",
        # mysqld accepts it as its first option only.
        "--defaults-file=/etc/my.cnf",
        f"--datadir={config.data_dir}",
        f"--socket={config.socket}",
        f"--user={socket_user()}",
        "--port=7",
        "-v",
    ]


@pytest.mark.parametrize("option", ["--datadir=/x", "--datadir", "--socket=/x"])
def test_the_server_stays_where_everybody_looks_for_it(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert boot.entrypoint([option], environ) == os.EX_CONFIG
    assert f"{option.partition('=')[0]} cannot be given here" in capsys.readouterr().err


def test_a_replica_is_not_written_to_unless_its_owner_says_so(environ: dict[str, str]) -> None:
    command = shlex.split(entered(environ | {"MARIADB_MASTER_HOST": "db1"}, "--skip-read-only").environ[boot.COMMAND])
    assert command.index("--read-only") < command.index("--skip-read-only")
    # It has a number of its own, and writes what a replica of its own would read.
    assert {option.partition("=")[0] for option in command} >= {"--server-id", "--log-bin"}


def test_the_binary_log_stands_before_what_was_given(environ: dict[str, str]) -> None:
    executed = entered(environ | {"DBHANDLER_BINLOG": "1"}, "--binlog-format=MIXED", "--server-id=7")
    command = shlex.split(executed.environ[boot.COMMAND])
    number = (Path(environ["DBHANDLER_STATE_DIR"]) / "server-id").read_text().strip()
    assert command[1] == f"--server-id={number}"
    assert command.index("--binlog-format=ROW") < command.index("--binlog-format=MIXED")
    assert command[-1] == "--server-id=7"


def test_no_limit_of_connections_is_the_servers_own_default(environ: dict[str, str]) -> None:
    config = Config.from_environ(environ | {"DBHANDLER_MAX_USER_CONNECTIONS": "0"})
    assert boot.server_command(config, ["--max-user-connections=7"])[-2:] == [
        "--max-user-connections=0",
        "--max-user-connections=7",
    ]


def test_the_entry_point_goes_on_as_the_supervisor_with_its_folders_made(
    environ: dict[str, str], tmp_path: Path
) -> None:
    executed = entered(environ, "--max-connections=5")
    assert executed.program == "supervise"
    command = shlex.split(executed.environ[boot.COMMAND])
    assert (command[0], command[-1]) == ("mariadbd", "--max-connections=5")
    for folder in ("data", "state", "state/spool", "run"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


def test_supervisords_socket_has_another_password_at_every_start(environ: dict[str, str], tmp_path: Path) -> None:
    seen = set()
    for _ in range(3):
        executed = entered(environ)
        conf = Path(executed.arguments[0])
        assert conf == tmp_path / "run" / "supervisord.conf"
        assert conf.stat().st_mode & 0o777 == 0o600
        first, second = conf.read_text().splitlines()
        assert first == second and re.fullmatch("password = [A-Za-z0-9]{32}", first)
        seen.add(first)
        assert first.split()[-1] not in str((executed.environ, executed.arguments))
    assert len(seen) == 3


def test_no_secret_stays_in_the_environment(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("AAAAAAAAAAAAAAAAAAAAAA==\n")
    environ |= {"MYSQL_ADMIN_PASSWORD": "hunter2", "SERF_ENCRYPT_KEY_FILE": str(tmp_path / "key")}
    handed = entered(environ).environ
    assert "hunter2" not in str(handed)
    for name, value in (("MYSQL_ADMIN_PASSWORD", "hunter2"), ("SERF_ENCRYPT_KEY", "AAAAAAAAAAAAAAAAAAAAAA==")):
        file = Path(handed[f"{name}_FILE"])
        assert (file.read_text(), file.stat().st_mode & 0o777) == (value, 0o600)
        assert file.is_relative_to(tmp_path / "run")
    # What is handed over is what the programs read.
    assert Config.from_environ(handed).admin_password == "hunter2"


def test_the_first_start_s_processes_see_no_secret_and_no_password_is_kept(
    environ: dict[str, str], tmp_path: Path
) -> None:
    executed = entered(environ | {"MYSQL_ROOT_PASSWORD": "hunter2", "MARIADB_PASSWORD": "hunter2"})
    command, given = FakeVolume.prepared[-1]
    assert command[0] == "mariadbd"
    assert given["DBHANDLER_DATA_DIR"] == str(tmp_path / "data")
    assert "hunter2" not in str((given, executed.environ))
    assert not list((tmp_path / "run" / "secrets").iterdir())


def test_in_a_cluster_the_first_start_comes_later_and_its_secrets_are_kept_for_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[object] = []
    monkeypatch.setattr(cluster_volume.GroupVolume, "prepare", lambda *given: prepared.append(given))
    environ |= {"DBHANDLER_CLUSTER": "shop", "MYSQL_DATABASE": "blog", "MYSQL_USER": "u", "MYSQL_PASSWORD": "hunter2"}
    handed = entered(environ).environ
    assert len(prepared) == 1
    assert "hunter2" not in str(handed)
    assert official.first_start(handed) == official.first_start(environ)


def test_in_a_cluster_a_wrong_variable_ends_the_start_at_once(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ |= {"DBHANDLER_CLUSTER": "shop", "MYSQL_USER": "root", "MYSQL_PASSWORD": "x"}
    assert boot.entrypoint([], environ) == os.EX_CONFIG
    assert "not for 'root'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "1"),
        ({"MYSQL_ROOT_PASSWORD": "x"}, "0"),
        ({"MARIADB_RANDOM_ROOT_PASSWORD": "yes"}, "0"),
        ({"MYSQL_ALLOW_EMPTY_PASSWORD": "1"}, "0"),
        ({"MYSQL_ROOT_PASSWORD": "x", "MYSQL_ADMIN_USER": "boss"}, "1"),
        ({"MYSQL_ROOT_PASSWORD": "x", "DBHANDLER_ADMIN": "1"}, "1"),
        ({"MYSQL_USER": "u", "MYSQL_PASSWORD": "x"}, "1"),
    ],
)
def test_our_admin_is_made_unless_the_owner_says_how_root_logs_in(
    environ: dict[str, str], settings: dict[str, str], wanted: str
) -> None:
    handed = entered(environ | settings).environ
    assert handed["DBHANDLER_ADMIN"] == wanted
    assert Config.from_environ(handed).wants_admin is (wanted == "1")


@pytest.mark.parametrize("arguments", [["--verbose", "--help"], ["mysqld", "--verbose", "--help"], ["mariadbd", "-V"]])
def test_the_servers_help_is_its_own(environ: dict[str, str], arguments: list[str]) -> None:
    executed = entered(environ, *arguments)
    assert executed.program == "mariadbd"
    assert executed.arguments[1:] == [argument for argument in arguments if argument.startswith("-")]


def test_another_command_is_executed_with_its_environment(environ: dict[str, str], tmp_path: Path) -> None:
    executed = entered(environ | {"MYSQL_ADMIN_PASSWORD": "kept"}, "sh", "-c", "true")
    assert (executed.program, executed.arguments) == ("sh", ["sh", "-c", "true"])
    assert executed.environ["MYSQL_ADMIN_PASSWORD"] == "kept"
    assert not (tmp_path / "data").exists()


def test_an_unknown_command_is_told_in_one_line(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert boot.entrypoint(["wordpress"], environ) != 0
    assert capsys.readouterr().err.endswith("[ERROR] [dbhandler]: no such command: 'wordpress'\n")


def test_a_wrong_setting_stops_the_start_before_anything_is_made(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boot.entrypoint([], environ | {"DBHANDLER_MAX_DATABASES": "many"}) == os.EX_CONFIG
    assert "DBHANDLER_MAX_DATABASES has to be" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_user_that_does_not_exist_stops_the_start(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert boot.entrypoint([], environ | {"DBHANDLER_OS_USER": "no such"}) == os.EX_CONFIG
    assert "DBHANDLER_OS_USER=no such: there is no such user" in capsys.readouterr().err


def test_root_hands_the_folders_over_and_drops_its_rights(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    owners: dict[str, int] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_: owners.update({str(path): uid}))
    for name in ("fchown", "initgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda *_, name=name: done.append(name))
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "link").symlink_to("/etc/passwd")
    monkeypatch.setattr("pwd.getpwnam", lambda name: account(name, uid=4321))
    entered(environ | {"DBHANDLER_OS_USER": "mysql"})
    # Groups first: without rights they could not be given up any more.
    assert [name for name in done if name != "fchown"] == ["initgroups", "setgid", "setuid"]
    assert {str(tmp_path / name) for name in ("data", "data/deep", "data/deep/link", "state", "run")} <= set(owners)
    assert list(owners).index(str(tmp_path / "data/deep")) < list(owners).index(str(tmp_path / "data"))


@pytest.mark.parametrize("known", [None, "www-data"])
def test_any_other_user_id_gets_the_name_of_the_socket_account(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    users = {os.geteuid(): account(known, os.geteuid())} if known else {}
    monkeypatch.setattr("pwd.getpwuid", lambda uid: users[uid])
    monkeypatch.setattr(os_user, "become", lambda _: None)
    monkeypatch.setattr(os, "chown", lambda *_, **__: None)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr("pwd.getpwnam", lambda name: account(name, uid=os.geteuid()))
    handed = entered(environ | {"DBHANDLER_OS_USER": "mysql"}).environ
    assert "--user=mysql" in shlex.split(handed[boot.COMMAND])
    assert handed["LD_PRELOAD"] == "libnss_wrapper.so"
    allocator = entered(environ | {"DBHANDLER_OS_USER": "mysql", "LD_PRELOAD": "/lib/libjemalloc.so.2"}).environ
    assert allocator["LD_PRELOAD"] == "libnss_wrapper.so /lib/libjemalloc.so.2"
    name, _, uid, *_ = Path(handed["NSS_WRAPPER_PASSWD"]).read_text().split(":")
    assert (name, uid) == ("mysql", str(os.geteuid()))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), "Operation not permitted (as root"),
        (OSError(errno.EROFS, "Read-only file system", "/run/x"), "/run/x: Read-only file system (with --read-"),
        (PermissionError(errno.EACCES, "Permission denied", "/v"), "/v: Permission denied (give what is mounted there "
         f"to this container's user (chown -R {os.geteuid()}:"),
        (OSError(errno.ENOSPC, "No space left on device", "/v"), "/v: No space left on device (there is no room left"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error\n"),
        (OSError("odd"), "odd\n"),
    ],
)  # fmt: skip
def test_what_the_system_refuses_is_told_with_the_option_that_mends_it(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: OSError,
    sentence: str,
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(boot, "_prepare_folders", refuse)
    assert boot.entrypoint([], environ) == os.EX_CONFIG
    assert f"[dbhandler]: {sentence}" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    places.check([Path("/")])
    with pytest.raises(DbHandlerError, match=f"{tmp_path} cannot be written: give what is mounted there to"):
        places.check([Path("/"), tmp_path])
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([0] * 8 + [os.ST_RDONLY, 0]))
    with pytest.raises(DbHandlerError, match=f"{tmp_path} cannot be written: with --read-only, give --tmpfs /run"):
        places.check([tmp_path])


def test_the_folder_of_the_audit_trail_is_made_and_given(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered(environ | {"DBHANDLER_AUDIT": str(tmp_path / "volume" / "a" / "trail")})
    assert (tmp_path / "volume" / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "new").mkdir()
    given: list[Path] = []
    for name, become in (("geteuid", lambda: 0), ("initgroups", noop), ("setgid", noop), ("setuid", noop)):
        monkeypatch.setattr(os, name, become)
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: given.append(path))
    monkeypatch.setattr(os, "fchown", noop)
    monkeypatch.setattr("pwd.getpwnam", lambda name: account(name, uid=4711))
    entered(environ | {"DBHANDLER_OS_USER": "mysql", "DBHANDLER_AUDIT": str(tmp_path / "new" / "trail")})
    assert given[0] == tmp_path / "new"


def noop(*_: object) -> None:
    """Instead of what only root may do."""


def test_a_place_where_no_audit_trail_can_be_stops_the_start(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    trail = f"{environ['DBHANDLER_DATA_DIR']}/trail"
    assert boot.entrypoint([], environ | {"DBHANDLER_AUDIT": trail}) == os.EX_CONFIG
    assert f"DBHANDLER_AUDIT: {trail} is in {environ['DBHANDLER_DATA_DIR']}, where" in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_used_stops_the_start(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakeVolume, "error", DbHandlerError("it holds 'photos'"))
    assert boot.entrypoint([], environ) == os.EX_CONFIG
    assert capsys.readouterr().err.endswith("[ERROR] [dbhandler]: it holds 'photos'\n")


def account(name: str, uid: int):  # type: ignore[no-untyped-def]
    """An entry of the user data base."""
    import pwd

    return pwd.struct_passwd((name, "x", uid, uid, name, "/", "/bin/false"))
