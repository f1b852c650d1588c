"""What is done by the page, at servers that are played."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from dbhandler.console.actions import Actions, InMemory
from dbhandler.errors import ConfigError, Denied, InvalidRequest, TryLater
from dbhandler.pool.moving import PoolMoves
from dbhandler.requests.box import Keys
from dbhandler.serf.rpc import Serf
from tests.support.pools import OURS, PlayedCluster, PlayedServer

NAME, PASSWORD = "shop", "the password of before"


def actions(cluster: PlayedCluster) -> Actions:
    return Actions(lambda: cast(Serf, cluster), OURS.ids, timeout=0.0)


@pytest.fixture
def server(tmp_path: Path) -> PlayedServer:
    return PlayedServer("a", Keys(tmp_path / "key"))


def silent(_line: str) -> None:
    pass


def test_a_database_with_a_password_that_nobody_has_thought_up(server: PlayedServer) -> None:
    cluster = PlayedCluster(server)
    first, second = (actions(cluster).request(silent, NAME) for _ in range(2))
    assert first.connection and second.connection and first.connection.password != second.connection.password
    assert first.connection.password not in repr(first) + first.said
    assert ("a", "create_db") in cluster.asked()


def test_an_account_gets_another_password_once_it_has_proved_the_present_one(server: PlayedServer) -> None:
    server.says = {"create_db": {"status": "exists", "host": "a", "port": 3306}}
    cluster = PlayedCluster(server)
    done = actions(cluster).rotate(silent, NAME, "", PASSWORD)
    assert done.connection and done.connection.password not in ("", PASSWORD) and "10 minutes" in done.said
    assert [query for _, query in cluster.asked() if query != "find_db"] == ["create_db", "rotate_db"]


def test_a_wrong_password_changes_nothing(server: PlayedServer) -> None:
    server.says = {"create_db": {"status": "denied", "reason": "no"}}
    cluster = PlayedCluster(server)
    with pytest.raises(Denied):
        actions(cluster).rotate(silent, NAME, "", PASSWORD)
    with pytest.raises(Denied):
        actions(cluster).restore(silent, NAME, "", PASSWORD, "2026-01-01", "old")
    assert not {"rotate_db", "restore_db"} & {query for _, query in cluster.asked()}


def test_a_server_that_does_not_let_applications_restore_is_asked_for_nothing(server: PlayedServer) -> None:
    server.says = {"create_db": {"status": "exists", "host": "a", "port": 3306}}
    cluster = PlayedCluster(server)
    with pytest.raises(Denied, match="DBHANDLER_ALLOW_RESTORE"):
        actions(cluster).restore(silent, NAME, "", PASSWORD, "2026-01-01 00:00:00", "shop_before")
    assert "restore_db" not in {query for _, query in cluster.asked()}


@pytest.mark.parametrize("name", ["", "a" * 65, "a\x00b", "x "])
def test_what_is_no_name_is_refused(server: PlayedServer, name: str) -> None:
    with pytest.raises(InvalidRequest):
        actions(PlayedCluster(server)).request(silent, name)


@pytest.mark.parametrize("password", ["", "x" * 257, "a\nb"])
def test_what_is_no_password_is_refused_and_not_quoted(server: PlayedServer, password: str) -> None:
    with pytest.raises(InvalidRequest, match="a password has") as refused:
        actions(PlayedCluster(server)).rotate(silent, NAME, "", password)
    assert "xxx" not in str(refused.value)


def test_who_is_away_is_not_waited_for_without_end(server: PlayedServer) -> None:
    server.tags = {"mysql": "down"}
    with pytest.raises(TryLater):
        actions(PlayedCluster(server)).request(silent, NAME)


class PlayedMoves:
    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def drain(self, *arguments: object) -> list[str]:
        self.asked.append(("drain", *arguments))
        return ["shop", "blog"]

    def end_drain(self, *arguments: object) -> None:
        self.asked.append(("end", *arguments))


def test_a_server_is_drained_by_the_directory(server: PlayedServer) -> None:
    moves, cluster = PlayedMoves(), PlayedCluster(server)
    able = Actions(lambda: cast(Serf, cluster), (), lambda _: cast(PoolMoves, moves))
    assert able.can_drain and "2 databases of 'a' move" in able.drain(silent, "a").said
    assert "new databases again" in able.end_drain(silent, "a").said
    assert moves.asked == [("drain", "a", None, 3600), ("end", "a")]
    with pytest.raises(ConfigError, match="DBHANDLER_DIRECTORY"):
        actions(cluster).drain(silent, "a")


def test_an_account_in_memory_is_in_no_file() -> None:
    account = InMemory()
    assert account.load() is None
    with pytest.raises(InvalidRequest):
        account.known()
