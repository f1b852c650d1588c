"""The client takes the nodes of one Galera cluster for one server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client.connection import Connection, as_jdbc
from dbhandler.client.state import State, StateFile
from dbhandler.errors import TryLater
from dbhandler.requests.box import Keys
from dbhandler.serf.members import Member
from tests.support.applications import Answer, FakeSerf, client, find, made, server
from tests.support.fakes import Clock


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in "abcd"}


def node(
    name: str, keys: Mapping[str, Keys], status: str = "alive", mysql: str = "ready", port: str = "3306"
) -> Member:
    plain = server(name, keys, status, mysql)
    return Member(name, plain.host, plain.port, status, {**plain.tags, "cluster": "shop", "port": port})


def test_one_server_with_all_its_hosts(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    state = StateFile(tmp_path / "state")
    new = Member("e", "10.0.0.101", 7946, "alive", {"role": "db", "cluster": "shop"})
    nodes = [node("c", keys), node("a", keys, port="3307"), node("b", keys, mysql="down"), node("d", keys, "failed")]
    serf = FakeSerf([*nodes, new], made)
    connection = client(serf, state, clock).create("shop", None, {})
    # Who joins just now is named after those that serve; who has not said yet where it is reached is not.
    assert connection.hosts == ("a:3306", "10.0.0.99:3306", "10.0.0.98:3306")
    saved = state.load()
    assert saved is not None
    assert replace(saved, changed=None) == State("shop", "shop", connection.password, keys["a"].public, cluster="shop")
    # Nobody is asked who has it: what one node has all have.
    assert serf.asked == [("create_db", ("a",))]


def test_the_next_node_is_asked_when_one_dies_in_the_middle(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock
) -> None:
    def reply(name: str, asked: str, request: Mapping[str, str]) -> Answer | None:
        return None if asked == "a" else made(name, asked, request)

    serf = FakeSerf([node("a", keys), node("b", keys)], reply)
    assert client(serf, StateFile(tmp_path / "state"), clock).create("shop", None, {}).host == "b"
    assert [nodes for _, nodes in serf.asked] == [("a",), ("b",)]


def test_the_next_node_is_asked_when_one_cannot_answer_now(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    def reply(name: str, asked: str, request: Mapping[str, str]) -> Answer | None:
        return {"status": "unavailable", "reason": "no quorum"} if asked == "a" else made(name, asked, request)

    serf = FakeSerf([node("a", keys), node("b", keys)], reply)
    assert client(serf, StateFile(tmp_path / "state"), clock).create("shop", None, {}).host == "b"


def test_a_state_made_with_one_node_is_good_for_every_other(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock
) -> None:
    state = StateFile(tmp_path / "state")
    first = client(FakeSerf([node("a", keys)], made), state, clock).create("shop", None, {})
    later = client(FakeSerf([node("a", keys, "failed"), node("d", keys)], made), state, clock).create("shop", None, {})
    assert (later.host, later.password) == ("d", first.password)
    # Also where the first node is known to nobody any more.
    client(FakeSerf([node("c", keys)], made), state, clock).create("shop", None, {})
    saved = state.load()
    assert saved is not None
    assert saved.key == keys["c"].public


def test_a_state_of_a_plain_server_that_became_a_node(keys: dict[str, Keys]) -> None:
    serf = FakeSerf([node("a", keys, mysql="down"), node("b", keys)], made)
    assert find(serf, "shop", keys["a"].public).name == "b"


def test_a_state_of_another_server_is_not_for_this_cluster(keys: dict[str, Keys]) -> None:
    with pytest.raises(TryLater, match="not in the Serf cluster"):
        find(FakeSerf([node("a", keys)], made), "shop", keys["d"].public)


def test_a_cluster_of_which_no_node_is_ready(keys: dict[str, Keys]) -> None:
    with pytest.raises(TryLater, match="which is down"):
        find(FakeSerf([node("a", keys, mysql="down"), node("b", keys, "failed")], made), "shop")


@pytest.mark.parametrize(("said", "asked"), [("owned", True), ("down", False), ("starting", False)])
def test_a_state_that_no_server_says_of_itself_keeps_nobody_waiting(
    keys: dict[str, Keys], said: str, asked: bool
) -> None:
    serf = FakeSerf([server("a", keys, mysql=said)], made)
    if asked:
        assert find(serf, "shop", keys["a"].public).name == "a"
        return
    with pytest.raises(TryLater, match=f"which is {said}"):
        find(serf, "shop", keys["a"].public)


def test_a_cluster_beside_a_plain_server_is_asked_once(keys: dict[str, Keys]) -> None:
    def reply(name: str, asked: str, request: Mapping[str, str]) -> Answer:
        return {"status": "exists" if asked == "a" else "absent"}

    serf = FakeSerf([node("a", keys), node("b", keys), server("c", keys)], reply)
    assert find(serf, "shop").name == "a"
    assert serf.asked == [("find_db", ("a", "c"))]


def test_several_hosts_in_the_forms_that_know_them() -> None:
    connection = Connection("shop", "db1", 3306, "clerk", "pass&word 123", ("db2:3306",))
    assert connection.variables()["DB_HOSTS"] == "db1:3306,db2:3306"
    expected = "jdbc:mariadb:sequential://db1:3306,db2:3306/shop?user=clerk&password=pass%26word%20123\n"
    assert as_jdbc(connection, {}) == expected
    assert "DB_HOSTS" not in Connection("shop", "db1", 3306, "clerk", "x").variables()


def test_nodes_behind_one_address_are_one_host(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    def reply(name: str, asked: str, request: Mapping[str, str]) -> Answer:
        return {"status": "created", "host": "proxy", "port": 3306}

    nodes = [node(name, keys) for name in "ab"]
    advertised = [Member(n.name, n.host, n.port, n.status, {**n.tags, "address": "proxy:3306"}) for n in nodes]
    connection = client(FakeSerf(advertised, reply), StateFile(tmp_path / "state"), clock).create("shop", None, {})
    assert connection.hosts == ("proxy:3306",)
    assert "DB_HOSTS" not in connection.variables()
