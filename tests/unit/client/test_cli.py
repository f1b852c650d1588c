import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client import asking, restoring
from dbhandler.client import cli as request_cli
from dbhandler.client.connection import Connection
from dbhandler.client.dropped import Dropped
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from tests.support.fakes import Clock

DUMP = "shop-20260101T000000Z-01234567.sql.gz"
CONNECTION = Connection("shop", "10.0.0.2", 3306, "clerk", "a password")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, object]]]:
    """Records the library calls; each returns CONNECTION."""
    calls: list[tuple[str, Mapping[str, object]]] = []

    def recorder(name: str, result: object) -> None:
        def call(*arguments: object, **options: object) -> object:
            calls.append((name, {"arguments": arguments, **options}))
            return result

        monkeypatch.setattr(asking, name, call)

    recorder("request_database", CONNECTION)
    recorder("rotate_password", CONNECTION)
    recorder("drop_database", Dropped("shop", "db", DUMP))
    return calls


def run(*argv: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    out = io.StringIO()
    return request_cli.main(list(argv), environ or {}, out), out.getvalue()


def test_the_default_is_variables_for_a_shell(asked: list[object]) -> None:
    status, output = run("shop")
    assert status == 0
    assert "DB_HOST=10.0.0.2\n" in output and "DB_PASSWORD='a password'\n" in output


def test_options_reach_the_library(asked: list[tuple[str, Mapping[str, object]]], tmp_path: Path) -> None:
    state = str(tmp_path / "s")
    run(
        "shop",
        "--user",
        "clerk",
        "--state",
        state,
        "--rpc-addr",
        "h:1",
        "--timeout",
        "3.5",
        environ={"SERF_RPC_AUTH": "k"},
    )
    [(name, options)] = asked
    assert name == "request_database" and options["arguments"] == ("shop",)
    assert (options["user"], str(options["state_file"])) == ("clerk", state)
    assert (options["rpc_addr"], options["rpc_auth"], options["timeout"]) == ("h:1", "k", 3.5)


OWN = ("shop", "--restore-as", "before", "--at", "latest", "--state", "s.json")


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[object, ...], Mapping[str, object]]]:
    """Records what is restored; CONNECTION is how to reach it."""
    calls: list[tuple[tuple[object, ...], Mapping[str, object]]] = []

    def restore(*arguments: object, **options: object) -> Connection:
        calls.append((arguments, options))
        return CONNECTION

    monkeypatch.setattr(restoring, "restore_database", restore)
    return calls


