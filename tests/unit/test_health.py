"""The container's health check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import RecordingServer, Rows

from dbhandler import health, sql
from dbhandler.errors import Unavailable

ADMIN = sql.account_exists("admin")


class VisitedServer(RecordingServer):
    """A server that is closed after use, and during which something may happen."""

    on_execute: Callable[[], None] | None = None

    def execute(self, statement: sql.Statement) -> Rows:
        if self.on_execute:
            self.on_execute()
        return super().execute(statement)

    def __enter__(self) -> VisitedServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> VisitedServer:
    server = VisitedServer({ADMIN: [(1,)]})
    monkeypatch.setattr(health, "agent_server", lambda config: server)
    return server


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_ENGINE": "mariadb"}


def checked(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    return health.main([], environ), capsys.readouterr().out.strip()


@pytest.mark.usefixtures("server")
def test_a_server_with_its_admin_is_ready(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(environ, capsys) == (0, "ready")


def test_a_server_without_its_admin_is_not(
    server: VisitedServer, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies[ADMIN] = []
    assert checked(environ, capsys) == (1, "there is no admin account yet")


def test_a_server_that_is_away_is_not(
    server: VisitedServer, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies[ADMIN] = Unavailable("the database server does not answer")
    assert checked(environ, capsys) == (1, "the database server does not answer")


@pytest.mark.usefixtures("server")
def test_while_the_banner_is_not_out_it_is_not(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "admin.pending").touch()
    assert checked(environ, capsys) == (1, "the admin account is being made")


def test_an_account_that_is_made_just_now_has_no_banner_yet(
    server: VisitedServer, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_execute = (tmp_path / "admin.pending").touch
    assert checked(environ, capsys) == (1, "the admin account is being made")


def test_a_wrong_setting_is_not_ready_either(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(environ | {"DBHANDLER_ENGINE": "x"}, capsys)[0] == 1


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--healthy", 64)])
def test_arguments_show_the_usage_and_a_wrong_one_is_never_healthy(
    argument: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health.main([argument], {}) == status
    assert capsys.readouterr().out.startswith("usage: dbhandler-health")
