"""How a member of a MySQL group begins, joins, and finds out that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.group.decision import Action
from dbhandler.group.engine import Position
from dbhandler.group.node import UUID, Holds, Mode, Node
from dbhandler.group.replication.gtid import GtidSet
from dbhandler.group.replication.orders import Order, Orders
from dbhandler.group.replication.peers import Done
from dbhandler.group.replication.starting import PATIENCE, PAUSE, ReplicationStarting
from dbhandler.group.store import GroupStore, View
from dbhandler.group.transactions import Transactions
from dbhandler.settings.config import Config
from dbhandler.trust.secret import new_secret
from dbhandler.volume import belonging, tls
from dbhandler.volume.belonging import Belonging
from tests.support.fakes import Clock
from tests.support.group_nodes import HISTORY, node

EMPTY, DATA, FOREIGN, LEFT = Holds
ME = node("aaaaaaaa")
SERVES = node("bbbbbbbb", mode=Mode.SYNCED, holds=DATA, uuid=HISTORY, view=frozenset({"bbbbbbbb", "dddddddd"}))


class FakeData:
    """Notes what is done with the data directory."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.transactions = GtidSet()
        self.refusal: DbHandlerError | None = None

    def fill(self, certify: Callable[[], None], enter: Callable[[], None]) -> None:
        certify()
        enter()
        self.done.append("filled")

    def take(self, donors: Sequence[Node], password: str, certify: Callable[[], None], uuid: str) -> None:
        if self.refusal:
            raise self.refusal
        certify()
        self.done.append(("taken", [donor.name for donor in donors], password))

    def finish(self) -> None:
        self.done.append("finished")

    def name_server(self, uuid: str) -> None:
        self.done.append(uuid[:8])


class FakePeers:
    """What the others say that they have done, by name."""

    password = 1

    def __init__(self) -> None:
        self.sets: dict[str, str] = {}
        self.purged: dict[str, str] = {}

    def transactions(self, peer: Node) -> Done:
        if peer.name not in self.sets:
            raise Unavailable("it does not answer")
        return Done(GtidSet.parse(self.sets[peer.name]), GtidSet.parse(self.purged.get(peer.name, "")))

    def word(self) -> str:
        return "the password"


class Made:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
        self.path, state = folder / "data", folder / "state"
        for made in (self.path, state):
            made.mkdir()
        self.config = Config.from_environ({
            "DBHANDLER_ENGINE": "mysql", "DBHANDLER_CLUSTER": "shop", "DBHANDLER_POOL_SECRET": new_secret(),
            "DBHANDLER_DATA_DIR": str(self.path), "DBHANDLER_STATE_DIR": str(state), "DBHANDLER_RUN_DIR": str(folder),
        })  # fmt: skip
        assert self.config.group
        self.data, self.peers, self.clock = FakeData(), FakePeers(), clock
        self.store, self.orders, self.waits = GroupStore(state, folder), Orders(folder), list[float]()
        self.engine = ReplicationStarting(
            self.config.group, self.config, self.data, self.store, self.peers, self.orders, clock,  # type: ignore[arg-type]
            self.waits.append,
        )  # fmt: skip
        monkeypatch.setattr(tls, "ensure_keys", lambda _engine, _path: None)
        monkeypatch.setattr(self.engine, "_certify", lambda of: self.data.done.append(f"certified {of.name}"))

    def order(self) -> Order | None:
        command, environ = self.engine.launch(["mysqld"], "10.0.0.1")
        assert (command, environ) == (["mysqld"], {})
        return self.orders.take()


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Made:
    return Made(tmp_path, monkeypatch, clock)


def name_in(options: Sequence[str]) -> str:
    [name] = [option.partition("=")[2] for option in options if "group-name" in option]
    return name


def test_an_empty_one_begins_a_history_of_its_own(made: Made) -> None:
    history = name_in(made.engine.begin(ME, Position(EMPTY), new_history=False))
    assert UUID.fullmatch(history) and history != name_in(made.engine.begin(ME, Position(EMPTY), new_history=False))
    assert made.data.done[:3] == ["certified db-aaaaaaaa", "filled", "aaaaaaaa"]
    assert made.order() == Order(begins=True)


def test_what_stands_in_the_volumes_of_who_begins(made: Made) -> None:
    history = name_in(made.engine.begin(ME, Position(EMPTY), new_history=False))
    assert belonging.read(made.path) == Belonging("shop", history=history, fresh="1")
    assert made.store.view() == View(history, {"aaaaaaaa": "db-aaaaaaaa"})


def test_one_with_data_goes_on_with_its_history_and_its_view(made: Made) -> None:
    made.store.save_view(View(HISTORY, {"cccccccc": "c"}))
    options = made.engine.begin(ME, Position(DATA, HISTORY, Transactions.up_to(5)), new_history=False)
    assert name_in(options) == HISTORY
    assert belonging.read(made.path) == Belonging("shop", history=HISTORY)
    assert made.store.view().ids == {"cccccccc"}
    assert "filled" not in made.data.done


