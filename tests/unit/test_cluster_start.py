"""From what Serf says to the server's command line, against a Serf and a data directory that record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dbhandler.cluster_data import Position
from dbhandler.cluster_node import DATA, EMPTY, FOREIGN, WAITING, Ballot, Node, decode, encode
from dbhandler.cluster_start import (
    INTERVAL,
    SENDER_PATIENCE,
    TURN_PATIENCE,
    Starter,
    _inserted,
    node_name,
    server_options,
)
from dbhandler.cluster_store import BEGIN_ORDER, LOSS_ORDER, ClusterStore, View
from dbhandler.config import ClusterSettings
from dbhandler.errors import Unavailable
from dbhandler.serf import Member

UUID = "4ff1e6c6-e6f9-11f1-b5d2-7aa832857484"
Tags = Mapping[str, str]


class FakeSerf:
    """An agent whose other members a test sets; the own member's tags are what was set."""

    def __init__(self) -> None:
        self.others: list[Member] = []
        self.tags: dict[str, str] = {"role": "db"}
        self.away = 0
        self.sets, self.untold = 0, set[int]()

    def connect(self) -> FakeSerf:
        return self

    def members(self) -> list[Member]:
        if self.away:
            self.away -= 1
            raise Unavailable("no Serf agent answers")
        return [Member("me", "10.0.0.9", 7946, "alive", dict(self.tags)), *self.others]

    def self_name(self) -> str:
        return "me"

    def set_tags(self, tags: Tags) -> None:
        self.tags |= tags
        self.sets += 1
        if self.sets in self.untold:
            raise Unavailable("timeout waiting for update broadcast")

    def close(self) -> None:
        pass


class FakeData:
    """A data directory at a position; `done` records what was prepared."""

    def __init__(self, position: Position) -> None:
        self._position, self.done, self.cut = position, [], False

    def position(self) -> Position:
        return self._position

    def transfer_was_cut(self) -> bool:
        return self.cut

    def prepare_to_begin(self, holds: str, new_history: bool = False) -> None:
        self.done.append(("begin", holds, new_history))

    def prepare_to_join(self) -> None:
        self.done.append(("join",))


class Build:
    """Makes the Starter under test; each of its waits, which it notes, carries out the next step of `script`."""

    def __init__(self, folder: Path) -> None:
        self.store, self.serf, self.data = ClusterStore(folder, folder), FakeSerf(), FakeData(Position(EMPTY))
        self.script: list[object] = []
        self.waits: list[float] = []

    def options(self, size: int = 1) -> list[str]:
        settings = ClusterSettings("shop", size)
        return Starter(settings, self.store, self.data, self.serf.connect, self._wait).options()  # type: ignore[arg-type]

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        assert self.script, f"it waits for ever: {self.store.published()}"
        step = self.script.pop(0)
        if callable(step):
            step()

    def own(self) -> Node:
        node = decode(self.serf.tags["galera"])
        assert node is not None
        return node


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def other(tag: str, name: str = "db2", status: str = "alive") -> Member:
    return Member(name, "10.0.0.2", 7946, status, {"role": "db", "cluster": "shop", "galera": tag})


def test_an_empty_node_that_is_expected_to_be_alone_begins(build: Build) -> None:
    build.script = [None]
    options = build.options()
    assert options[-1] == "--wsrep-new-cluster"
    assert build.data.done == [("begin", EMPTY, False)]
    assert build.own().mode == "beginning"
    assert build.serf.tags["cluster"] == "shop"


