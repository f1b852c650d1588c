"""What the operator asks for: that databases move, are given up, or are waited for."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from dbhandler.directory import moves_sql
from dbhandler.directory.move import Step
from dbhandler.directory.moves import Moves
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.pool import moves_cli
from dbhandler.pool.moving import PoolMoves
from dbhandler.requests.where import Where
from tests.support.directories import FakeLink, Tables, member, standing
from tests.support.fakes import Clock
from tests.support.moves import move


class World:
    """The servers a, with three databases, and b, with one; trio is a cluster."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.tables = clock, Tables(clock)
        self.link = FakeLink(
            self.tables,
            [member("a"), member("b"), replace(member("t", cluster="trio"), name="t1"), member("down", mysql="")],
        )
        self.tables.give("a", "shop", "wiki", "blog")
        self.tables.give("b", "mail")
        self.tables.give("trio", "many")
        self.tables.tell(*(standing(name, version="11.8.3") for name in ("a", "b", "trio", "down")))
        self.rows = Moves(self.tables)  # type: ignore[arg-type]

    @property
    def pool(self) -> PoolMoves:
        return PoolMoves(self.link)  # type: ignore[arg-type]

    def asked(self) -> list[tuple[str, str, str]]:
        return sorted((one.name, one.source, one.target) for one in self.rows.all())


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)


def test_a_move_is_asked_for_as_it_was_told(world: World) -> None:
    assert world.pool.move("shop", "node-b", 60) == ["shop"]
    [row] = world.rows.all()
    assert (row.source, row.target, row.keep, row.step, row.is_back) == ("a", "b", 60, Step.WAITING, False)
    # A server has three names: its member's, what it has told, and its identity.
    assert world.pool.move("wiki", "b", 0) == ["wiki"] and world.pool.move("blog", "t1", 0) == ["blog"]


