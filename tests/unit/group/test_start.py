"""From what Serf says to the server's command line, against a Serf and a data directory that record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.group.decision import Action, Decision
from dbhandler.group.engine import Position
from dbhandler.group.galera.notify import view_of
from dbhandler.group.galera.options import node_name, provider_options, server_options, transfer_environment
from dbhandler.group.galera.starting import SENDER_PATIENCE, GaleraStarting
from dbhandler.group.node import Ballot, Holds, Mode, Node, decode, encode
from dbhandler.group.start import INTERVAL, TURN_PATIENCE, Starter
from dbhandler.group.store import BEGIN_ORDER, LOSS_ORDER, GroupStore, View
from dbhandler.group.transactions import Transactions
from dbhandler.group.trusted import PATIENCE, TrustedNodes
from dbhandler.serf.members import MAX_TAG, Member
from dbhandler.serf.proof import Believer
from dbhandler.settings.pool import GroupSettings
from dbhandler.trust.pool import Pool
from tests.support.fakes import Clock
from tests.support.pools import CHANGING, NEXT, OURS, THEIRS, proven

WAITING = Mode.WAITING
EMPTY, DATA, FOREIGN, LEFT = Holds

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

    def set_tags(self, tags: Tags, surplus: Sequence[str] = ()) -> None:
        self.tags = {name: text for name, text in {**self.tags, **tags}.items() if name not in surplus}
        self.sets += 1
        if self.sets in self.untold:
            raise Unavailable("timeout waiting for update broadcast")

    def close(self) -> None:
        pass


class FakeData:
    """A data directory at a position; `done` records what was prepared."""

    def __init__(self, position: Position) -> None:
        self._position, self.done, self.cut = position, list[tuple[object, ...]](), False

    def position(self) -> Position:
        return self._position

    def transfer_was_cut(self) -> bool:
        return self.cut

    def prepare_to_begin(self, holds: str, new_history: bool = False) -> None:
        self.done.append(("begin", holds, new_history))

    def prepare_to_join(self, holds: str) -> None:
        self.done.append(("join", holds))


class Build:
    """Makes the Starter under test; each of its waits, which it notes, carries out the next step of `script`."""

    def __init__(self, folder: Path) -> None:
        self.store, self.serf, self.data = GroupStore(folder, folder), FakeSerf(), FakeData(Position(EMPTY))
        self.script: list[object] = []
        self.waits: list[float] = []
        self.pool: Pool | None = None
        self.numbered = False
        self.obstacles: list[Decision] = []
        self.clock = Clock()

    def options(self, size: int = 1) -> list[str]:
        settings = GroupSettings("shop", size)
        engine = GaleraStarting("shop", self.data, self._enter, numbered=self.numbered)  # type: ignore[arg-type]
        engine.obstacle = lambda *_: self.obstacles.pop(0) if self.obstacles else None  # type: ignore[method-assign]
        starter = Starter(
            settings, self.store, engine, self.serf.connect, self._wait, self.pool,  # type: ignore[arg-type]
        )  # fmt: skip
        starter._nodes = TrustedNodes("shop", self.pool.ids if self.pool else (), self.clock)
        return starter.options()

    def _enter(self) -> None:
        self.data.done.append(("entered",))

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)
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


def test_nodes_of_another_engine_keep_it_from_beginning_while_they_are_there(build: Build) -> None:
    said = encode(Node("a", WAITING, EMPTY))
    wrong = Member("db2", "10.0.0.2", 7946, "alive", {
        "role": "db", "cluster": "shop", "galera": said, "engine": "mysql",
    })  # fmt: skip
    build.serf.others = [wrong]

    def gone() -> None:
        assert build.own().mode == WAITING and "'db2' of a cluster of this name: mysql" in str(build.store.published())
        build.serf.others = []

    build.script = [None, gone, None, None]
    assert build.options()[-1] == "--wsrep-new-cluster"
    assert build.serf.tags["engine"] == "mariadb" and len(build.waits) > 2


def test_an_empty_node_that_is_expected_to_be_alone_begins(build: Build) -> None:
    build.script = [None]
    options = build.options()
    assert options[-1] == "--wsrep-new-cluster"
    assert build.data.done == [("begin", EMPTY, False), ("entered",)]
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
    assert build.data.done == [("join", EMPTY), ("entered",)]
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


def test_what_the_engine_finds_in_the_way_is_told_and_goes_by(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - -")]
    build.obstacles = [Decision(Action.WAIT, "waiting for db2"), Decision(Action.REFUSE, "it holds more")]
    build.script = [lambda: None, lambda: None]
    assert "--wsrep-cluster-address=gcomm://10.0.0.2" in build.options()
    assert "cluster 'shop': waiting for db2" in caplog.text
    assert "it holds more: it stays untouched" in caplog.text
    assert len(build.waits) == 2


def test_one_that_never_reaches_the_group_is_not_waited_for_for_ever(build: Build) -> None:
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - b0", "a"), other("joining empty - c0/7 - -", "c")]
    build.script = [None] * 100
    build.options(3)
    # One look more than fits in, at most. Counted: sums of floats differ between Pythons.
    assert set(build.waits) == {INTERVAL}
    assert 0 <= len(build.waits) - round(TURN_PATIENCE / INTERVAL) <= 1
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
    build.data = FakeData(Position(DATA, UUID, Transactions.up_to(42)))
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - -")]
    assert f"--wsrep-start-position={UUID}:42" in build.options()


@pytest.mark.parametrize(
    ("position", "view", "seen"),
    [
        (
            Position(DATA, UUID, Transactions.up_to(5)),
            View(UUID, {"aaaaaaaa": "a", "bbbbbbbb": "b"}),
            {"aaaaaaaa", "bbbbbbbb"},
        ),
        (Position(DATA, UUID, Transactions.up_to(5)), View("another", {"aaaaaaaa": "a"}), set()),
        (Position(DATA, UUID, Transactions.up_to(5)), View(), set()),
        (Position(DATA, UUID, Transactions.up_to(5), last=True), View(UUID, {"aaaaaaaa": "a"}), {"self"}),
        (Position(EMPTY), View(UUID, {"aaaaaaaa": "a"}), {"aaaaaaaa"}),
    ],
)
def test_the_view_that_counts(build: Build, position: Position, view: View, seen: set[str]) -> None:
    build.data = FakeData(position)
    build.store.save_view(view)
    build.serf.others = [other("unknown")]
    with pytest.raises(AssertionError):
        build.options()
    assert build.own().view == {build.store.identity() if id == "self" else id for id in seen}


def test_data_that_were_used_outside_make_room_for_the_clusters(build: Build) -> None:
    build.data = FakeData(Position(LEFT))
    build.serf.others = [other("waiting data x:0 b0/0 - -")]

    def serves() -> None:
        assert build.own().holds == LEFT
        build.serf.others = [other(f"synced data {UUID}:0 b0/0 - b0", "a")]

    build.script = [serves]
    options = build.options(3)
    assert not any("start-position" in option for option in options)
    assert build.data.done == [("join", LEFT), ("entered",)]


def test_the_group_is_listened_to_at_the_nodes_own_address_alone() -> None:
    assert provider_options("127.0.0.1").endswith(";gmcast.listen_addr=tcp://127.0.0.1:4567;ist.recv_bind=127.0.0.1")
    assert transfer_environment("127.0.0.1") == {"WSREP_SST_BIND": ",bind=127.0.0.1"}
    # An address that only leads here.
    assert "listen_addr" not in provider_options("192.0.2.1")
    assert transfer_environment("192.0.2.1") == {}


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
    build.data = FakeData(Position(DATA, UUID, Transactions.up_to(5)))
    build.store.save_view(View(UUID, {"gone": "gone"}))
    build.script = [lambda: build.store.give_order(order)]
    options = build.options(3)
    assert options[-1] == "--wsrep-new-cluster"
    assert (f"--wsrep-start-position={UUID}:5" in options) is not new_history
    assert build.data.done == [("begin", DATA, new_history), ("entered",)]
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
    long = node_name(Node("0123abcd", WAITING, EMPTY, name="database-of-the-warehouse-1"))
    assert len(long) == 31 and view_of({"--primary": "yes", "--members": f"88338511-2/{long}/10.0.0.1"}) == View(
        "", {"0123abcd": "database-of-the-wareho"}
    )


def test_the_changes_are_numbered_where_logs_are_written(build: Build) -> None:
    for build.numbered in (False, True):
        build.script = [None] * 2
        assert any("gtid" in option for option in build.options()) is build.numbered
    build.script = [None] * 2
    own = int(build.store.identity(), 16)
    assert {"--wsrep-gtid-mode=ON", f"--gtid-domain-id={own}"} < set(build.options())


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


# --- nodes with a secret in common ---


def test_what_a_node_of_a_pool_says_is_proven(build: Build) -> None:
    build.pool = OURS
    build.script = [None]
    build.options()
    [me] = build.serf.members()
    assert me.tags["galera"].startswith("beginning") and Believer([OURS.id]).is_proven(me)


def test_a_node_without_a_pool_proves_nothing_and_takes_back_what_it_proved(build: Build) -> None:
    build.serf.tags["proof"] = "of a former run"
    build.script = [None]
    build.options()
    assert set(build.serf.tags) == {"role", "cluster", "galera", "engine"}


def test_a_proof_that_has_no_room_any_more_does_not_keep_its_room(build: Build) -> None:
    # Serf refuses tags that are too long: the node could not say anything at all.
    build.pool = NEXT
    build.serf.tags |= {"was": "x" * 180, "proof": "y" * 96, "proof1": "z" * 96}
    build.script = [None]
    build.options()
    assert set(build.serf.tags) == {"role", "was", "cluster", "galera", "engine", "proof"}
    assert sum(len(name) + len(text) + 4 for name, text in build.serf.tags.items()) <= MAX_TAG


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_a_serving_node_that_proves_nothing_is_not_joined(build: Build, pool: Pool | None) -> None:
    build.pool = OURS
    rogue = other(f"synced data {UUID}:0 b0/0 - -", "a")
    build.serf.others = [proven(rogue, pool) if pool else rogue]
    patient = round(PATIENCE / INTERVAL) + 3
    build.script = [None] * patient
    options = build.options()
    # It is none of the cluster: this node is alone, and begins.
    assert options[-1] == "--wsrep-new-cluster" and not any("10.0.0.2" in option for option in options)
    assert build.data.done == [("begin", EMPTY, False), ("entered",)]
    # But not before an agent would have proved what its node says.
    assert PATIENCE <= len(build.waits) * INTERVAL <= PATIENCE + 3 * INTERVAL


@pytest.mark.parametrize("pool", [OURS, CHANGING])
def test_a_serving_node_that_proves_it_is_joined_at_once_and_alone(build: Build, pool: Pool) -> None:
    build.pool = OURS
    rogue = Member("x", "10.0.0.6", 7946, "alive", other(f"synced data {UUID}:0 c0/0 - -").tags)
    build.serf.others = [rogue, proven(other(f"synced data {UUID}:0 b0/0 - -", "a"), pool)]
    options = build.options(3)
    assert "--wsrep-cluster-address=gcomm://10.0.0.2" in options
    assert build.data.done == [("join", EMPTY), ("entered",)]


def test_a_serving_node_that_proves_it_a_little_later_is_joined_and_nothing_begun(build: Build) -> None:
    def proves() -> None:
        assert build.own().mode == WAITING
        build.serf.others = [proven(build.serf.others[0])]

    build.pool = OURS
    build.serf.others = [other(f"synced data {UUID}:0 b0/0 - -", "a")]
    build.script = [*[None] * round((PATIENCE - 1) / INTERVAL), proves]
    assert "--wsrep-new-cluster" not in build.options()
    assert build.data.done == [("join", EMPTY), ("entered",)]


@pytest.mark.parametrize(
    "tag",
    ["waiting empty - b0/7 - -", f"waiting data {UUID}:9 b0/7 - b0", f"nonprimary data {UUID}:9 b0/7 - -", "unknown"],
)
@pytest.mark.parametrize("status", ["alive", "failed"])
def test_a_rogue_keeps_an_empty_cluster_from_beginning_for_a_while_only(build: Build, tag: str, status: str) -> None:
    build.pool = OURS
    build.serf.others = [other(tag, "a", status)]
    build.script = [None] * (round(PATIENCE / INTERVAL) + 3)
    assert build.options()[-1] == "--wsrep-new-cluster"
    assert len(build.waits) * INTERVAL >= PATIENCE


def test_a_rogue_s_vote_is_none(build: Build) -> None:
    build.pool = OURS
    vote = other(f"waiting empty - b0/7 {build.store.identity()}/1 -", "b")
    build.serf.others = [vote]
    build.script = [None] * (round(PATIENCE / INTERVAL) + 10)
    with pytest.raises(AssertionError, match=r"it waits for ever: .*1 of 2 are there"):
        build.options(2)
