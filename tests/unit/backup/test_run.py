"""The container's own process: its parts, its end, and what it hands on."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from dbhandler.backup import run as module
from dbhandler.backup import shipped
from dbhandler.backup.keeper import Keeper
from dbhandler.backup.queries import HANDLER
from dbhandler.backup.source import Source
from dbhandler.backup.whole import Wish
from dbhandler.errors import Unavailable
from dbhandler.requests.box import Keys
from dbhandler.settings.backup import backup_settings
from dbhandler.trust import words
from dbhandler.trust.backup import repository_password
from tests.support.fakes import Clock
from tests.support.pools import NEXT, OURS, THEIRS, PlayedCluster, PlayedServer

SECRET = words.encode(OURS.secrets[0])


class Agent:
    """In place of the Serf agent's process."""

    started: Sequence[tuple[Sequence[str], Mapping[str, str]]] = ()

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        Agent.started = [*Agent.started, (command, env)]
        Agent.last, self.returncode, self.done = self, 0, list[str]()

    last: Agent

    def poll(self) -> int | None:
        return self.returncode or None

    def terminate(self) -> None:
        self.done.append("terminate")

    def wait(self) -> int:
        self.done.append("wait")
        return 0


class Membership:
    """The members that are known, without a Serf agent."""

    members: Sequence[object] = ()

    def run(self, stop: threading.Event) -> None:
        stop.wait(10.0)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    handlers: dict[int, Callable[..., object]] = {}
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.update({number: handler}))
    monkeypatch.setattr(subprocess, "Popen", Agent)
    monkeypatch.setattr(module, "_membership", lambda _settings, _environ, _key: Membership())
    monkeypatch.setattr(shipped, "bring_back", lambda _repository, _folder: None)
    monkeypatch.setattr(os, "umask", lambda _mask: 0o022)
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    Agent.started = ()
    return {
        "DBHANDLER_POOL_SECRET": SECRET, "DBHANDLER_BACKUP_DIR": str(tmp_path / "backups"),
        "DBHANDLER_RUN_DIR": str(tmp_path / "run"), "DBHANDLER_STATE_DIR": str(tmp_path / "state"),
    }  # fmt: skip


def played(monkeypatch: pytest.MonkeyPatch, look: Callable[[threading.Event], None]) -> list[str]:
    """The keeper does this at each look; returns what was done with it."""
    done: list[str] = []

    def work(keeper: Keeper) -> None:
        keeper._stop.wait(10.0)

    def looked(keeper: Keeper, _sources: Sequence[Source], _wishes: Sequence[Wish]) -> None:
        done.append("look")
        look(keeper._stop)

    monkeypatch.setattr(Keeper, "work", work)
    monkeypatch.setattr(Keeper, "look", looked)
    monkeypatch.setattr(Keeper, "close", lambda _keeper: done.append("close"))
    return done


def test_it_serves_until_it_is_told_to_end(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = played(monkeypatch, threading.Event.set)
    assert module.run(environ) == os.EX_OK
    assert (done, Agent.last.done) == (["look", "close"], ["terminate", "wait"])
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700


def test_the_serf_agent_gets_its_secrets_as_files(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played(monkeypatch, threading.Event.set)
    module.run({**environ, "SERF_RPC_AUTH": "hunter2", "RESTIC_PASSWORD": "hunter3"})
    [(command, handed)] = Agent.started
    assert list(command) == ["dbhandler-serf-agent", "-tag=role=backup", HANDLER]
    assert "query:restore_db" in HANDLER and "query:backup_status" in HANDLER and HANDLER.endswith("=dbhandler-query")
    assert not {"hunter2", "hunter3", SECRET} & set(handed.values())
    assert Path(handed["SERF_RPC_AUTH_FILE"]).read_text() == "hunter2"


def test_what_private_servers_have_left_behind_is_removed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = tmp_path / "backups" / "scratch" / "restore-x"
    left.mkdir(parents=True)
    played(monkeypatch, threading.Event.set)
    module.run(environ)
    assert not left.exists()


def test_an_agent_that_ends_ends_it(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_stop: threading.Event) -> None:
        Agent.last.returncode = 3

    played(monkeypatch, end)
    assert module.run(environ) == os.EX_SOFTWARE


def test_a_thread_that_fails_ends_it(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_keeper: Keeper) -> None:
        raise KeyError("a defect")

    played(monkeypatch, lambda _stop: None)
    monkeypatch.setattr(Keeper, "work", fails)
    assert module.run(environ) == os.EX_SOFTWARE
    assert Agent.last.done == ["terminate", "wait"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"DBHANDLER_POOL_SECRET": ""}, "DBHANDLER_POOL_SECRET has to be"),
        ({"DBHANDLER_BACKUP_EVERY": "x"}, "DBHANDLER_BACKUP_EVERY: a time"),
    ],
)
def test_wrong_settings(
    wrong: dict[str, str], sentence: str, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert module.run({**environ, **wrong}) == os.EX_CONFIG
    assert f"the backup cannot start: {sentence}" in capsys.readouterr().err
    assert Agent.started == ()


def test_a_wrong_retention_stops_the_agent_too(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert module.run({**environ, "DBHANDLER_BACKUP_KEEP": "--keep-none"}) == os.EX_CONFIG
    assert "DBHANDLER_BACKUP_KEEP" in capsys.readouterr().err
    assert Agent.last.done == ["terminate", "wait"]


def test_a_setting_that_is_none_is_a_sentence(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert module.run({**environ, "DBHANDLER_BACKUP_KEPT": "x"}) == os.EX_CONFIG
    assert "DBHANDLER_BACKUP_KEPT is no setting" in capsys.readouterr().err


@pytest.mark.parametrize("own", [None, "hunter2"])
def test_the_repository_s_password_is_its_owner_s_or_the_pool_s(own: str | None, environ: dict[str, str]) -> None:
    several = {"DBHANDLER_POOL_SECRET": f"{words.encode(NEXT.secrets[0])} {SECRET}"}
    given = {**environ, **several, **({"RESTIC_PASSWORD": own} if own else {})}
    repository = module.open_repository(backup_settings(given), given)
    secrets = (*NEXT.secrets, *OURS.secrets)
    assert repository._passwords == ((own,) if own else tuple(map(repository_password, secrets)))


def test_what_serves_now_is_what_is_believed(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [PlayedServer("a", Keys(tmp_path / "a")), PlayedServer("b", Keys(tmp_path / "b"), THEIRS)]
    monkeypatch.setattr(module, "connect", lambda _settings: PlayedCluster(*servers))
    assert [source.name for source in module.known_sources(backup_settings(environ))] == ["a"]


def test_an_agent_that_is_away_is_waited_for(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[object] = []

    def away(_settings: object) -> PlayedCluster:
        tried.append(None)
        raise Unavailable("no Serf agent answers")

    monkeypatch.setattr(module, "connect", away)
    monkeypatch.setattr(time, "monotonic", clock)
    monkeypatch.setattr(time, "sleep", clock.advance)
    with pytest.raises(Unavailable, match="no Serf agent answers"):
        module.known_sources(backup_settings(environ), timeout=2.0)
    assert len(tried) == 5


def test_its_log_is_the_container_s(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, threading.Event.set)
    module.run({**environ, "DBHANDLER_LOG_FORMAT": "json"})
    [handler] = logging.getLogger("dbhandler").handlers
    assert type(handler.formatter).__name__ == "JsonFormatter"
