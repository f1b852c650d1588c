"""A whole move between two servers in memory: cut short at each statement it makes, and raced with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dbhandler.directory.move import MOST_TRIES, Step
from dbhandler.directory.moves import Moves
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.moving import giving
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.move_table import COMING, GONE, STOPPED, Marker, MoveTable
from dbhandler.requests.vocabulary import Role
from tests.support.moves import Killed, Login, Machine, World, belongings_of, move

Making = Callable[..., World]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Making:
    def made(**asked: Any) -> World:
        return World(monkeypatch, **asked)

    return made


@pytest.fixture
def world(make: Making) -> World:
    return make()


def put(machine: Machine, side: str, attempt: str = "1", **kept: Any) -> None:
    MoveTable(machine).put(Marker("shop", side, attempt, "node", kept))  # type: ignore[arg-type]


def accounts(machine: Machine) -> list[str]:
    return sorted(user for user, login in machine.logins.items() if login.database in ("shop", ""))


def is_at(world: World, holder: Machine, other: Machine) -> None:
    """shop is there alone, everybody gets in, and nothing is left to be done."""
    world.check()
    assert world.holder() == holder.name
    assert holder.serves("shop") and holder.marker() is None
    assert accounts(holder) == ["owner", "reader"] and not any(login.locked for login in holder.logins.values())
    assert not other.serves("shop")


def test_a_database_moves_and_what_was_there_is_kept_for_a_while(world: World) -> None:
    world.settle()
    is_at(world, world.b, world.a)
    assert world.step() is Step.SWITCHED and world.b.events == ["CREATE EVENT `ev` DO SELECT 1"]
    kept = world.a.marker()
    assert kept is not None and kept.side == GONE and "shop" in world.a.databases
    assert all(world.a.logins[user].locked for user in ("owner", "reader"))
    world.clock.advance(3600)
    world.settle()
    assert world.step() is Step.DONE
    assert (world.a.databases, world.a.markers, accounts(world.a)) == ({"shop2"}, {}, [])
    is_at(world, world.b, world.a)


def test_it_moves_back_with_what_was_kept_and_both_are_as_before(world: World) -> None:
    world.settle()
    former = world.row
    world.ask(move(source="b", target="a", attempt="2", keep=0, is_back=True, position=former.position))
    assert world.step() is Step.WAITING and world.row.is_back and world.row.position == former.position
    world.settle()
    is_at(world, world.a, world.b)
    assert world.step() is Step.DONE and (world.b.databases, world.b.markers, accounts(world.b)) == ({"blog"}, {}, [])


STATEMENTS = 60
"""More than one move makes that change anything."""


@pytest.mark.parametrize("keep", [0, 3600])
@pytest.mark.parametrize("at", range(STATEMENTS))
def test_wherever_it_is_cut_short_it_is_finished_or_tried_again(make: Making, at: int, keep: int) -> None:
    world = make()
    world.ask(move(keep=keep))
    world.kill_at = at
    with suppress(Killed):
        world.settle(3, 0.1)
    world.kill_at = None
    world.start()
    world.settle(30)
    is_at(world, world.b, world.a)
    world.clock.advance(3600)
    world.settle(2)
    assert (world.step(), world.a.databases, world.a.markers) == (Step.DONE, {"shop2"}, {})


def test_the_number_of_statements_at_which_it_is_cut_short_is_more_than_there_are(world: World) -> None:
    world.kill_at = STATEMENTS
    world.settle(3, 0.1)
    assert world.step() is Step.SWITCHED
    assert world.kill_at is not None and world.kill_at < STATEMENTS // 2


@pytest.mark.parametrize("at", range(STATEMENTS))
def test_cut_short_twice_it_ends_all_the_same(make: Making, at: int) -> None:
    world = make()
    for again in (at, at // 3):
        world.kill_at = again
        with suppress(Killed):
            world.settle(3, 0.1)
        world.start()
    world.kill_at = None
    world.settle(30)
    is_at(world, world.b, world.a)


@pytest.mark.parametrize("at", range(STATEMENTS))
def test_given_up_wherever_it_is_all_is_as_before_or_it_has_moved(make: Making, at: int) -> None:
    world = make()
    world.kill_at = at
    with suppress(Killed):
        world.settle(3, 0.1)
    world.kill_at = None
    was = world.row
    given_up = world.link.ask(lambda directory: directory.moves.cancel(was, "the operator", True))
    world.start()
    world.settle(20)
    if given_up:
        is_at(world, world.a, world.b)
        assert (world.step(), world.row.why) == (Step.FAILED, "the operator")
        assert (world.b.databases, world.b.markers, accounts(world.b), world.a.markers) == ({"blog"}, {}, [], {})
    else:
        is_at(world, world.b, world.a)


@pytest.mark.parametrize("at", range(STATEMENTS))
def test_a_way_back_that_is_cut_short_is_finished_or_tried_again(make: Making, at: int) -> None:
    world = make()
    world.settle()
    world.ask(move(source="b", target="a", attempt="2", keep=0, is_back=True, position=world.row.position))
    world.kill_at = at
    with suppress(Killed):
        world.settle(3, 0.1)
    world.kill_at = None
    world.start()
    world.settle(30)
    is_at(world, world.a, world.b)
    assert (world.step(), world.b.databases, world.b.markers) == (Step.DONE, {"blog"}, {})


@pytest.mark.parametrize("at", range(12))
def test_a_way_back_that_is_given_up_leaves_nothing_that_was_kept(make: Making, at: int) -> None:
    world = make()
    world.settle()
    world.ask(move(source="b", target="a", attempt="2", keep=0, is_back=True, position=world.row.position))
    world.kill_at = at
    with suppress(Killed):
        world.settle(1, 0.1)
    world.kill_at = None
    if world.link.ask(lambda directory: directory.moves.cancel(world.row, "no", True)):
        world.start()
        world.settle(20)
        is_at(world, world.b, world.a)
        assert (world.step(), world.a.databases, world.a.markers) == (Step.FAILED, {"shop2"}, {})


# --- each marker with each step ---


@pytest.mark.parametrize("step", [Step.WAITING, Step.COPYING, Step.FOLLOWING, Step.STOPPING, Step.UNDOING, Step.FAILED])
@pytest.mark.parametrize("attempt", ["1", "former"])
def test_a_source_that_was_stopped_for_nothing_lets_everybody_in_again(world: World, step: Step, attempt: str) -> None:
    put(world.a, STOPPED, attempt, taken={"owner": ["INSERT", "DROP"], "reader": []})
    world.a.logins["owner"] = Login("shop", locked=True, writes=False)
    world.link.ask(lambda directory: directory.moves.step(world.row, step, "", (Step.WAITING,)))
    world.giving["a"].look()
    if step is Step.STOPPING:
        # It is the same stop, or the next: what was taken before is given back in the end.
        marker = world.a.marker()
        assert world.step() is Step.STOPPED and marker is not None
        assert marker.kept["taken"]["owner"] == ["INSERT", "DROP"]
        world.link.ask(lambda directory: directory.moves.cancel(world.row, "", True))
        world.giving["a"].look()
    assert world.a.serves("shop") and world.a.marker() is None


def test_a_source_whose_row_is_gone_lets_everybody_in_again_if_the_name_is_its_own(world: World) -> None:
    put(world.a, STOPPED, taken={"owner": ["INSERT"]})
    world.a.logins["owner"] = Login("shop", locked=True, writes=False)
    world.tables.rows.execute(_delete())
    world.giving["a"].look()
    assert world.a.serves("shop") and world.a.marker() is None


@pytest.mark.parametrize("is_asked_back", [True, False])
def test_a_source_whose_name_is_anothers_by_now_lets_nobody_in(world: World, is_asked_back: bool) -> None:
    put(world.a, STOPPED, taken={"owner": ["INSERT"]})
    world.a.logins["owner"] = Login("shop", locked=True, writes=False)
    world.tables.give("b", "shop")
    world.tables.rows.execute(_delete())
    if is_asked_back:
        # Between the switch and the next look of the source.
        world.ask(move(source="b", target="a", attempt="2", is_back=True))
    world.giving["a"].look()
    marker = world.a.marker()
    assert not world.a.serves("shop") and marker is not None and marker.side == GONE
    world.giving["a"].look()
    assert ("shop" in world.a.databases) is is_asked_back


def test_a_switched_row_at_whose_source_nothing_is_left_is_done(world: World) -> None:
    world.link.ask(lambda directory: directory.moves.step(world.row, Step.SWITCHED, "", (Step.WAITING,)))
    world.tables.give("b", "shop")
    world.a.databases.discard("shop")
    world.giving["a"].look()
    assert world.step() is Step.DONE


@pytest.mark.parametrize("holder", ["a", "b", None, "c"])
@pytest.mark.parametrize("whole", [True, False])
def test_what_has_come_of_a_forgotten_move_is_whose_the_name_is(world: World, holder: str | None, whole: bool) -> None:
    world.tables.rows.execute(_delete())
    world.a.logins["owner"].locked = True
    world.b.databases.add("shop")
    world.b.logins["owner"] = Login("shop", locked=True)
    kept: dict[str, Any] = {"events": []} if whole else {}
    put(world.b, COMING, users=["owner"], **kept)
    del world.tables.claimed["shop"]
    if holder:
        world.tables.give(holder, "shop")
    world.taking["b"].look()
    assert ("shop" in world.b.databases) is (holder == "b" or (whole and holder is None))
    assert (world.b.marker() is None) is not (whole and holder is None)
    assert ("owner" in world.b.logins and not world.b.logins["owner"].locked) is (holder == "b")


def test_what_is_kept_of_a_forgotten_move_is_not_removed_while_nobody_else_has_it(world: World) -> None:
    world.tables.rows.execute(_delete())
    put(world.a, GONE, users=["owner", "reader"])
    for owner in (None, "b"):
        world.tables.claimed.pop("shop", None)
        if owner:
            world.tables.give(owner, "shop")
        world.giving["a"].look()
        assert ("shop" in world.a.databases, world.a.marker() is None) == (owner is None, owner is not None)


# --- what fails of one ---


def test_what_fails_of_one_database_stops_no_other_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.tables.give("a", "bad")
    world.ask(move(name="bad", attempt="9"))
    for name in ("bad", "shop"):
        row = world.tables.move(name)
        assert row is not None
        world.tables.rows.execute(_step(name, Step.STOPPING))
    monkeypatch.setattr(
        giving, "belongings", lambda server, name: _fail() if name == "bad" else belongings_of(server, name)
    )
    world.giving["a"].look()
    assert world.step() is Step.STOPPED and not world.a.serves("shop")


def test_an_undoing_that_fails_keeps_no_other_database_shut(world: World) -> None:
    world.tables.give("a", "bad")
    world.ask(move(name="bad", attempt="9"))
    world.tables.rows.execute(_step("bad", Step.UNDOING))
    world.tables.rows.execute(_step("shop", Step.SWITCHED))
    world.tables.give("b", "shop")
    world.a.logins["owner"].locked = True
    world.b.databases.add("shop")
    world.b.logins["owner"] = Login("shop", locked=True)
    put(world.b, COMING, users=["owner"], events=[])
    MoveTable(world.b).put(Marker("bad", COMING, "9", "n", {"users": []}))  # type: ignore[arg-type]
    world.b.before = lambda _, statement: _fail() if statement.text == "DROP DATABASE IF EXISTS `bad`" else None
    world.taking["b"].look()
    assert world.b.serves("shop") and world.b.marker() is None


def test_a_target_that_does_not_switch_holds_nobody_up(world: World) -> None:
    world.tables.rows.execute(_step("shop", Step.STOPPING))
    world.giving["a"].look()
    assert world.step() is Step.STOPPED and not world.a.serves("shop")
    world.clock.advance(11)
    world.giving["a"].look()
    assert world.step() is Step.UNDOING
    world.giving["a"].look()
    assert world.a.serves("shop")
    # Too late.
    assert not world.link.ask(lambda directory: directory.moves.switch(world.row, ""))
    assert world.holder() == "a"


def test_what_fails_each_time_is_given_up_for_good(world: World) -> None:
    def differ() -> Any:
        world.during["compare"] = differ
        raise Unavailable("it differs")

    world.during["compare"] = differ
    world.settle(40, 10)
    assert (world.step(), world.row.tries, world.row.why) == (Step.FAILED, MOST_TRIES, "it differs")
    is_at(world, world.a, world.b)
    assert (world.b.databases, world.b.markers) == ({"blog"}, {})


# --- two at once ---


def test_who_was_given_up_and_lives_on_does_nothing_in_the_next_try(world: World) -> None:
    """Another node of the target's cluster thinks it dead, removes what it has made, and begins anew."""
    stale = world.row

    def taken_over() -> None:
        moves = world.row
        world.link.ask(lambda directory: directory.moves.cancel(moves, "no word of it", False))
        world.link.ask(lambda directory: directory.moves.again(moves))
        world.link.ask(lambda directory: directory.moves.begin(world.row, "another"))

    world.during["copy"] = taken_over
    world.taking["b"].look()
    assert (world.step(), world.row.node, world.row.tries) == (Step.COPYING, "another", 2)
    assert world.row.attempt != stale.attempt
    for step in (Step.FOLLOWING, Step.STOPPING, Step.STOPPED):
        assert not Moves(world.tables).step(stale, step)  # type: ignore[arg-type]
    assert world.step() is Step.COPYING