@pytest.mark.parametrize(("holds", "new_history"), [(DATA, True), (FOREIGN, False), (LEFT, False)])
def test_nobody_takes_another_history_for_the_former(made: Made, holds: Holds, new_history: bool) -> None:
    history = name_in(made.engine.begin(ME, Position(holds, HISTORY, Transactions.up_to(5)), new_history))
    assert history != HISTORY
    assert belonging.read(made.path) == Belonging("shop", history=history)
    assert made.store.view().ids == {"aaaaaaaa"}
    assert "filled" not in made.data.done


def test_an_empty_one_takes_all_data_of_those_who_serve(made: Made) -> None:
    options = made.engine.join(ME, Position(EMPTY), [SERVES])
    assert made.data.done == ["certified db-aaaaaaaa", ("taken", ["db-bbbbbbbb"], "the password"), "finished"]
    assert name_in(options) == HISTORY
    assert belonging.read(made.path) == Belonging("shop", history=HISTORY)
    assert made.order() == Order(begins=False, password=1)
    # Killed in the next moment, they all know whom to wait for.
    assert made.store.view().names == {"aaaaaaaa": "db-aaaaaaaa", "bbbbbbbb": "db-bbbbbbbb", "dddddddd": "dddddddd"}


def test_one_with_data_gets_what_it_has_missed(made: Made) -> None:
    made.engine.join(ME, Position(DATA, HISTORY, Transactions.up_to(5)), [SERVES])
    assert made.data.done == ["certified db-aaaaaaaa", "aaaaaaaa"]


@pytest.mark.parametrize(("purged", "anew"), [("1-5", False), ("1-6", True)])
def test_one_that_was_away_for_too_long_takes_all_data_anew(made: Made, purged: str, anew: bool) -> None:
    made.data.transactions = GtidSet.parse(f"{HISTORY}:1-5")
    made.peers.sets = {"db-bbbbbbbb": f"{HISTORY}:1-9"}
    made.peers.purged = {"db-bbbbbbbb": f"{HISTORY}:{purged}"}
    assert made.engine.obstacle(ME, [SERVES]) is None
    made.engine.join(ME, Position(DATA, HISTORY, Transactions.up_to(5)), [SERVES])
    assert ("finished" in made.data.done) is anew


def test_data_that_were_used_outside_make_room(made: Made) -> None:
    (made.path / "ibdata1").write_text("data")
    made.engine.join(ME, Position(LEFT), [SERVES])
    assert not (made.path / "ibdata1").exists()
    assert [path.read_text() for path in made.path.rglob("ibdata1")] == ["data"]


def test_whom_nobody_gives_their_data_does_not_try_again_at_once(made: Made) -> None:
    made.data.refusal = Unavailable("it does not answer")
    with pytest.raises(Unavailable):
        made.engine.join(ME, Position(EMPTY), [SERVES])
    assert made.waits == [PAUSE]


def test_the_way_to_the_others_data_comes_first(made: Made) -> None:
    found = made.engine.obstacle(ME, [SERVES])
    assert found and (found.action, found.reason) == (
        Action.WAIT, "waiting for 'db-bbbbbbbb' to let this node in: it does not answer",
    )  # fmt: skip
    made.peers.sets = {"db-bbbbbbbb": f"{HISTORY}:1-7"}
    assert made.engine.obstacle(ME, [SERVES]) is None


def test_who_holds_what_the_others_do_not_is_refused_and_both_sets_are_named(made: Made) -> None:
    made.data.transactions = GtidSet.parse(f"{HISTORY}:1-9")
    made.peers.sets = {"db-bbbbbbbb": f"{HISTORY}:1-7:20-30"}
    found = made.engine.obstacle(ME, [SERVES])
    assert found and found.action == Action.WAIT, "they may do it in the next moment"
    made.clock.advance(PATIENCE)
    found = made.engine.obstacle(ME, [SERVES])
    assert found and found.action == Action.REFUSE
    assert f"'db-bbbbbbbb' do not: {HISTORY}:8-9 (here {HISTORY}:1-9, there {HISTORY}:1-7:20-30)" in found.reason
    assert "DBHANDLER_LEAVE_CLUSTER=shop" in found.reason
    assert made.data.done == [], "what it holds stays as it is"


def test_one_that_does_not_answer_holds_nobody_up_and_may_have_what_the_others_do_not(made: Made) -> None:
    silent = node("cccccccc")
    made.peers.sets = {"db-bbbbbbbb": f"{HISTORY}:1-7"}
    assert made.engine.obstacle(ME, [silent, SERVES]) is None
    made.data.transactions = GtidSet.parse(f"{HISTORY}:1-9")
    for _ in range(2):
        found = made.engine.obstacle(ME, [silent, SERVES])
        assert found and found.action == Action.WAIT
        made.clock.advance(PATIENCE)


def test_what_one_of_the_others_has_is_theirs(made: Made) -> None:
    made.data.transactions = GtidSet.parse(f"{HISTORY}:1-9")
    made.peers.sets = {"db-bbbbbbbb": f"{HISTORY}:1-7", "db-cccccccc": f"{HISTORY}:1-5:8-9"}
    assert made.engine.obstacle(ME, [SERVES, node("cccccccc")]) is None
