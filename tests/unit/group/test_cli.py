"""What the operator sees, and what the operator is refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.errors import Denied, InvalidRequest
from dbhandler.group.cli import Sight, main, order_for, report, see
from dbhandler.group.node import Holds, Mode, Node, encode
from dbhandler.group.store import BEGIN_ORDER, LOSS_ORDER, GroupStore
from dbhandler.group.transactions import Transactions
from dbhandler.serf.members import Member
from dbhandler.settings.config import Config
from dbhandler.trust import words
from tests.support.pools import CHANGING, OURS, THEIRS, proven

WAITING, JOINING, SYNCED, NONPRIMARY = Mode.WAITING, Mode.JOINING, Mode.SYNCED, Mode.NONPRIMARY
EMPTY, DATA = Holds.EMPTY, Holds.DATA

UUID, OTHER = "4ff1e6c6-e6f9-11f1-b5d2-7aa832857484", "5ff1e6c6-e6f9-11f1-b5d2-7aa832857484"


class PlayedSerf:
    """The agent of the node a, which knows these members."""

    def __init__(self, *members: Member) -> None:
        self._members = members

    def __enter__(self) -> PlayedSerf:
        return self

    def __exit__(self, *_: object) -> None: ...

    def self_name(self) -> str:
        return "a"

    def members(self) -> list[Member]:
        return list(self._members)


def data(
    name: str, seqno: int = 5, mode: Mode = WAITING, alive: bool = True, view: str = "ab", uuid: str = UUID
) -> Node:
    return Node(
        name, mode, DATA, "0", uuid, Transactions.up_to(seqno), frozenset(view), None, f"db-{name}", "10.0.0.1", alive
    )


def sight(me: Node, *others: Node) -> Sight:
    return Sight("shop", 3, me, others, "waiting for something")


def test_the_report_shows_positions_and_what_is_waited_for() -> None:
    away = replace(data("c", 3, SYNCED), alive=False)
    lines = report(sight(data("b", 7), data("a", 5), away, Node("d", WAITING, EMPTY, name="db-d", host="10.0.0.4")))
    assert lines[0] == "cluster shop, begun by 3 empty nodes"
    assert lines[2].split() == ["db-a", "10.0.0.1", "a", "waiting", "data", f"{UUID}:5"]
    assert lines[3].endswith(f"{UUID}:7")
    assert "away (was synced)" in lines[4]
    assert lines[5].split() == ["db-d", "10.0.0.4", "d", "waiting", "empty", "-"]
    assert lines[-1] == "db-b: waiting for something"


@pytest.mark.parametrize("name", ["db-a", "a"])
def test_the_most_advanced_of_all_may_begin(name: str) -> None:
    assert order_for(sight(data("a", 5), data("b", 5)), name, accept_loss=False) == BEGIN_ORDER


RISKS = [
    (data("b", 6), "'db-b' may hold more than 'db-a'"),
    (data("b", 5, uuid=OTHER), "'db-b' may hold more than 'db-a'"),
    (data("b", 5, alive=False), "it is not known what 'db-b' holds"),
    (data("b", 5, NONPRIMARY), "it is not known what 'db-b' holds"),
    (data("b", 5, JOINING), "it is not known what 'db-b' holds"),
    (data("b", 5, view="abx"), "'x' served in this cluster and is not there"),
]


@pytest.mark.parametrize(("other", "reason"), RISKS)
def test_where_another_may_be_ahead_only_who_accepts_the_loss_begins(other: Node, reason: str) -> None:
    with pytest.raises(Denied, match=reason):
        order_for(sight(data("a"), other), "db-a", accept_loss=False)
    assert order_for(sight(data("a"), other), "db-a", accept_loss=True) == LOSS_ORDER


def test_an_unknown_last_view_is_a_risk() -> None:
    with pytest.raises(Denied, match="with whom 'db-a' served last"):
        order_for(sight(data("a", view="")), "db-a", accept_loss=False)


@pytest.mark.parametrize("accept_loss", [False, True])
def test_what_no_acceptance_allows(accept_loss: bool) -> None:
    with pytest.raises(Denied, match="the cluster serves, at 'db-b'"):
        order_for(sight(data("a"), data("b", mode=SYNCED)), "db-a", accept_loss)
    with pytest.raises(Denied, match="'db-a' does not wait, it is joining"):
        order_for(sight(data("a", mode=JOINING)), "db-a", accept_loss)
    with pytest.raises(InvalidRequest, match="run it in the container of 'db-b'"):
        order_for(sight(data("a"), data("b")), "db-b", accept_loss)


@pytest.mark.parametrize("arguments", [[], ["dance"], ["bootstrap"], ["bootstrap", "a", "--force"], ["status", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_CLUSTER": "shop"}
    assert main(arguments, environ) == os.EX_USAGE
    assert "no such command" in capsys.readouterr().err


def test_a_server_in_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"], {"DBHANDLER_ENGINE": "mariadb"}) == os.EX_USAGE
    assert "in no cluster" in capsys.readouterr().err


def test_a_node_that_waits_says_why_as_its_start_program_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = GroupStore(tmp_path, tmp_path)
    waits = Node("a0", WAITING, DATA, "0", UUID, Transactions.up_to(5), frozenset({"a0"}))

    tags = {"role": "db", "cluster": "shop", "galera": encode(waits)}
    played = PlayedSerf(Member("a", "10.0.0.1", 7946, "alive", tags))
    monkeypatch.setattr("dbhandler.group.cli.connect", lambda _settings: played)
    config = Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_CLUSTER": "shop"})
    assert see(config, store).reason == "waiting for 'a' to begin"
    store.publish(waits, "it holds transactions that 'b' does not")
    assert see(config, store).reason == "it holds transactions that 'b' does not"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    assert "--i-accept-data-loss" in capsys.readouterr().out


def test_only_nodes_that_prove_it_are_shown_where_they_have_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def node(name: str) -> Member:
        tags = {"role": "db", "cluster": "shop", "galera": f"synced data {UUID}:0 {name}0/0 - -"}
        return Member(name, "10.0.0.1", 7946, "alive", tags)

    played = PlayedSerf(proven(node("a")), proven(node("b"), CHANGING), node("c"), proven(node("d"), THEIRS))
    monkeypatch.setattr("dbhandler.group.cli.connect", lambda _settings: played)
    secret = words.encode(OURS.secrets[0])
    for environ, others in (({}, ["b", "c", "d"]), ({"DBHANDLER_POOL_SECRET": secret}, ["b"])):
        config = Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_CLUSTER": "shop", **environ})
        seen = see(config, GroupStore(tmp_path, tmp_path))
        assert (seen.me.name, [other.name for other in seen.others]) == ("a", others)