def test_an_operator_who_gives_it_up_while_it_is_stopped_wins_or_loses_wholly(world: World) -> None:
    world.during["stop"] = lambda: world.link.ask(
        lambda directory: directory.moves.cancel(world.row, "the operator", True)
    )
    world.settle(6)
    is_at(world, world.a, world.b)
    assert (world.step(), world.row.why) == (Step.FAILED, "the operator")


# --- accounts of others ---


def test_a_user_name_that_is_taken_at_the_target_stays_its_owners(make: Making) -> None:
    world = make()
    world.a.logins["blogger"] = Login("shop", Role.READER, writes=False, stored="*EVIL")
    world.settle(20)
    assert world.step() is Step.FAILED and "'blogger' is taken" in world.row.why
    world.check_others()
    assert world.holder() == "a" and world.a.serves("shop")


def test_a_server_that_compares_names_in_another_way_gets_nothing(world: World) -> None:
    world.b.replies[privilege_sql.rules()] = [("lower_case_table_names", "1")]
    world.settle(20)
    assert world.step() is Step.FAILED and "lower_case_table_names" in world.row.why
    assert world.a.serves("shop") and "shop" not in world.b.databases


@pytest.mark.parametrize("when", ["copy", "follow", "compare", "stop"])
def test_a_user_name_that_is_given_while_it_moves_takes_over_nobody_elses_account(make: Making, when: str) -> None:
    world = make()

    def give() -> None:
        world.a.logins["blogger"] = Login("shop", Role.WRITER, stored="*EVIL")

    world.during[when] = give
    world.settle(20)
    world.check_others()
    assert world.holder() == "a" and world.step() is Step.FAILED
    assert "blog" in world.b.databases and "shop" not in world.b.databases


