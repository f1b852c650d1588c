"""How all servers are asked who has a database: a query of one size, sent again, and what is told of who is silent."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client import discovery
from dbhandler.client.asker import PAUSE
from dbhandler.client.discovery import AGAIN, find_server
from dbhandler.client.one_server import CREATE_AGAIN
from dbhandler.client.state import State, StateFile
from dbhandler.errors import TryLater
from dbhandler.requests.answer import encode
from dbhandler.requests.box import Keys
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from tests.support.applications import Answer, FakeSerf, client, find, made, server
from tests.support.fakes import Clock, Reply, RpcServer, ok

Replies = Callable[[str, str, Mapping[str, str]], Answer | None]
BY_ROLE = {"role": "^db$"}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in "abcde"}


def holding(holder: str, silent: Collection[str] = ()) -> Replies:
    """What each server answers where one has the database, and some say nothing."""

    def reply(_query: str, node: str, _request: object) -> Answer | None:
        return None if node in silent else {"status": "exists" if node == holder else "absent"}

    return reply


@pytest.mark.parametrize(
    ("names", "named", "tags"),
    [("ab", ("a", "b"), None), ("abc", ("a", "b", "c"), None), ("abcd", (), BY_ROLE), ("abcde", (), BY_ROLE)],
)
def test_of_many_servers_none_is_named_in_the_query(
    keys: dict[str, Keys], names: str, named: tuple[str, ...], tags: Mapping[str, str] | None
) -> None:
    for holder in names:
        serf = FakeSerf([server(name, keys) for name in names], holding(holder))
        assert find(serf, "shop").name == holder
        assert (serf.asked, serf.ways) == ([("find_db", named)], [(tags, AGAIN)])


def test_whoever_is_no_server_that_counts_does_not_count_where_all_are_asked(keys: dict[str, Keys]) -> None:
    others = [Member("x", "10.0.0.9", 7946, "alive", {"role": "db", "cluster": "shop"})]
    nodes = [replace(server(name, keys), tags={**server(name, keys).tags, "cluster": "shop"}) for name in "ab"]
    serf = FakeSerf([*others, *nodes, *(server(name, keys) for name in "cde")], holding("x"))
    # What x says is that of a node which cannot be asked yet; a speaks for the cluster.
    assert serf.members()[0].name == "x"
    assert find(serf, "shop").name in "acde"


@pytest.mark.parametrize(
    ("silent", "sentence"),
    [
        ("b", "waiting for 'b', which might have the database and has not answered; if it is gone for good, "
              "dbhandler-pool forget b gives up what it holds"),
        ("bd", "waiting for 'b', 'd', which might have the database and have not answered; if 'b' is gone for good, "
               "dbhandler-pool forget b gives up what it holds"),
    ],
)  # fmt: skip
def test_who_is_waited_for_is_told_with_the_operator_s_way_out(
    keys: dict[str, Keys], silent: str, sentence: str
) -> None:
    serf = FakeSerf([server(name, keys) for name in "abcd"], holding("", silent))
    with pytest.raises(TryLater) as caught:
        find(serf, "shop")
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["a b", "$(reboot)", "x;y", "-f", "ü", "a'b"])
def test_a_name_that_a_shell_could_misread_stands_in_no_command(keys: dict[str, Keys], name: str) -> None:
    odd = replace(server("b", keys), name=name)
    for members in ([server("a", keys), odd], [replace(odd, status="failed")]):
        with pytest.raises(TryLater, match=r"; if it is gone for good, dbhandler-pool forget NODE gives up"):
            find(FakeSerf(members, holding("", [name])), "shop")


def test_a_dead_server_is_told_with_the_operator_s_way_out_and_one_that_starts_is_not(keys: dict[str, Keys]) -> None:
    for members, key in (([server("b", keys, "failed")], keys["b"].public), ([server("b", keys, "failed")], None)):
        with pytest.raises(TryLater, match=r"^waiting for the server 'b', which is failed; .*pool forget b gives"):
            find(FakeSerf([server("a", keys), *members], made), "shop", key)
    for state in ("down", "starting"):
        with pytest.raises(TryLater) as caught:
            find(FakeSerf([server("a", keys), server("b", keys, mysql=state)], made), "shop")
        assert str(caught.value) == f"waiting for the server 'b', which is {state}"


def test_a_request_is_sent_again_where_a_box_may_be_opened_twice(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock
) -> None:
    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer:
        status = {"rotate_db": "rotated", "drop_db": "dropped"}.get(name, "created")
        return {"status": status, "host": node, "port": 3306}

    serf, state = FakeSerf([server("a", keys)], reply), StateFile(tmp_path / "state")
    client(serf, state, clock).create("shop", None, {})
    client(serf, state, clock).rotate()
    client(serf, state, clock).drop()
    again = [(name, again) for (name, _), (_, again) in zip(serf.asked, serf.ways, strict=True)]
    assert again == [("create_db", CREATE_AGAIN), ("rotate_db", None), ("drop_db", None)]


# --- on a socket ---


@pytest.fixture
def agent(keys: dict[str, Keys]) -> Iterator[RpcServer]:
    """A Serf agent of four servers, of which `b` answers the second time only, as if its first answer was lost."""

    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        if command == "members":
            return ok(seq, {"Members": [record(name, keys) for name in "abcd"]})
        if command != "query":
            return ok(seq)
        first = not any(command == "query" for command, _ in served.requests[:-1])
        told = [answer(seq, name) for name in ("acd" if first else "b")]
        return [*ok(seq), *(message for messages in told for message in messages)]

    served = RpcServer(answers)
    yield served
    served.close()


def record(name: str, keys: Mapping[str, Keys]) -> dict[str, object]:
    tags = {"role": "db", "mysql": "ready", "key": keys[name].public}
    address = socket.inet_aton(f"10.0.0.{ord(name)}")
    return {"Name": name, "Addr": address, "Port": 7946, "Status": "alive", "Tags": tags}


def answer(seq: int, node: str) -> list[object]:
    line = encode({"status": "exists" if node == "b" else "absent"})
    return [{"Seq": seq, "Error": ""}, {"Type": "response", "From": node, "Payload": line}]


def test_a_lost_answer_costs_a_moment_and_only_who_is_missing_is_asked_by_name(
    agent: RpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "AGAIN", 0.05)
    with Serf(agent.address) as serf:
        assert find_server(serf, "shop", None).name == "b"
    asked = [body for command, body in agent.requests if command == "query"]
    assert [(body["FilterNodes"], body["FilterTags"]) for body in asked] == [([], BY_ROLE), (["b"], BY_ROLE)]


def test_a_state_is_asked_for_at_one_server_whatever_the_others_do(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock
) -> None:
    state = StateFile(tmp_path / "state")
    state.save(State("shop", "shop", "the password of before", key=keys["a"].public))
    serf = FakeSerf([server("a", keys), *(server(name, keys, "failed") for name in "bcde")], made)
    assert client(serf, state, clock, timeout=PAUSE).create("shop", None, {}).host == "a"
    assert serf.asked == [("create_db", ("a",))]
