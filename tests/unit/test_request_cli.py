import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from fakes import Clock

from dbhandler import request_cli
from dbhandler.connection import Connection
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable

CONNECTION = Connection("shop", "10.0.0.2", 3306, "clerk", "a password")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, object]]]:
    """Records the library calls; each returns CONNECTION."""
    calls: list[tuple[str, Mapping[str, object]]] = []

    def recorder(name: str, result: Connection | None) -> None:
        def call(*arguments: object, **options: object) -> Connection | None:
            calls.append((name, {"arguments": arguments, **options}))
            return result

        monkeypatch.setattr(request_cli.client, name, call)

    recorder("request_database", CONNECTION)
    recorder("rotate_password", CONNECTION)
    recorder("drop_database", None)
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


def test_rotate_and_drop_need_a_state(asked: list[tuple[str, object]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--rotate")[0] == run("--drop")[0] == 64
    assert not asked and "--state" in capsys.readouterr().err
    assert run("--rotate", "--state", "x", "--format", "json")[0] == run("--drop", "--state", "x")[0] == 0
    assert [name for name, _ in asked] == ["rotate_password", "drop_database"]


def test_files_are_private_and_named_like_the_variables(asked: list[object], tmp_path: Path) -> None:
    status, output = run("shop", "--files", str(tmp_path / "v"), "--env-prefix", "WORDPRESS_DB_")
    assert (status, output) == (0, "")
    password = tmp_path / "v" / "WORDPRESS_DB_PASSWORD"
    assert password.read_text() == CONNECTION.password and password.stat().st_mode & 0o777 == 0o600


def test_a_command_gets_the_variables(asked: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[tuple[list[str], Mapping[str, str]]] = []
    monkeypatch.setattr(request_cli.os, "execvpe", lambda file, argv, env: executed.append((argv, env)))
    run("shop", "--env-prefix", "X_", "--", "app", "--state", "its own", environ={"KEPT": "1"})
    [(argv, env)] = executed
    assert argv == ["app", "--state", "its own"]
    assert (env["X_PASSWORD"], env["KEPT"]) == (CONNECTION.password, "1")


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

    monkeypatch.setattr(request_cli.client, "request_database", fail)
    assert run("shop") == (status, "")
    assert capsys.readouterr().err == "dbhandler-request: a reason\n"


@pytest.mark.parametrize(
    "argv", [(), ("a", "b"), ("--format", "xml", "a"), ("a", "--timeout", "-1"), ("a", "--timeout", "nan"), ("--rot",)]
)
def test_wrong_usage_is_64(asked: list[object], argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = run(*argv)[0]
    except SystemExit as exit:
        status = exit.code
    assert status == 64 and not asked
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_json_is_one_object(asked: list[object]) -> None:
    assert json.loads(run("shop", "--format", "json")[1])["password"] == CONNECTION.password


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
        command = [sys.executable, "-c", "import sys; from dbhandler.request_cli import main; sys.exit(main())"]
        with subprocess.Popen([*command, "shop", "--rpc-addr", address], stderr=subprocess.PIPE) as waiting:
            assert waiting.stderr and waiting.stderr.readline().startswith(b"dbhandler-request: ")
            waiting.terminate()
            # By its own handler, which the first process of a container needs, not by the kernel's default.
            assert (waiting.wait(60), waiting.stderr.read()) == (128 + signal.SIGTERM, b"")