def test_the_names_of_all_accounts_are_taken_before_anything_is_copied(make: Making) -> None:
    world = make()
    seen = list[Any]()
    world.during["copy"] = lambda: seen.append({user: login.locked for user, login in world.b.logins.items()})
    world.settle()
    assert seen == [{"blogger": False, "owner": False, "reader": True}]


@pytest.mark.parametrize("when", ["copy", "compare"])
def test_an_account_that_is_taken_away_while_it_moves_does_not_come(make: Making, when: str) -> None:
    world = make()
    world.during[when] = lambda: world.a.logins.pop("reader")
    world.settle()
    assert world.holder() == "b" and accounts(world.b) == ["owner"]


def test_an_account_that_is_given_while_it_moves_comes(make: Making) -> None:
    world = make()
    world.during["compare"] = lambda: world.a.logins.update(writer=Login("shop", Role.WRITER, stored="*NEW"))
    world.settle()
    assert accounts(world.b) == ["owner", "reader", "writer"]
    assert (world.b.logins["writer"].stored, world.b.logins["writer"].locked) == ("*NEW", False)


def test_an_account_that_is_given_while_everybody_is_shut_out_is_shut_out_too(world: World) -> None:
    world.tables.rows.execute(_step("shop", Step.STOPPING))

    def give(machine: Machine, statement: Statement) -> None:
        if statement.text.endswith("LOCK"):
            machine.logins.setdefault("late", Login("shop", Role.WRITER))

    world.a.before = give
    world.giving["a"].look()
    assert world.step() is Step.STOPPING
    world.giving["a"].look()
    marker = world.a.marker()
    assert world.step() is Step.STOPPED and not world.a.serves("shop") and marker is not None
    # What the first one has lost is not forgotten by the second look.
    assert (marker.kept["taken"]["owner"], marker.kept["taken"]["late"]) == (["INSERT", "DROP"], ["INSERT", "DROP"])