def test_it_votes_waits_and_joins(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    def begins() -> None:
        assert build.own().vote == build.store.vote() == Ballot("b0", "7")
        build.serf.others = [other(f"synced data {UUID}:0 b0/0 - b0.c0", "a"), *build.serf.others[1:]]

    build.serf.others = [other("waiting empty - b0/7 b0/7 -", "a"), other("waiting empty - c0/7 - -", "c")]
    build.script = [None, begins]
    options = build.options(3)
    assert "--wsrep-cluster-address=gcomm://10.0.0.2" in options
    # Not the third, which joins at the same moment.
    assert "--wsrep-sst-donor=a.b0" in options
    assert "--wsrep-new-cluster" not in options
    assert build.data.done == [("join",)]
    assert (build.own().mode, build.store.vote()) == ("joining", None)
    assert "cluster 'shop': waiting for 'a' to begin" in caplog.text


def test_it_joins_when_those_before_it_have_reached_the_group(build: Build) -> None:
    def reaches() -> None:
        assert build.own().mode == WAITING
        build.serf.others[0] = other(f"synced data {UUID}:0 b0/0 - b0.c0", "a")

    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - b0", "a"), other("joining empty - c0/7 - -", "c")]
    build.script = [None, reaches]
    build.options(3)
    assert build.own().mode == "joining"


def test_one_that_never_reaches_the_group_is_not_waited_for_for_ever(build: Build) -> None:
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - b0", "a"), other("joining empty - c0/7 - -", "c")]
    build.script = [None] * 100
    build.options(3)
    assert sum(build.waits) == pytest.approx(TURN_PATIENCE, abs=INTERVAL)
    assert build.own().mode == "joining"


def test_after_a_cut_transfer_its_sender_is_given_time(build: Build) -> None:
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - -")]
    build.script = [None]
    build.options()
    assert build.waits == []
    build.data.cut = True
    build.options()
    assert build.waits == [SENDER_PATIENCE]


def test_a_vote_of_the_former_run_still_binds(build: Build) -> None:
    build.store.save_vote(Ballot("b0", "7"))
    build.serf.others = [other("waiting empty - c0/7 - -", "c"), other("waiting empty - d0/7 - -", "d")]
    build.script = [None, None]
    with pytest.raises(AssertionError, match="'b0', for which this node has voted"):
        build.options(3)
    assert build.store.vote() == Ballot("b0", "7")


def test_the_position_is_given_to_the_server(build: Build) -> None:
    build.data = FakeData(Position(DATA, UUID, 42))
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - -")]
    assert f"--wsrep-start-position={UUID}:42" in build.options()


@pytest.mark.parametrize(
    ("position", "view", "seen"),
    [
        (Position(DATA, UUID, 5), View(UUID, {"aa": "a", "bb": "b"}), {"aa", "bb"}),
        (Position(DATA, UUID, 5), View("another", {"aa": "a"}), set()),
        (Position(DATA, UUID, 5), View(), set()),
        (Position(DATA, UUID, 5, last=True), View(UUID, {"aa": "a"}), {"self"}),
        (Position(EMPTY), View(UUID, {"aa": "a"}), {"aa"}),
    ],
)
def test_the_view_that_counts(build: Build, position: Position, view: View, seen: set[str]) -> None:
    build.data = FakeData(position)
    build.store.save_view(view)
    build.serf.others = [other("unknown")]
    with pytest.raises(AssertionError):
        build.options()
    assert build.own().view == {build.store.identity() if id == "self" else id for id in seen}


def test_foreign_data_are_refused_and_told_as_an_error(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    build.data = FakeData(Position(FOREIGN))
    build.script = [None, None]
    with pytest.raises(AssertionError):
        build.options()
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "outside any cluster: it stays untouched, and this node waits for the operator" in record.getMessage()
    assert build.data.done == []


def test_an_agent_that_is_away_is_waited_for(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    build.serf.away = 2
    build.script = [None, None, None]
    assert "--wsrep-new-cluster" in build.options()
    assert caplog.text.count("waiting for this node's Serf agent") == 1


@pytest.mark.parametrize(("order", "new_history"), [(BEGIN_ORDER, False), (LOSS_ORDER, True)])
def test_the_operators_order(build: Build, order: str, new_history: bool) -> None:
    build.data = FakeData(Position(DATA, UUID, 5))
    build.store.save_view(View(UUID, {"gone": "gone"}))
    build.script = [lambda: build.store.give_order(order)]
    options = build.options(3)
    assert options[-1] == "--wsrep-new-cluster"
    assert (f"--wsrep-start-position={UUID}:5" in options) is not new_history
    assert build.data.done == [("begin", DATA, new_history)]
    assert build.store.order() is None


def test_no_order_begins_a_cluster_that_serves(build: Build) -> None:
    build.store.give_order(LOSS_ORDER)
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - -")]
    assert "--wsrep-new-cluster" not in build.options()
    assert build.store.order() is None


def test_what_the_run_before_said_is_taken_back_before_a_recovery(build: Build) -> None:
    build.store.publish(Node("aa", WAITING, EMPTY))

    class Recovering(FakeData):
        def position(self) -> Position:
            assert build.store.published() is None
            return super().position()

    build.data = Recovering(Position(EMPTY))
    build.script = [None]
    build.options()


def test_the_addresses_are_never_an_empty_list() -> None:
    # Galera takes that for an order to begin.
    node = Node("aa", WAITING, EMPTY, name="x", host="fd00::1")
    assert "--wsrep-cluster-address=gcomm://[fd00::1]" in server_options("shop", node, ())


def test_names_that_galera_would_take_apart() -> None:
    assert node_name(Node("aa", WAITING, EMPTY, name="a/b,c.d")) == "a_b_c_d.aa"


def test_our_options_stand_before_the_owners_and_behind_the_file_of_defaults() -> None:
    assert _inserted(["mariadbd", "--x"], ["--ours"]) == ["mariadbd", "--ours", "--x"]
    assert _inserted(["mariadbd", "--defaults-file=f", "--x"], ["--ours"])[1] == "--defaults-file=f"


def test_a_tag_that_is_true_is_not_set_again(build: Build) -> None:
    build.serf.others = [other("unknown")]
    build.script = [lambda: build.serf.tags.update(cluster="other")]
    with pytest.raises(AssertionError):
        build.options()
    assert build.serf.tags["cluster"] == "shop"
    assert encode(build.own()) == build.serf.tags["galera"]


def test_a_tag_that_serf_may_have_told_nobody_is_set_again(build: Build) -> None:
    # It changes it first, waits for the gossip then, and may time out.
    build.serf.others = [other("unknown")]
    build.serf.untold = {1}
    build.script = [None, None, None]
    with pytest.raises(AssertionError):
        build.options()
    assert build.serf.sets == 2