def test_a_restore_is_printed_as_any_other_database(
    restored: list[tuple[tuple[object, ...], Mapping[str, object]]], asked: list[object]
) -> None:
    more = ("--restore-state", "x.json", "--user", "clerk", "--timeout", "3", "--format", "dsn")
    status, output = run(*OWN, *more, environ={"SERF_RPC_AUTH": "k"})
    assert (status, output) == (0, CONNECTION.dsn + "\n") and not asked
    [(arguments, options)] = restored
    assert arguments == ("before",)
    assert (options["database"], options["at"], options["user"], options["rpc_auth"]) == (
        "shop",
        "latest",
        "clerk",
        "k",
    )
    assert (str(options["state_file"]), str(options["restore_state"])) == ("s.json", "x.json")
    assert options["timeout"] == 3.0 and options["ca_file"] is None
    assert run(*OWN[1:])[0] == 0 and restored[1][1]["database"] is None


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (OWN[:5], "--restore-as needs --state FILE, which proves whose the database is, and --at MOMENT"),
        ((*OWN[:3], *OWN[5:]), "--restore-as needs --state FILE"),
        (("shop", "--at", "latest"), "--at and --restore-state need --restore-as NAME"),
        (("shop", "--restore-state", "x"), "--at and --restore-state need --restore-as NAME"),
        ((*OWN, "--charset", "latin1"), "goes with none of --charset, --collation and --accept-server"),
        ((*OWN, "--accept-server", "db"), "goes with none of"),
    ],
)
def test_what_a_restore_needs(
    argv: tuple[str, ...], sentence: str, restored: list[object], asked: list[object],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(*argv) == (64, "")
    assert sentence in capsys.readouterr().err and not restored and not asked


def test_a_database_is_restored_or_dropped_not_both(restored: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(*OWN, "--drop")
    assert "not allowed with" in capsys.readouterr().err and not restored


def test_where_a_new_database_may_go_reaches_the_library(asked: list[tuple[str, Mapping[str, object]]]) -> None:
    assert run("shop", "--where", "ssd,engine=mysql")[0] == run("shop")[0] == 0
    assert [options["where"] for _, options in asked] == ["ssd,engine=mysql", None]


@pytest.mark.parametrize(
    "argv",
    [
        OWN, ("--rotate", "--state", "s"), ("--drop", "--state", "s"), ("x", "--copy-of", "shop", "--owner-state", "s"),
        ("shop", "--user", "x", "--role", "reader", "--owner-state", "s"), ("--list-accounts", "--owner-state", "s"),
        ("--revoke", "x", "--owner-state", "s"), ("--renew", "--ttl", "1d", "--owner-state", "s"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_only_a_new_database_can_go_somewhere(
    argv: tuple[str, ...], restored: list[object], asked: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv, "--where", "ssd") == (64, "")
    assert "--where goes with the request for a new database only" in capsys.readouterr().err
    assert not asked and not restored


@pytest.mark.parametrize(("where", "word"), [("a b", "a label in where"), ("engine=oracle", "engine= in where")])
def test_what_can_be_no_label_is_wrong_usage(
    where: str, word: str, asked: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("shop", "--where", where)
    assert ended.value.code == 64 and word in capsys.readouterr().err and not asked


def test_rotate_and_drop_need_a_state(asked: list[tuple[str, object]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--rotate")[0] == run("--drop")[0] == 64
    assert not asked and "--state" in capsys.readouterr().err
    assert run("--rotate", "--state", "x", "--format", "json")[0] == run("--drop", "--state", "x")[0] == 0
    assert [name for name, _ in asked] == ["rotate_password", "drop_database"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), None),
        (("--state", "s.json"), None),
        (("--files", "v"), "v/ca.pem"),
        (("--files", "v", "--state", "s.json"), None),
        (("--files", "v", "--ca-file", "c.pem"), "c.pem"),
        (("--state", "s.json", "--ca-file", "c.pem"), "c.pem"),
    ],
)
def test_where_the_certificate_goes(
    asked: list[tuple[str, Mapping[str, object]]], argv: tuple[str, ...], expected: str | None,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """None is the library's default: beside the state file."""
    monkeypatch.chdir(tmp_path)
    commands = [("shop", *argv), *([("--rotate", *argv)] if "--state" in argv else [])]
    for command in commands:
        assert run(*command)[0] == 0
    assert [options["ca_file"] for _, options in asked] == [Path(expected) if expected else None] * len(commands)


def test_a_certificate_is_told_with_the_rest(
    asked: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_ca = replace(CONNECTION, ca="PEM", ca_file="/state/shop.ca.pem")
    monkeypatch.setattr(asking, "request_database", lambda *_, **__: with_ca)
    assert "DB_SSL_CA=/state/shop.ca.pem\n" in run("shop")[1]
    run("shop", "--files", str(tmp_path))
    assert (tmp_path / "DB_SSL_CA").read_text() == "/state/shop.ca.pem"


def test_a_drop_says_where_the_dump_is_and_how_it_comes_back(asked: list[object]) -> None:
    status, output = run("--drop", "--state", "x")
    assert status == 0
    assert f"its dump is trash/{DUMP} in that server's state volume" in output
    assert output.endswith(f"dbhandler-admin restore shop --dump {DUMP}\n")


def test_a_drop_without_a_dump_is_told_as_such() -> None:
    assert "keeps no dump" in str(Dropped("shop", "db", None))


def test_files_are_private_and_named_like_the_variables(asked: list[object], tmp_path: Path) -> None:
    status, output = run("shop", "--files", str(tmp_path / "v"), "--env-prefix", "WORDPRESS_DB_")
    assert (status, output) == (0, "")
    password = tmp_path / "v" / "WORDPRESS_DB_PASSWORD"
    assert password.read_text() == CONNECTION.password and password.stat().st_mode & 0o777 == 0o600


def test_a_command_gets_the_variables(asked: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[tuple[list[str], Mapping[str, str]]] = []
    monkeypatch.setattr(os, "execvpe", lambda file, argv, env: executed.append((argv, env)))
    secrets = dict.fromkeys(
        ("SERF_RPC_AUTH", "SERF_ENCRYPT_KEY", "MYSQL_ROOT_PASSWORD", "A_ENV_SERF_RPC_AUTH"), "hunter2"
    )
    run("shop", "--env-prefix", "MYSQL_", "--", "app", "--state", "its own", environ={"KEPT": "1", **secrets})
    [(argv, env)] = executed
    assert argv == ["app", "--state", "its own"]
    assert (env["MYSQL_PASSWORD"], env["KEPT"]) == (CONNECTION.password, "1")
    assert "hunter2" not in str(env)


def test_a_command_that_does_not_exist_is_one_sentence(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shop", "--", "/no/such/program")[0] == 64
    assert capsys.readouterr().err == "dbhandler-request: cannot run '/no/such/program': No such file or directory\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidRequest, 64), (Denied, 77), (TryLater, 75), (Unavailable, 69), (DbHandlerError, 70)],
)
def test_each_kind_of_failure_has_its_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[DbHandlerError], status: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("a reason")

    monkeypatch.setattr(asking, "request_database", fail)
    assert run("shop") == (status, "")
    assert capsys.readouterr().err == "dbhandler-request: a reason\n"


@pytest.mark.parametrize(
    "argv", [(), ("a", "b"), ("--format", "xml", "a"), ("a", "--timeout", "-1"), ("a", "--timeout", "nan"), ("--rot",)]
)
def test_wrong_usage_is_64(asked: list[object], argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status: object
    try:
        status = run(*argv)[0]
    except SystemExit as exit:
        status = exit.code
    assert status == 64 and not asked
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_json_is_one_object(asked: list[object]) -> None:
    assert json.loads(run("shop", "--format", "json")[1])["password"] == CONNECTION.password


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("--timeout", "abc"), "argument --timeout: SECONDS has to be a number from 0 to 31536000, not 'abc'"),
        (("--timeout", "inf"), "argument --timeout: SECONDS has to be a number from 0 to 31536000, not 'inf'"),
        (("--env-prefix", "a b"), "a prefix has to be letters, digits and '_', no digit first, not 'a b'"),
        (("--env-prefix", "1"), "a prefix has to be letters, digits and '_', no digit first, not '1'"),
        (("--env", "A=nmae"), "argument --env: it has to be VAR=FIELD, the name of a variable and name, user, "
         "password, host, port, address, hosts, url, jdbc, jdbc-address, "
         "url-tls, ssl-ca, engine, driver or url:SCHEME, not 'A=nmae'"),
        (("--env", "a-b=name"), "not 'a-b=name'"),
        (("--env", "A=url:my sql"), "not 'A=url:my sql'"),
        (("--preset", "zend"), "choose from"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_rule(
    asked: list[object], argv: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("shop", *argv)
    assert ended.value.code == 64 and not asked
    [line] = capsys.readouterr().err.splitlines()
    assert sentence in line and "traceback" not in line.lower()


def test_names_of_a_framework_s_own(asked: list[object]) -> None:
    """As Laravel, by hand: beside the variables of the prefix."""
    _, output = run("shop", "--env", "DB_DATABASE=name", "--env", "DB_USERNAME=user", "--env", "DB_HOST=address")
    lines = set(output.splitlines())
    assert {"DB_DATABASE=shop", "DB_USERNAME=clerk", "DB_PASSWORD='a password'", "DB_HOST=10.0.0.2:3306"} <= lines


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("laravel", {"DB_CONNECTION": "mysql", "DB_HOST": "10.0.0.2", "DB_PORT": "3306", "DB_DATABASE": "shop",
                     "DB_USERNAME": "clerk", "DB_PASSWORD": "a password"}),
        ("django", {"DATABASE_URL": "mysql://clerk:a%20password@10.0.0.2:3306/shop"}),
        ("rails", {"DATABASE_URL": "mysql2://clerk:a%20password@10.0.0.2:3306/shop"}),
        ("wordpress", {"WORDPRESS_DB_HOST": "10.0.0.2:3306", "WORDPRESS_DB_NAME": "shop", "WORDPRESS_DB_USER": "clerk",
                       "WORDPRESS_DB_PASSWORD": "a password"}),
        ("spring", {"SPRING_DATASOURCE_URL": "jdbc:mariadb:sequential://10.0.0.2:3306/shop",
                    "SPRING_DATASOURCE_USERNAME": "clerk", "SPRING_DATASOURCE_PASSWORD": "a password"}),
    ],
)  # fmt: skip
def test_presets(
    asked: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str, expected: dict[str, str]
) -> None:
    written = "".join(f"{name}={shlex.quote(value)}\n" for name, value in expected.items())
    assert run("shop", "--preset", preset) == run("shop", "--preset", preset, "--format", "env") == (0, written)
    run("shop", "--preset", preset, "--files", str(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == expected
    executed: list[Mapping[str, str]] = []
    monkeypatch.setattr(os, "execvpe", lambda file, argv, env: executed.append(env))
    run("shop", "--preset", preset, "--env", "X=url:mysql+pymysql", "--env-prefix", "P_", "--", "app")
    assert expected.items() <= executed[0].items() and executed[0]["P_NAME"] == "shop"
    assert executed[0]["X"] == "mysql+pymysql://clerk:a%20password@10.0.0.2:3306/shop"


def test_progress_says_each_reason_once_and_again_after_ten_seconds(clock: Clock) -> None:
    out = io.StringIO()
    progress = request_cli.ProgressLines(out, clock)
    for seconds, text in ((0, "one"), (1, "one"), (1, "two"), (9, "two"), (2, "two")):
        clock.advance(seconds)
        progress(text)
    assert out.getvalue().splitlines() == [
        "dbhandler-request: one (0 s)",
        "dbhandler-request: two (2 s)",
        "dbhandler-request: two (13 s)",
    ]


def test_a_waiting_request_ends_when_told() -> None:
    with socket.socket() as nobody:
        # Bound, not listening: the port stays refused for as long as the test runs.
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        command = [sys.executable, "-c", "import sys; from dbhandler.client.cli import main; sys.exit(main())"]
        with subprocess.Popen([*command, "shop", "--rpc-addr", address], stderr=subprocess.PIPE) as waiting:
            assert waiting.stderr and waiting.stderr.readline().startswith(b"dbhandler-request: ")
            waiting.terminate()
            # By its own handler, which the first process of a container needs, not by the kernel's default.
            assert (waiting.wait(60), waiting.stderr.read()) == (128 + signal.SIGTERM, b"")