@pytest.mark.parametrize(
    ("name", "node", "sentence"),
    [
        ("nobody", "node-b", "there is no database 'nobody' in the directory"),
        ("shop", "node-x", "the directory knows no server 'node-x'"), ("shop", "node-a", "on 'node-a' already"),
        ("many", "node-a", "a node of a cluster"), ("Shop", "node-b", "no database 'Shop'"),
        ("shop", "", "no server ''"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_not_asked_for(world: World, name: str, node: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        world.pool.move(name, node, 0)
    assert world.asked() == []


def test_nothing_moves_to_who_is_not_ready(world: World) -> None:
    with pytest.raises(Unavailable, match="not ready"):
        world.pool.move("shop", "node-down", 0)
    assert world.asked() == []


def test_a_name_moves_once_at_a_time(world: World) -> None:
    world.pool.move("shop", "node-b", 0)
    with pytest.raises(Denied, match="has a move already, which is waiting"):
        world.pool.move("shop", "t1", 0)


def switched(world: World, keep: int = 60) -> None:
    world.rows.ask(move(keep=keep))
    row = world.rows.all()[0]
    assert world.rows.step(row, Step.STOPPED, "", (Step.WAITING,)) and world.rows.switch(row, "0-2-5")


def test_what_has_moved_goes_back_while_it_is_kept_and_nowhere_else(world: World) -> None:
    switched(world)
    world.clock.advance(20)
    with pytest.raises(Denied, match="node-a keeps what it had for 40 s more: until then it can only go back there"):
        world.pool.move("shop", "t1", 0)
    assert world.pool.move("shop", "node-a", 0) == ["shop"]
    [row] = world.rows.all()
    assert (row.source, row.target, row.is_back, row.position) == ("b", "a", True, "0-2-5")


def test_what_is_kept_no_longer_does_not_go_back(world: World) -> None:
    switched(world, keep=60)
    world.clock.advance(60)
    with pytest.raises(Denied):
        world.pool.move("shop", "node-a", 0)
    assert world.tables.move() is not None and world.rows.all()[0].step is Step.SWITCHED


# --- several ---


def test_a_drained_server_gets_nothing_new_and_gives_all(world: World) -> None:
    assert sorted(world.pool.drain("node-a", None, 60)) == ["blog", "shop", "wiki"]
    assert world.tables.drained == {"a"} and len(world.asked()) == 3
    assert {target for _, _, target in world.asked()} <= {"b", "trio"}
    world.pool.end_drain("node-a")
    assert world.tables.drained == set() and len(world.asked()) == 3


def test_a_drain_that_was_cut_short_goes_on(world: World) -> None:
    world.rows.ask(move())
    assert sorted(world.pool.drain("node-a", None, 60)) == ["blog", "shop", "wiki"]
    assert len(world.asked()) == 3
    assert sorted(world.pool.drain("node-a", None, 60)) == ["blog", "shop", "wiki"]


def test_where_it_drains_to_may_be_told_but_not_the_engine(world: World) -> None:
    world.tables.tell(standing("b", version="11.8.3", labels=frozenset({"ssd"})))
    world.pool.drain("node-a", Where(labels=frozenset({"ssd"}), engine="mysql"), 0)
    assert {target for _, _, target in world.asked()} == {"b"}


def test_a_drain_without_room_asks_for_nothing_but_no_new_ones(world: World) -> None:
    with pytest.raises(Denied, match="ssd"):
        world.pool.drain("node-a", Where(labels=frozenset({"ssd"})), 0)
    assert world.asked() == [] and world.tables.drained == {"a"}


def test_a_drain_of_what_may_only_go_back_asks_for_nothing(world: World) -> None:
    switched(world)
    before = world.asked()
    world.tables.tell(standing("trio", version="11.8.3", labels=frozenset({"ssd"})))
    with pytest.raises(Denied, match="until then it can only go back there"):
        world.pool.drain("node-b", Where(labels=frozenset({"ssd"})), 0)
    assert world.asked() == before


def test_a_cluster_is_not_drained(world: World) -> None:
    with pytest.raises(InvalidRequest, match="a node of a cluster"):
        world.pool.drain("t1", None, 0)
    assert world.tables.drained == set() and world.asked() == []


def test_rebalanced_twice_nothing_more_moves(world: World) -> None:
    world.tables.give("a", *(f"n{number}" for number in range(9)))
    first = world.pool.rebalance(0)
    assert len(first) > 4 and world.pool.rebalance(0) == []
    assert {source for _, source, _ in world.asked()} == {"a"}


# --- given up, waited for ---


@pytest.mark.parametrize("step", Step)
def test_what_has_not_switched_is_given_up(world: World, step: Step) -> None:
    world.rows.ask(move())
    world.rows.step(world.rows.all()[0], step, "", (Step.WAITING,))
    if step in (Step.SWITCHED, Step.DONE, Step.FAILED):
        with pytest.raises(InvalidRequest, match=f"nothing moves 'shop': that is {step}"):
            world.pool.cancel("shop")
    else:
        world.pool.cancel("shop")
        assert (world.rows.all()[0].step, world.rows.all()[0].why) == (Step.UNDOING, "the operator has given it up")


def test_what_nobody_moves_is_not_given_up(world: World) -> None:
    with pytest.raises(InvalidRequest, match="nothing moves 'shop'"):
        world.pool.cancel("shop")


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ((Step.SWITCHED, Step.DONE), os.EX_OK), ((Step.SWITCHED, Step.FAILED), os.EX_UNAVAILABLE),
        ((Step.DONE, None), os.EX_UNAVAILABLE),
    ],
)  # fmt: skip
def test_all_are_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, steps: tuple[Step, Step | None], status: int
) -> None:
    later = dict(zip(("shop", "wiki"), steps, strict=True))
    for name in later:
        world.rows.ask(move(name=name, attempt=name))

    def pass_by(_seconds: float) -> None:
        name, step = later.popitem()
        row = world.rows.of(name)
        assert row is not None
        if step is None:
            # Its server was forgotten.
            row = replace(row, step=Step.FAILED)
            world.rows.step(row, Step.FAILED, "", (Step.WAITING,))
            world.tables.rows.execute(moves_sql.forget_over(name))
        else:
            world.rows.step(row, step, "", (Step.WAITING,))

    monkeypatch.setattr(time, "sleep", pass_by)
    told = list[str]()
    assert world.pool.waited(["shop", "wiki"], told.append) == status
    assert told[:2] == ["'shop' from node-a to node-b: waiting", "'wiki' from node-a to node-b: waiting"]
    assert len(told) == len(set(told)) and later == {}


# --- the command line ---


def run(world: World, *argv: str) -> int:
    return moves_cli.carry_out(argv, world.pool)


def test_the_commands_do_what_they_say(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, "move", "shop", "--to", "node-b", "--keep", "2h", "--no-wait") == os.EX_OK
    assert world.rows.all()[0].keep == 7200
    assert run(world, "move", "shop", "--cancel") == os.EX_OK and world.rows.all()[0].step is Step.UNDOING
    assert run(world, "drain", "node-a", "--no-wait", "--keep", "0") == os.EX_OK and world.tables.drained == {"a"}
    assert {one.keep for one in world.rows.all()} == {7200, 0}
    assert run(world, "drain", "node-a", "--end") == os.EX_OK and world.tables.drained == set()
    assert capsys.readouterr().out == ""


def test_that_nothing_is_to_be_moved_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, "rebalance", "--no-wait") == os.EX_OK and len(world.asked()) == 1
    assert capsys.readouterr().out == ""
    assert run(world, "rebalance") == os.EX_OK and len(world.asked()) == 1
    assert capsys.readouterr().out == "nothing is to be moved\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["move", "shop"], ["move"], ["move", "shop", "--to"], ["move", "shop", "--to", "node-b", "--keep", "-1h"],
        ["move", "shop", "--to", "node-b", "--keep", "x"], ["drain"], ["drain", "node-a", "--where", "s d;"],
        ["rebalance", "x"], ["dance"],
    ],
)  # fmt: skip
def test_another_usage_changes_nothing(world: World, argv: list[str]) -> None:
    # What the parser refuses ends at once.
    with pytest.raises((InvalidRequest, SystemExit)):
        run(world, *argv)
    assert world.asked() == [] and world.tables.drained == set()


def test_what_has_failed_is_the_exit_status(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_seconds: float) -> None:
        world.rows.step(world.rows.all()[0], Step.FAILED, "no", (Step.WAITING,))

    monkeypatch.setattr(time, "sleep", fail)
    assert run(world, "move", "shop", "--to", "node-b") == os.EX_UNAVAILABLE
