"""The directory's rows, on tables in memory: a name has one server. Real servers hold them in tests/pool."""

from __future__ import annotations

import pytest

from dbhandler.directory import directory_sql, moves_sql
from dbhandler.directory.directory import TOGETHER, Directory, Holder, make
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError, Unavailable
from tests.support.directories import Tables, standing
from tests.support.fakes import Clock, RecordingServer, Rows

MANY = [f"shop{number:04}" for number in range(2 * TOGETHER + 1)]


@pytest.fixture
def tables(clock: Clock) -> Tables:
    return Tables(clock)


@pytest.fixture
def directory(tables: Tables) -> Directory:
    return Directory(tables)  # type: ignore[arg-type]


def test_the_first_gets_a_name_and_the_second_is_told_who(directory: Directory) -> None:
    assert directory.holder("shop") is None
    first = Holder("a", taken=False)
    assert directory.claim("shop", "a", None) == first
    assert directory.claim("shop", "b", None) == first
    assert directory.claim("shop", "a", None) == first
    assert (directory.holder("shop"), directory.counts()) == (first, {"a": 1})


def test_a_claim_counts_at_once_until_the_server_tells_its_number(directory: Directory, tables: Tables) -> None:
    tables.tell(standing("a", names=3), standing("b", names=3))
    directory.claim("shop", "a", None)
    directory.claim("shop", "b", None)
    assert [one.names for one in directory.standings()] == [4, 3]
    assert tables.executed.count(directory_sql.count_one("a")) == 1


class Hasty(Tables):
    """Where another one has the name, and gives it up before it is asked whose the name is."""

    def execute(self, statement: Statement) -> Rows:
        if statement == directory_sql.holder("shop"):
            self.claimed.clear()
        return super().execute(statement)


def test_a_name_that_was_released_while_it_was_claimed_is_nobodys() -> None:
    tables = Hasty()
    tables.give("b", "shop")
    directory = Directory(tables)  # type: ignore[arg-type]
    assert directory.claim("shop", "a", None) is None
    assert not directory.take("shop", "a")


def test_what_was_not_taken_another_one_may_get(directory: Directory, tables: Tables) -> None:
    tables.give("gone", "shop", age=99, taken=False)
    seen = directory.holder("shop")
    assert directory.claim("shop", "a", seen) == Holder("a", taken=False)
    # Whoever has seen the same comes too late.
    assert directory.claim("shop", "b", seen) == Holder("a", taken=False)
    # It is as new as any other, and not given up before its time.
    directory.release(["shop"], "a", 60)
    assert tables.of("a") == ["shop"]


def test_what_was_taken_meanwhile_nobody_else_gets(directory: Directory, tables: Tables) -> None:
    tables.give("b", "shop", taken=False)
    seen = directory.holder("shop")
    assert directory.take("shop", "b")
    assert directory.claim("shop", "a", seen) == Holder("b", taken=True)
    assert tables.of("b") == ["shop"]


def test_only_whose_name_it_is_takes_it(directory: Directory, tables: Tables) -> None:
    tables.give("b", "shop", taken=False)
    assert not directory.take("shop", "a")
    assert directory.holder("shop") == Holder("b", taken=False)
    assert not directory.take("unknown", "a")
    # Once is as good as twice.
    assert directory.take("shop", "b") and directory.take("shop", "b")
    assert directory.holder("shop") == Holder("b", taken=True)


@pytest.mark.parametrize("error", [ServerError("no", 1142), Unavailable("away")])
def test_any_other_error_is_no_answer(directory: Directory, tables: Tables, error: Exception) -> None:
    tables.replies[directory_sql.claim("shop", "a")] = error
    with pytest.raises(type(error), match=str(error)):
        directory.claim("shop", "a", None)
    assert directory_sql.count_one("a") not in tables.executed


def test_only_its_own_names_are_taken_from_a_server_and_those_of_that_age(directory: Directory, tables: Tables) -> None:
    tables.give("a", "old", age=60)
    tables.give("a", "new", age=59)
    tables.give("b", "other", age=99)
    directory.release(["old", "new", "other", "unknown"], "a", 60)
    assert sorted(tables.claimed) == ["new", "other"]
    directory.release(["new", "other"], "a")
    assert sorted(tables.claimed) == ["other"]


def test_a_name_that_was_not_taken_waits_for_a_day(directory: Directory, tables: Tables) -> None:
    tables.give("a", "new", age=60 * directory_sql.UNTAKEN - 1, taken=False)
    tables.give("a", "old", age=60 * directory_sql.UNTAKEN, taken=False)
    directory.release(["new", "old"], "a", 60)
    assert sorted(tables.claimed) == ["new"]
    directory.release(["new"], "a")
    assert not tables.claimed


