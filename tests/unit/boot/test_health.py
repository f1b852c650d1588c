"""The container's health check, and the official image's name for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dbhandler.boot import health
from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Full, Unavailable
from dbhandler.handlers import query
from dbhandler.requests.answer import unavailable
from dbhandler.serf.presence import SerfPresence
from dbhandler.volume import prepare
from tests.support.fakes import RecordingServer

REPLICA = {
    "Slave_IO_Running": "Yes",
    "Slave_SQL_Running": "Yes",
    "Seconds_Behind_Master": 3,
    "SQL_Remaining_Delay": None,
}
RENAMED = {"Replica_IO_Running": "Yes", "Replica_SQL_Running": "Yes", "Seconds_Behind_Source": 3}


class ProbedServer(RecordingServer):
    """A server that can be connected to, and may be a replica."""

    away: Exception | None = None
    replica: dict[str, object] | None = None

    def connect(self) -> None:
        if self.away:
            raise self.away

    def table(self, statement: Statement) -> list[dict[str, object]]:
        self.executed.append(statement)
        return [self.replica] if self.replica is not None else []

    def __enter__(self) -> ProbedServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ProbedServer:
    server = ProbedServer()
    monkeypatch.setattr(health, "agent_server", lambda config: server)
    return server


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for name in ("ready", "identity"):
        (tmp_path / name).touch()
    return {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_DATA_DIR": str(tmp_path), "DBHANDLER_ENGINE": "mariadb"}


class Check:
    """Runs the check; what it printed is the sentence."""

    def __init__(self, environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self.environ, self._capsys = environ, capsys

    def __call__(self, *options: str) -> tuple[int, str]:
        return health.main(options, self.environ), self._capsys.readouterr().out.strip()


@pytest.fixture
def check(environ: dict[str, str], capsys: pytest.CaptureFixture[str], server: ProbedServer) -> Check:
    return Check(environ, capsys)


@pytest.mark.parametrize("options", [(), ("--connect",), ("--su-mysql", "--connect"), ("--defaults-file=/x", "--su=u")])
def test_a_server_whose_accounts_are_made_is_ready(check: Check, options: tuple[str, ...]) -> None:
    assert check(*options) == (0, "ready")


def test_before_the_first_starts_work_is_done_it_is_not(check: Check, tmp_path: Path) -> None:
    (tmp_path / "ready").unlink()
    assert check() == (1, "the first start's work is not done yet")
    assert check("--no-connect") == (0, "ready")


def test_before_the_volumes_were_looked_at_nobody_says_ready(check: Check, tmp_path: Path) -> None:
    (tmp_path / "identity").unlink()
    assert check() == (1, "dbhandler-agent has not looked at the volumes yet")
    assert check("--no-connect") == (0, "ready")


def test_a_server_that_is_away_is_not(check: Check, server: ProbedServer) -> None:
    server.away = Unavailable("the database server does not answer")
    assert check("--innodb_initialized") == (1, "the database server does not answer")


def test_a_server_whose_connections_are_all_taken_is_alive_and_serves(
    check: Check, server: ProbedServer, tmp_path: Path
) -> None:
    server.away = Full("all connections are taken")
    assert check("--connect") == (0, "alive: all connections are taken\nready")
    (tmp_path / "ready").unlink()
    assert check()[0] == 1


def test_innodb(check: Check, server: ProbedServer) -> None:
    assert check("--innodb_initialized") == (1, "InnoDB is not initialised")
    server.replies[sql.innodb()] = [(1,)]
    assert check("--connect", "--innodb_initialized") == (0, "ready")


def test_the_buffer_pool(check: Check, server: ProbedServer) -> None:
    status = sql.status("Innodb_buffer_pool_load_status")
    server.replies[status] = [(status.values[0], "Loading of buffer pool not started")]
    assert check("--innodb_buffer_pool_loaded")[0] == 1
    server.replies[status] = [(status.values[0], "Buffer pool(s) load completed at 261123  4:42:26")]
    assert check("--innodb_buffer_pool_loaded") == (0, "ready")


@pytest.mark.parametrize(("state", "status"), [("4", 0), ("2", 1), (None, 1)])
def test_galera(check: Check, server: ProbedServer, state: str | None, status: int) -> None:
    server.replies[sql.status("wsrep_local_state")] = [("wsrep_local_state", state)] if state else []
    assert check("--galera_online")[0] == status


@pytest.mark.parametrize(("version", "status"), [("10.11.6-MariaDB", 1), ("11.8.3-MariaDB", 0)])
def test_an_upgrade_that_is_due(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, status: int
) -> None:
    (tmp_path / "ibdata1").touch()
    (tmp_path / "mariadb_upgrade_info").write_text(version)
    monkeypatch.setattr(prepare, "server_version", lambda engine: "11.8.3-MariaDB")
    assert check("--mariadbupgrade")[0] == status


@pytest.mark.parametrize("columns", [REPLICA, RENAMED])
def test_a_replica_that_runs_is_healthy(check: Check, server: ProbedServer, columns: dict[str, object]) -> None:
    server.replica = dict(columns)
    for option in ("--replication", "--replication_all", "--replication_io", "--replication_sql"):
        assert check(option) == (0, "ready")
    assert check("--replication_seconds_behind_master=3", "--replication_sql_remaining_delay=0") == (0, "ready")
    status, sentence = check("--replication_seconds_behind_master=2")
    assert status == 1 and "3, more than 2" in sentence


def test_a_replica_that_does_not_run_is_not(check: Check, server: ProbedServer) -> None:
    server.replica = REPLICA | {"Slave_SQL_Running": "No", "Seconds_Behind_Master": None}
    assert check("--replication_io") == (0, "ready")
    assert check("--replication") == (1, "the replica's Slave_SQL_Running is No")
    assert check("--replication_seconds_behind_master=100")[0] == 1


def test_a_server_that_is_no_replica_is_not_one(check: Check) -> None:
    for option in ("--replication", "--replication_seconds_behind_master=1", "--replication_sql_remaining_delay=1"):
        assert check(option)[0] == 1


def test_the_replicas_connection_has_a_name(check: Check, server: ProbedServer) -> None:
    server.replica = dict(REPLICA)
    check("--replication_name=east", "--replication_io")
    assert server.executed[-1] == sql.replica_status("mariadb", "east")


@pytest.mark.parametrize(("answer", "status"), [({"ready": True}, 0), ({"ready": False, "mysql": "down"}, 1)])
def test_the_agent(check: Check, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object], status: int) -> None:
    monkeypatch.setattr(query, "ask", lambda *_: json.dumps(answer).encode())
    assert check("--agent")[0] == status


def test_an_agent_that_is_away_is_told(check: Check) -> None:
    status, sentence = check("--agent")
    assert status == 1 and "the agent says: the agent of this server does not answer" in sentence


@pytest.mark.parametrize("option", ["--healthy", "connect", "--replication_seconds_behind_master=soon"])
def test_a_wrong_option_is_never_healthy(check: Check, option: str) -> None:
    assert check(option)[0] == os.EX_USAGE


def test_a_wrong_setting_is_not_healthy_either(check: Check) -> None:
    check.environ["DBHANDLER_ENGINE"] = "x"
    assert check()[0] == os.EX_USAGE


def test_help(check: Check) -> None:
    status, text = check("--help")
    assert status == 0 and text.startswith("usage: dbhandler-health")


def test_a_server_that_has_lost_its_state_is_healthy_and_says_so(
    server: ProbedServer, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(environ["DBHANDLER_RUN_DIR"]) / "identity").write_text("this server has lost its state\n")
    assert health.main([], environ) == 0
    assert capsys.readouterr().out == "ready\nthis server has lost its state\n"


def test_a_serf_agent_that_is_away_for_long_is_told_with_its_cause(
    check: Check, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SerfPresence(tmp_path).note_end("it ended with status 1: cannot assign requested address")
    assert check() == (0, "ready")
    os.utime(tmp_path / "ready", (0, 0))
    monkeypatch.setattr(query, "ask", lambda path, query, payload: b'{"status": "ok"}')
    assert check()[1].endswith(" s: it ended with status 1: cannot assign requested address")
    monkeypatch.setattr(query, "ask", lambda path, query, payload: unavailable("the agent does not answer"))
    assert check() == (1, "the agent does not answer")
    SerfPresence(tmp_path).note_seen()
    assert check() == (0, "ready")
