"""Looking again and again, at a Serf agent that is played."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dbhandler.console import watch as module
from dbhandler.console.watch import Watch
from dbhandler.requests.backup_state import BackupState
from dbhandler.requests.restore_box import source_id
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings
from tests.support.fakes import Clock
from tests.support.played_agent import PlayedAgent, answer, record

SETTINGS = ConsoleSettings("127.0.0.1", 0)
PATIENCE = 20.0


@pytest.fixture
def agent() -> Iterator[PlayedAgent]:
    with PlayedAgent(record("a"), record("b")) as played:
        yield played


@pytest.fixture
def watch(agent: PlayedAgent, clock: Clock) -> Watch:
    return Watch(lambda: Serf(agent.address), (), SETTINGS, clock)


def states(watch: Watch) -> dict[str, str]:
    return {server.node: server.state for server in watch.sight.servers}


def test_before_the_first_look_nothing_is_said(watch: Watch) -> None:
    assert watch.sight.is_first and not watch.sight.servers and not watch.sight.warnings


def test_members_then_their_answers_then_their_backups(watch: Watch, agent: PlayedAgent) -> None:
    watch.look()
    assert states(watch) == {"a": "not asked yet", "b": "not asked yet"}
    agent.answers["b"] = answer(mysql="down", last_error="it hurt")
    watch.ask()
    assert states(watch) == {"b": "down", "a": "ready"}
    agent.members.append(record("backup", role="backup"))
    agent.states = [BackupState(source_id(str(watch.member("a").key), None), "a", 1, 2, 0, 2)]  # type: ignore[union-attr]
    watch.look()
    watch.ask_backups()
    assert watch.sight.named("a").backup == agent.states[0]  # type: ignore[union-attr]


def test_a_change_wakes_who_waits_and_no_change_does_not(watch: Watch, agent: PlayedAgent) -> None:
    watch.look()
    version = watch.version
    watch.look()
    assert watch.wait(version, 0.05) == version
    agent.members[0] = record("a", "failed")
    threading.Timer(0.1, watch.look).start()
    assert watch.wait(version, PATIENCE) == version + 1
    assert states(watch)["a"] == "failed"


def test_an_agent_that_is_away_leaves_what_was_seen_with_the_reason(watch: Watch, agent: PlayedAgent) -> None:
    watch.look()
    agent.close()
    watch.look()
    assert "does not answer" in watch.sight.trouble or "no Serf agent answers" in watch.sight.trouble
    watch.look()
    assert set(states(watch)) == {"a", "b"} and watch.sight.trouble
    watch.ask()
    watch.ask_backups()


def test_gossip_without_a_key_is_seen(agent: PlayedAgent, watch: Watch) -> None:
    agent.encrypted = "false"
    watch.look()
    assert any("no gossip key" in sentence for sentence in watch.sight.warnings)


def test_servers_are_asked_often_only_while_somebody_looks(
    watch: Watch, agent: PlayedAgent, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWERS", 0.01)
    monkeypatch.setattr(module, "IDLE_ANSWERS", PATIENCE)
    watch.start()
    deadline = time.monotonic() + PATIENCE
    while agent.asked.count("status_db") < 1:
        assert time.monotonic() < deadline
    time.sleep(0.2)
    assert agent.asked.count("status_db") == 1
    watch.looked_at()
    while agent.asked.count("status_db") < 5:
        assert time.monotonic() < deadline
    clock.advance(module.LOOKED + 1)
    time.sleep(0.1)
    count = agent.asked.count("status_db")
    time.sleep(0.2)
    assert agent.asked.count("status_db") <= count + 1


def test_only_a_server_is_a_server(watch: Watch, agent: PlayedAgent) -> None:
    agent.members.append(record("app", role="app", key="", port="", mysql=""))
    watch.look()
    assert watch.member("a") and not watch.member("app") and not watch.member("nobody")


def test_what_is_beside_the_sight_wakes_readers_too(watch: Watch) -> None:
    version = watch.version
    watch.touch()
    assert watch.wait(version, 0) == version + 1
