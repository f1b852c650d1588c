"""The rows of moves, on the statements themselves: of two who would take a step one does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbhandler.directory import directory_sql, moves_sql
from dbhandler.directory.directory import Directory
from dbhandler.directory.move import MOST_TRIES, OPEN, OVER, UNDER_WAY, Move, Step
from dbhandler.directory.moves import REMEMBERED, Moves
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from tests.support.directories import Tables, standing
from tests.support.fakes import Clock
from tests.support.moves import move

HOSTILE = "x'`\"\\%s;-- "


@pytest.fixture
def tables(clock: Clock) -> Tables:
    tables = Tables(clock)
    tables.give("a", "shop")
    return tables


@pytest.fixture
def moves(tables: Tables) -> Moves:
    return Moves(tables)  # type: ignore[arg-type]


def at(moves: Moves, step: Step, **more: object) -> Move:
    """The row of shop at a step."""
    moves.ask(move(**more))
    moves._server.execute(Statement(f"UPDATE {moves_sql.TABLE} SET step = %s", (step,)))
    found = moves.of("shop")
    assert found is not None
    return found


def now(moves: Moves) -> Move:
    found = moves.of("shop")
    assert found is not None
    return found


def test_what_is_asked_for_waits_and_is_read_as_it_is(moves: Moves, clock: Clock) -> None:
    asked = move(keep=60, position="0-1-2", is_back=True, name="s'h%p", attempt="x")
    moves.ask(asked)
    assert moves.all() == [asked] == [moves.of("s'h%p")]
    clock.advance(7)
    assert moves.all() == [replace(asked, age=7, ago=7, beat=7)]


@pytest.mark.parametrize("step", [step for step in Step if step not in OVER])
def test_a_name_has_one_move_that_is_not_over(moves: Moves, step: Step) -> None:
    present = at(moves, step)
    with pytest.raises(Denied, match=f"'shop' has a move already, which is {step}"):
        moves.ask(move(attempt="2", target="c"))
    assert now(moves) == present
    # Another name has its own.
    moves.ask(move(name="Shop", attempt="3"))
    assert len(moves.all()) == 2


@pytest.mark.parametrize("step", OVER)
def test_after_one_that_is_over_comes_another(moves: Moves, step: Step) -> None:
    at(moves, step)
    moves.ask(move(attempt="2", target="c"))
    assert (now(moves).attempt, now(moves).target, now(moves).step) == ("2", "c", Step.WAITING)


def test_asked_twice_it_is_one(moves: Moves) -> None:
    # The way to the directory may put a question twice.
    moves.ask(move())
    moves.ask(move())
    assert len(moves.all()) == 1
    with pytest.raises(Denied):
        moves.ask(move(attempt="2"))


def test_those_that_are_over_are_remembered_for_a_day(moves: Moves, clock: Clock) -> None:
    at(moves, Step.DONE)
    clock.advance(REMEMBERED)
    moves.ask(move(name="wiki", attempt="2"))
    assert {one.name for one in moves.all()} == {"shop", "wiki"}
    clock.advance(1)
    moves.ask(move(name="blog", attempt="3"))
    assert {one.name for one in moves.all()} == {"blog", "wiki"}


# --- steps ---


@pytest.mark.parametrize("since", Step)
@pytest.mark.parametrize("to", [Step.FOLLOWING, Step.STOPPING, Step.UNDOING])
def test_a_step_is_taken_from_where_it_may_be_and_from_nowhere_else(moves: Moves, since: Step, to: Step) -> None:
    present = at(moves, since)
    allowed = OPEN if to is Step.UNDOING else UNDER_WAY
    took = moves.cancel(present, "why", False) if to is Step.UNDOING else moves.step(present, to)
    assert took is (since in allowed or since is to)
    assert now(moves).step is (to if since in allowed else since)


@pytest.mark.parametrize("step", Step)
def test_of_a_former_move_of_that_name_nothing_is_done(moves: Moves, step: Step) -> None:
    present = at(moves, step)
    former = replace(present, attempt="former")
    assert not moves.begin(former, "n") and not moves.step(former, Step.FOLLOWING)
    assert not moves.cancel(former, "", True) and not moves.stopped(former, "p") and not moves.switch(former, "p")
    moves.again(former)
    moves.progress(former, 1, 2, "x")
    assert now(moves) == present


def test_of_two_nodes_one_begins(moves: Moves) -> None:
    asked = at(moves, Step.WAITING)
    assert moves.begin(asked, "n1") and not moves.begin(asked, "n2")
    # Put twice it is the same answer.
    assert moves.begin(asked, "n1")
    assert (now(moves).node, now(moves).tries, now(moves).step) == ("n1", 1, Step.COPYING)


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.WAITING])
def test_only_what_waits_is_begun(moves: Moves, step: Step) -> None:
    present = at(moves, step)
    assert not moves.begin(present, "n1")
    assert now(moves) == present


@pytest.mark.parametrize("step", Step)
def test_only_who_was_asked_to_stop_has_stopped(moves: Moves, step: Step) -> None:
    present = at(moves, step)
    assert moves.stopped(present, "0-1-9") is (step in (Step.STOPPING, Step.STOPPED))
    assert now(moves).position == ("0-1-9" if step is Step.STOPPING else "")


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("holder", ["a", "b", "c", None])
def test_the_name_changes_with_the_step_or_neither_does(
    moves: Moves, tables: Tables, step: Step, holder: str | None
) -> None:
    del tables.claimed["shop"]
    if holder:
        tables.give(holder, "shop")
    present = at(moves, step)
    switches = step is Step.STOPPED and holder == "a"
    assert moves.switch(present, "0-2-5") is (switches or step is Step.SWITCHED)
    row = tables.claimed.get("shop")
    assert (row.server if row else None) == ("b" if switches else holder)
    assert now(moves).step is (Step.SWITCHED if switches else step)


def test_who_gives_up_and_who_switches_cannot_both_be_right(moves: Moves, tables: Tables) -> None:
    present = at(moves, Step.STOPPED)
    assert moves.cancel(present, "too late", False) and not moves.switch(present, "p")
    assert tables.of("a") == ["shop"]
    moves.again(now(moves))
    moves._server.execute(Statement(f"UPDATE {moves_sql.TABLE} SET step = 'stopped'"))
    assert moves.switch(now(moves), "p") and not moves.cancel(now(moves), "too late", True)
    assert (tables.of("b"), now(moves).step) == (["shop"], Step.SWITCHED)


def test_given_up_for_good_it_is_not_tried_again(moves: Moves) -> None:
    present = at(moves, Step.COPYING)
    assert moves.cancel(present, "w" * 500, True)
    assert (now(moves).tries, now(moves).why) == (MOST_TRIES, "w" * moves_sql.MOST_WHY)


def test_a_reason_moves_no_cursor(moves: Moves) -> None:
    present = at(moves, Step.COPYING)
    moves.progress(present, 1, 2, "a\n\x1b[2J")
    assert now(moves).why == "a\\n\\x1b[2J" and (now(moves).done, now(moves).total) == (1, 2)
    moves.cancel(present, "b\x1b]0;x\x07", False)
    assert now(moves).why.isprintable() and now(moves).why.startswith("b")


def test_the_next_try_is_another_one_and_begins_with_nothing(moves: Moves) -> None:
    present = at(moves, Step.UNDOING, is_back=True)
    moves.again(present)
    again = now(moves)
    assert (again.step, again.is_back) == (Step.WAITING, False)
    assert again.attempt != present.attempt and len(again.attempt) <= 32
    # Put twice it is the same one.
    moves.again(present)
    assert now(moves) == again


# --- back ---


def back(**more: object) -> Move:
    return move(**{"source": "b", "target": "a", "attempt": "2", "is_back": True, **more})


def test_what_has_switched_goes_back_while_it_is_kept(moves: Moves, clock: Clock) -> None:
    at(moves, Step.STOPPED, keep=60)
    assert moves.switch(now(moves), "0-2-5")
    clock.advance(59)
    moves.ask(back(keep=5, position="0-0-0"))
    found = now(moves)
    assert (found.source, found.target, found.step, found.keep) == ("b", "a", Step.WAITING, 5)
    # From where the target's log stood at the switch.
    assert (found.position, found.is_back, found.tries, found.age) == ("0-2-5", True, 0, 0)


@pytest.mark.parametrize("keep", [0, 60])
def test_what_is_kept_no_longer_is_being_removed(moves: Moves, clock: Clock, keep: int) -> None:
    present = at(moves, Step.SWITCHED, keep=keep)
    clock.advance(keep)
    with pytest.raises(Denied, match="switched"):
        moves.ask(back())
    assert replace(now(moves), age=0, beat=0, ago=0) == replace(present, age=0, beat=0, ago=0)


@pytest.mark.parametrize(
    "wrong", [{"target": "c"}, {"source": "c"}, {"source": "a", "target": "b"}, {"is_back": False}]
)
def test_only_to_where_it_came_from(moves: Moves, wrong: dict[str, object]) -> None:
    present = at(moves, Step.SWITCHED, keep=60)
    with pytest.raises(Denied):
        moves.ask(back(**wrong))
    assert now(moves) == present


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.SWITCHED and step not in OVER])
def test_only_what_has_switched_goes_back(moves: Moves, step: Step) -> None:
    present = at(moves, step, keep=60)
    with pytest.raises(Denied):
        moves.ask(back())
    assert now(moves) == present


# --- whose ---


def test_a_server_hears_of_what_it_gives_and_takes_until_it_is_over(moves: Moves) -> None:
    for number, (source, target) in enumerate([("a", "b"), ("b", "c"), ("c", "a")]):
        moves.ask(move(name=f"n{number}", source=source, target=target, attempt=str(number)))
    assert [one.name for one in moves.of_server("a")] == ["n0", "n2"]
    moves.step(moves.all()[0], Step.DONE, "", (Step.WAITING,))
    assert [one.name for one in moves.of_server("a")] == ["n2"]
    assert moves.of_server("") == []


def test_who_is_forgotten_has_no_moves_and_who_inherits_has_all(tables: Tables, moves: Moves) -> None:
    for number, (source, target) in enumerate([("a", "b"), ("b", "c"), ("c", "a")]):
        moves.ask(move(name=f"n{number}", source=source, target=target, attempt=str(number)))
    directory = Directory(tables)  # type: ignore[arg-type]
    directory.inherit("a", "new")
    assert [(one.source, one.target) for one in moves.all()] == [("new", "b"), ("b", "c"), ("c", "new")]
    directory.drain("new", True)
    directory.forget("new")
    assert [(one.source, one.target) for one in moves.all()] == [("b", "c")] and not tables.drained


def test_a_server_that_is_drained_says_so_until_it_is_not(tables: Tables) -> None:
    tables.tell(standing("a"), standing("b", full="is full"))
    directory = Directory(tables)  # type: ignore[arg-type]
    for _ in range(2):
        directory.drain("a", True)
    assert [one.refuses for one in directory.standings()] == ["is being drained", "is full"]
    directory.drain("a", False)
    assert not directory.standings()[0].refuses


# --- what is sent ---


def about(word: str) -> list[Statement]:
    """Every statement about a move."""
    one = move(name=word, source=word, target=word, attempt=word, position=word)
    return [
        moves_sql.select("name = %s", word), moves_sql.of(word), moves_sql.of_server(word), moves_sql.forget_over(word),
        moves_sql.ask(one), moves_sql.replace(one, word), moves_sql.step(one, Step.UNDOING, word, OPEN),
        moves_sql.begin(one, word), moves_sql.again(one, word), moves_sql.forget_server(word),
        moves_sql.inherit(word, word), moves_sql.try_no_more(one), moves_sql.progress(one, 1, 2, word),
        moves_sql.stopped(one, word), moves_sql.switch(one, word), directory_sql.drain(word),
        directory_sql.undrain(word),
    ]  # fmt: skip


def test_no_value_is_part_of_a_statements_text() -> None:
    for hostile, plain in zip(about(HOSTILE), about("a"), strict=True):
        assert hostile.text == plain.text
        assert any(HOSTILE in str(value) for value in hostile.values)


@pytest.mark.parametrize(
    "statement", [*about("a"), moves_sql.MAKING, moves_sql.select(), moves_sql.forget_old(1)],
    ids=lambda statement: statement.text[:40],
)  # fmt: skip
def test_the_driver_can_put_the_values_in(statement: Statement) -> None:
    assert statement.text.count("%s") == len(statement.values)
    assert "%" not in statement.text % tuple("?" for _ in statement.values)