def test_a_database_that_is_there_is_taken(directory: Directory, tables: Tables) -> None:
    tables.give("a", "by_hand", taken=False)
    directory.fill(["by_hand"], "a")
    assert directory.claim("by_hand", "b", Holder("a", taken=False)) == Holder("a", taken=True)


def test_what_is_filled_in_takes_nothing_from_anybody(directory: Directory, tables: Tables) -> None:
    tables.give("b", "shop", "wiki")
    tables.give("a", "blog")
    assert directory.fill(["shop", "blog", "mail"], "a") == {"shop"}
    assert (directory.names_of("a"), directory.names_of("b")) == (["blog", "mail"], ["shop", "wiki"])
    # What is there is taken.
    assert directory.holder("mail") == Holder("a", taken=True)


def test_many_names_are_several_statements_and_none_are_none(directory: Directory, tables: Tables) -> None:
    tables.give("b", MANY[-1])
    assert directory.fill(MANY, "a") == {MANY[-1]}
    chunks = [MANY[:TOGETHER], MANY[TOGETHER:-1], MANY[-1:]]
    assert tables.executed == [
        statement for some in chunks for statement in (directory_sql.fill(some, "a"), directory_sql.holders(some))
    ]
    tables.executed.clear()
    directory.release(set(MANY), "a", 60)
    assert tables.executed == [directory_sql.release(some, "a", 60) for some in chunks]
    tables.executed.clear()
    assert directory.fill([], "a") == set()
    directory.release([], "a")
    assert tables.executed == []


def test_doubles_are_those_that_were_noted_last(directory: Directory, tables: Tables) -> None:
    tables.give("b", "shop", "wiki")
    directory.note_doubles(["shop", "wiki"], "a")
    directory.note_doubles(["wiki"], "c")
    assert directory.doubles() == [("shop", "a", "b"), ("wiki", "a", "b"), ("wiki", "c", "b")]
    directory.note_doubles([], "a")
    assert directory.doubles() == [("wiki", "c", "b")]


def test_a_server_stands_as_it_has_said(directory: Directory, tables: Tables, clock: Clock) -> None:
    one = standing(
        "a", version="11.8.3", labels=frozenset({"ssd", "eu"}), names=3, most=9, bytes=5 * 10**12, connections=7,
        full="is full",
    )  # fmt: skip
    directory.tell(one)
    assert directory.standings() == [one]
    clock.advance(70)
    other = standing("b")
    directory.tell(other)
    assert [(found.server, found.age, found.labels) for found in directory.standings()] == [
        ("a", 70, frozenset({"ssd", "eu"})), ("b", 0, frozenset()),
    ]  # fmt: skip


def test_what_a_server_sends_is_read_whatever_its_types(directory: Directory, tables: Tables) -> None:
    # Of a clock that was put back it is told as of now.
    tables.replies[directory_sql.standings()] = [("a", "n", "mysql", "8.4", "", 1, "2", 3, 4, "", -5, 0)]
    expected = standing("a", node="n", engine="mysql", version="8.4", names=1, most=2, bytes=3, connections=4)
    assert directory.standings() == [expected]


def test_who_has_the_data_inherits_the_names(directory: Directory, tables: Tables) -> None:
    tables.give("old", "shop", "wiki")
    tables.give("b", "blog")
    tables.tell(standing("old"), standing("b"))
    directory.inherit("old", "new")
    assert directory.counts() == {"new": 2, "b": 1}
    assert [one.server for one in directory.standings()] == ["b"]


def test_nothing_is_left_of_who_is_forgotten(directory: Directory, tables: Tables) -> None:
    tables.give("a", "shop")
    tables.give("b", "blog")
    tables.tell(standing("a"), standing("b"))
    tables.found = {("blog", "a"), ("shop", "b")}
    directory.forget("a")
    assert (list(tables.claimed), list(tables.told), tables.found) == (["blog"], ["b"], {("shop", "b")})


def test_it_is_made_where_it_is_not_there() -> None:
    server = RecordingServer()
    make(server)  # type: ignore[arg-type]
    assert server.executed == [directory_sql.is_there(), *directory_sql.MAKINGS, moves_sql.MAKING]
    made = RecordingServer({directory_sql.is_there(): [(1,)]})
    make(made)  # type: ignore[arg-type]
    assert made.executed == [directory_sql.is_there()]


def test_the_table_by_which_it_is_known_is_made_last() -> None:
    # Killed between two of them, the next start makes the rest.
    assert "CREATE TABLE IF NOT EXISTS dbhandler_directory.moves " in moves_sql.MAKING.text
    assert "TABLE_NAME = 'moves'" in directory_sql.is_there().text
    assert all(" IF NOT EXISTS " in statement.text for statement in (*directory_sql.MAKINGS, moves_sql.MAKING))