def test_what_has_come_and_is_not_open_yet_does_not_go(world: World) -> None:
    world.tables.rows.execute(_step("shop", Step.STOPPING))
    put(world.a, COMING, users=["owner"], events=[{"name": "e"}])
    world.giving["a"].look()
    marker = world.a.marker()
    assert world.step() is Step.STOPPING and marker is not None and marker.side == COMING


def test_an_account_whose_role_became_less_has_no_more_than_that(make: Making) -> None:
    world = make()
    world.a.logins["reader"] = Login("shop", Role.WRITER)
    world.during["compare"] = lambda: world.a.logins.update(reader=Login("shop", Role.READER, writes=False))
    world.settle()
    assert world.holder() == "b" and not world.b.logins["reader"].writes


def test_a_way_back_takes_over_nobody_elses_account(make: Making) -> None:
    world = make()
    world.settle()
    world.b.logins["other"] = Login("shop", Role.WRITER, stored="*EVIL")
    world.ask(move(source="b", target="a", attempt="2", is_back=True, position=world.row.position))
    world.settle(20)
    world.check_others()
    assert world.holder() == "b" and world.step() is Step.FAILED and world.b.serves("shop")


def test_a_way_back_brings_no_account_that_was_taken_away_meanwhile(make: Making) -> None:
    world = make()
    world.settle()
    del world.b.logins["reader"]
    world.ask(move(source="b", target="a", attempt="2", is_back=True, position=world.row.position))
    world.settle()
    assert world.holder() == "a" and accounts(world.a) == ["owner"]


