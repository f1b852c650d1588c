"""How long secrets stay in the run folder."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dbhandler.boot import admin, run_secrets
from dbhandler.engine import sql
from dbhandler.settings.environment import hand_over_secrets
from dbhandler.settings.names import SECRETS, SPENT_SECRETS
from dbhandler.settings.setting import read_setting
from tests.support.fakes import RecordingServer


def test_a_forgotten_secret_reads_as_not_set(tmp_path: Path) -> None:
    environ = hand_over_secrets({"MYSQL_ADMIN_PASSWORD": "hunter2", "SERF_RPC_AUTH": "kept"}, tmp_path / "secrets")
    run_secrets.forget(tmp_path / "secrets", ("MYSQL_ADMIN_PASSWORD", "MYSQL_PASSWORD"))
    assert read_setting(environ, "MYSQL_ADMIN_PASSWORD") is None
    assert read_setting(environ, "SERF_RPC_AUTH") == "kept"
    assert not (tmp_path / "secrets" / "MYSQL_PASSWORD").exists()
    assert all("hunter2" not in path.read_text() for path in (tmp_path / "secrets").iterdir())


class ReadyServer(RecordingServer):
    """A server that serves, and has an admin."""

    def __enter__(self) -> ReadyServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_until_ready(self, *_: object) -> None:
        pass


def test_what_is_used_up_is_forgotten_when_the_server_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "agent_server", lambda config: ReadyServer({sql.server_facts(): [("11.8", 3306, 0)]}))
    monkeypatch.setattr(admin, "container_log", io.StringIO)
    formed = {"SERF_ENCRYPT_KEY": "AAAAAAAAAAAAAAAAAAAAAA==", "DBHANDLER_POOL_SECRET": "A" * 43}
    given = {name: formed.get(name, f"hunter2-{name}") for name in (*SECRETS, *SPENT_SECRETS)}
    folders = {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_STATE_DIR": str(tmp_path)}
    environ = {"DBHANDLER_ENGINE": "mariadb", **folders, **hand_over_secrets(given, tmp_path / "secrets")}
    for _ in range(2):
        # Run again, as by `supervisorctl start`, it has nothing to complain of.
        assert admin.main([], environ) == 0
    kept = {path.name for path in (tmp_path / "secrets").iterdir() if path.read_text()}
    assert kept - {"RESTIC_PASSWORD", "DBHANDLER_CONSOLE_PASSWORD"} == {
        "DBHANDLER_POOL_SECRET",
        "SERF_ENCRYPT_KEY",
        "SERF_RPC_AUTH",
    }
