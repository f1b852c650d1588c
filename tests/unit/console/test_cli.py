"""dbhandler-console: how it starts, what it says, and that it answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbhandler.console import cli
from dbhandler.settings.console import ConsoleSettings
from tests.support.docker import free_port

PROGRAM = "from dbhandler.console.cli import main; import sys; sys.exit(main(sys.argv[1:]))"


def started(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    plain = {"PATH": os.environ["PATH"], "SERF_RPC_ADDR": "127.0.0.1:1"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], env={**plain, **environ}, stderr=subprocess.PIPE, text=True
    )


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr
    return next(line for line in process.stderr if text in line)


def test_it_serves_until_it_is_told_to_end() -> None:
    address = f"127.0.0.1:{free_port()}"
    with started(DBHANDLER_CONSOLE=address) as process:
        assert f"the page is at http://{address}/" in line_with(process, "the page")
        assert started("--health", DBHANDLER_CONSOLE=address).wait(30) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


def test_nobody_at_home_is_no_health() -> None:
    with started("--health", DBHANDLER_CONSOLE=f"127.0.0.1:{free_port()}") as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == os.EX_SOFTWARE and "dbhandler-console: " in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"DBHANDLER_CONSOLE": "8080"}, "DBHANDLER_CONSOLE has to be"),
        ({"DBHANDLER_CONSOL": ":1"}, "is DBHANDLER_CONSOLE meant?"),
        ({"DBHANDLER_CONSOLE_PASSWORD": "short-secret"[:5]}, "12 to 1024"),
        ({"DBHANDLER_CONSOLE": "192.0.2.1:80"}, "address"),
    ],
)
def test_a_wrong_setting_is_one_sentence(environ: dict[str, str], told: str) -> None:
    with started(**environ) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == os.EX_CONFIG and told in said.splitlines()[-1] and "Traceback" not in said


def test_beyond_this_host_there_is_always_a_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="dbhandler"):
        made = [cli._with_login(ConsoleSettings("", 8080)).password for _ in range(2)]
    assert made[0] and made[0] != made[1] and made[0] in caplog.text
    caplog.clear()
    assert cli._with_login(ConsoleSettings("127.0.0.1", 8080)).password is None
    assert cli._with_login(ConsoleSettings("", 8080, password="x" * 12)).password == "x" * 12
    assert not caplog.text


def test_secrets_are_read_before_their_files_are_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("an rpc key\n")
    found = cli._in_memory({"SERF_RPC_AUTH_FILE": str(tmp_path / "key"), "SERF_RPC_ADDR": "x"})
    assert found == {"SERF_RPC_AUTH": "an rpc key", "SERF_RPC_ADDR": "x"}