def test_a_way_back_to_where_nothing_was_kept_touches_nothing_there(make: Making) -> None:
    world = make()
    world.settle()
    world.a.markers.clear()
    world.a.logins = {"other": Login("shop2"), "stranger": Login("shop")}
    world.link.ask(lambda directory: directory.moves.ask(
        move(source="b", target="a", attempt="2", is_back=True, position=world.row.position)
    ))  # fmt: skip
    world.taking["a"].look()
    assert "shop" in world.a.databases and world.a.logins["stranger"] == Login("shop")


def test_an_account_that_has_ended_after_the_switch_holds_nobody_up(world: World) -> None:
    world.tables.rows.execute(_step("shop", Step.SWITCHED))
    world.tables.give("b", "shop")
    world.a.logins["owner"].locked = True
    world.b.databases.add("shop")
    world.b.logins["owner"] = Login("shop", locked=True)
    put(world.b, COMING, users=["reader", "owner"], events=[])
    world.taking["b"].look()
    assert world.b.serves("shop") and world.b.marker() is None


@pytest.mark.parametrize("is_reader", [True, False])
def test_a_database_without_an_owner_leaves_no_account_that_filled_it(make: Making, is_reader: bool) -> None:
    world = make()
    del world.a.logins["owner"]
    if not is_reader:
        del world.a.logins["reader"]
    world.settle()
    assert world.holder() == "b" and accounts(world.b) == (["reader"] if is_reader else [])
    # Who reads fills nothing, and can write no more than before.
    assert not any(login.writes for login in world.b.logins.values() if login.database == "shop")


def _delete() -> Statement:
    return Statement("DELETE FROM dbhandler_directory.moves")


def _step(name: str, step: Step) -> Statement:
    return Statement(
        "UPDATE dbhandler_directory.moves SET step = %s, changed = UTC_TIMESTAMP(3) WHERE name = %s", (step, name)
    )


def _fail() -> Any:
    raise DbHandlerError("it fails")
