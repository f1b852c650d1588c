"""The agent has the server show its pool's certificate: after a new one, again after a failure, never an owner's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbhandler.agent.certificate import INTERVAL, CertificateKeeper
from dbhandler.engine import tls_sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError, Unavailable
from dbhandler.trust.authority import Authority
from dbhandler.volume import tls
from dbhandler.volume.certificate import ServerCertificate
from tests.support.fakes import RecordingServer

SECRET = bytes(32)
ASKED = tls_sql.certificate_file()
RELOAD = {
    "mariadb": ["FLUSH LOCAL SSL"],
    "mysql": [
        "SET GLOBAL ssl_ca = IF(CONCAT_WS('', @@GLOBAL.ssl_ca, @@GLOBAL.ssl_capath) = '', %s, @@GLOBAL.ssl_ca)",
        "ALTER INSTANCE RELOAD TLS FOR CHANNEL mysql_main",
        "SET GLOBAL admin_ssl_ca = "
        "IF(CONCAT_WS('', @@GLOBAL.admin_ssl_ca, @@GLOBAL.admin_ssl_capath) = '', %s, @@GLOBAL.admin_ssl_ca)",
        "ALTER INSTANCE RELOAD TLS FOR CHANNEL mysql_admin",
    ],
}


class Agent:
    """A keeper, and the server that it looks after."""

    def __init__(self, folder: Path, engine: str = "mariadb") -> None:
        self.folder, self.names = folder, ["db"]
        tls.ensure_keys("mariadb", folder)
        self.server = RecordingServer({ASKED: [("server-cert.pem",)]})
        self.server.engine = engine
        self.keeper = self.restarted()

    def restarted(self) -> CertificateKeeper:
        """The keeper of another agent's process."""
        self.keeper = CertificateKeeper(ServerCertificate(self.folder, [SECRET]), lambda: self.names)
        return self.keeper

    def look(self) -> list[str]:
        """What a look executes."""
        before = len(self.server.executed)
        self.keeper.look(self.server)  # type: ignore[arg-type]
        return [statement.text for statement in self.server.executed[before:]]


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


@pytest.mark.parametrize("engine", RELOAD)
def test_a_new_certificate_is_shown_at_once_and_an_old_one_left_alone(tmp_path: Path, engine: str) -> None:
    agent = Agent(tmp_path, engine)
    assert agent.keeper.authority() is None
    assert agent.look() == [ASKED.text, *RELOAD[engine]]
    assert agent.keeper.authority() == Authority(SECRET).fingerprint
    assert agent.look() == [ASKED.text]
    agent.names = ["db", "db2"]
    assert agent.look() == [ASKED.text, *RELOAD[engine]]
    assert agent.look() == [ASKED.text]


def test_mysql_is_told_by_which_roots_its_own_certificate_counts(tmp_path: Path) -> None:
    agent = Agent(tmp_path, "mysql")
    agent.look()
    told = [statement.values for statement in agent.server.executed if statement.text.startswith("SET")]
    assert told == [(str(tmp_path / tls.AUTHORITY),)] * 2


def test_a_certificate_that_an_agent_made_who_was_killed_then_is_shown_by_the_next(agent: Agent) -> None:
    ServerCertificate(agent.folder, [SECRET]).ensure(agent.names)
    assert agent.look() == [ASKED.text, *RELOAD["mariadb"]]
    agent.restarted()
    assert agent.look() == [ASKED.text, *RELOAD["mariadb"]]
    assert agent.look() == [ASKED.text]


@pytest.mark.parametrize("engine", RELOAD)
@pytest.mark.parametrize("error", [ServerError("the database server refused (error 1)", 1), Unavailable("not now")])
def test_a_failed_reload_is_told_once_and_made_up_for(
    tmp_path: Path, engine: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(tmp_path, engine)
    agent.server.replies[Statement(RELOAD[engine][-1])] = error
    assert [agent.look(), agent.look()] == [[ASKED.text, *RELOAD[engine]]] * 2
    assert agent.keeper.authority() is None
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"nobody can verify this server by its pool: {error}"]
    del agent.server.replies[Statement(RELOAD[engine][-1])]
    assert agent.look() == [ASKED.text, *RELOAD[engine]]
    assert agent.look() == [ASKED.text]
    assert agent.keeper.authority() == Authority(SECRET).fingerprint


def test_a_server_that_is_away_later_shows_what_it_showed(agent: Agent) -> None:
    agent.look()
    agent.server.replies[ASKED] = Unavailable("not now")
    agent.look()
    assert agent.keeper.authority() == Authority(SECRET).fingerprint


@pytest.mark.parametrize("path", ["own.pem", "/etc/mysql/conf.d/own.pem", "", None])
def test_an_owner_s_certificate_is_told_once_and_nobody_is_led_to_ours(
    agent: Agent, path: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    agent.server.replies[ASKED] = [(path,)]
    assert [agent.look(), agent.look()] == [[ASKED.text]] * 2
    assert agent.keeper.authority() is None
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        f"nobody can verify this server by its pool: its owner has given it another certificate (ssl-cert = {path})"
    ]


def test_an_owner_may_give_it_another_one_while_it_runs(agent: Agent) -> None:
    agent.look()
    assert agent.keeper.authority()
    agent.server.replies[ASKED] = [("own.pem",)]
    agent.look()
    assert agent.keeper.authority() is None
    agent.server.replies[ASKED] = [(str(agent.folder / "server-cert.pem"),)]
    agent.look()
    assert agent.keeper.authority() == Authority(SECRET).fingerprint


def test_a_key_that_cannot_be_used_is_told_and_the_server_goes_on(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    (agent.folder / tls.KEY).write_text("half a")
    assert [agent.look(), agent.look()] == [[], []]
    (agent.folder / tls.KEY).unlink()
    assert agent.look() == []
    damaged, gone = caplog.messages
    assert "server-key.pem is damaged" in damaged and gone.endswith("server-key.pem: No such file or directory")
    assert agent.keeper.authority() is None


def test_the_root_is_the_authority_s(agent: Agent) -> None:
    assert Authority(SECRET).name.public_bytes() in agent.keeper.root()


class Stop:
    """An event that is set after so many waits; `waits` are their seconds."""

    def __init__(self, after: int, meanwhile: Callable[[], object]) -> None:
        self.waits: list[float] = []
        self._after, self._meanwhile = after, meanwhile

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self._meanwhile()
        return len(self.waits) > self._after


def test_it_looks_again_and_again_until_it_is_told_to_stop(agent: Agent) -> None:
    stop = Stop(3, lambda: agent.names.append(f"db{len(agent.names)}"))
    agent.keeper.run(agent.server, stop)  # type: ignore[arg-type]
    assert stop.waits == [INTERVAL] * 4 == [60.0] * 4
    assert [statement.text for statement in agent.server.executed] == [ASKED.text, *RELOAD["mariadb"]] * 3


def test_two_who_look_at_once_do_it_one_after_the_other(agent: Agent) -> None:
    """Before the server is ready the agent's loop looks, beside the thread that looks again and again."""
    entered, inside, most = threading.Event(), list[int](), list[int]()

    class Slow(ServerCertificate):
        def ensure(self, names: object) -> bool:
            inside.append(1)
            most.append(len(inside))
            entered.wait(0.05)
            inside.pop()
            return False

    agent.keeper = CertificateKeeper(Slow(agent.folder, [SECRET], lambda: datetime.now(UTC)), lambda: agent.names)
    threads = [threading.Thread(target=agent.look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]
