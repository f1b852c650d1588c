"""How far a stream of transactions is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.distant.position import Position

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "e9279254-e8ef-11f1-b707-0242ac110003"


def mariadb(text: str) -> Position:
    return Position.parse(text, "mariadb")


def mysql(text: str) -> Position:
    return Position.parse(text, "mysql")


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_of_nothing_yet_there_is_an_empty_position(engine: str) -> None:
    empty = Position.parse(" \n", engine)
    assert str(empty) == ""
    assert empty.covers(empty)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0-1-5,1-2-7", "0-1-5,1-2-7"),
        ("1-2-7, 0-1-5", "0-1-5,1-2-7"),
        ("4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615"),
    ],
)
def test_a_position_of_mariadb_is_sorted_by_domain(text: str, shown: str) -> None:
    assert str(mariadb(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["0-1", "0-1-5-6", "0-1-x", "-1-1-5", "0-1-5,", ",", "0-1-5,0-2-6", "4294967296-1-1", "0-1-18446744073709551616",
     f"{A}:1", "0-1-²", "9" * 5000],
)  # fmt: skip
def test_what_is_no_position_of_mariadb_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        mariadb(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{A}:1-5:7-9,{B}:1-3", f"{A}:1-5:7-9,{B}:1-3"),
        (f"{B}:1-3,\n{A.upper()}:7-9:1-5", f"{A}:1-5:7-9,{B}:1-3"),
        (f"{A}:1-5:6-9:3:20", f"{A}:1-9:20"),
        (f"{A}:1,{A}:2", f"{A}:1-2"),
        (f"{A}:tag:1-3", f"{A}:tag:1-3"),
        (f"{A}:1-37:b_tag:1:Some_Tag:1-3:5", f"{A}:1-37:b_tag:1:some_tag:1-3:5"),
        (f"{A}:{2**63 - 2}", f"{A}:{2**63 - 2}"),
    ],
)
def test_a_set_of_mysql_is_sorted_and_has_no_part_twice(text: str, shown: str) -> None:
    assert str(mysql(text)) == shown


@pytest.mark.parametrize(
    "text",
    [A, f"{A}:", f"{A}:0", f"{A}:5-3", f"{A}:1-", f"{A}:-1", f"{A}:x", f"{A}:x:y:1", f"{A}:1:x", f"{A}:1,",
     f"{A[1:]}:1", f"{A}:{2**63 - 1}", "0-1-5", f"{A}:1-2-3", f"{A}:²", f"{A}:{'t' * 33}:1", f"{A}:t-g:1"],
)  # fmt: skip
def test_what_is_no_set_of_mysql_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no GTID of MySQL"):
        mysql(text)


def test_after_a_transaction_mariadb_is_there_and_holds_all_before() -> None:
    position = mariadb("0-1-5").after("0-2-6").after("3-1-1")
    assert str(position) == "0-2-6,3-1-1"
    assert [position.holds(gtid) for gtid in ("0-1-6", "0-9-1", "0-1-7", "3-1-1", "2-1-1")] == [
        True, True, False, True, False,
    ]  # fmt: skip


def test_after_a_transaction_mysql_has_it_in_the_set() -> None:
    position = mysql(f"{A}:1-3:5").after(f"{A}:4").after(f"{B}:9").after(f"{A}:tag:1").after(f"{A}:5")
    assert str(position) == f"{A}:1-5:tag:1,{B}:9"
    held = [f"{A}:1", f"{A.upper()}:5", f"{A}:6", f"{A}:TAG:1", f"{A}:tag:2", f"{B}:8", f"{B}:9", f"{B}:tag:9"]
    assert [position.holds(gtid) for gtid in held] == [True, True, False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("engine", "gtid"), [("mariadb", "0-1"), ("mysql", f"{A}:1-2"), ("mysql", ""), ("mariadb", "")]
)
def test_what_is_no_transaction_is_neither_held_nor_added(engine: str, gtid: str) -> None:
    empty = Position.parse("", engine)
    with pytest.raises(ValueError, match="is no GTID"):
        empty.holds(gtid)
    with pytest.raises(ValueError, match="is no GTID"):
        empty.after(gtid)


@pytest.mark.parametrize(
    ("engine", "one", "other", "expected"),
    [
        ("mariadb", "0-1-5,1-1-1", "0-2-5", True),
        ("mariadb", "0-1-5", "0-1-5,1-1-1", False),
        ("mariadb", "0-1-5", "0-1-6", False),
        ("mariadb", "0-1-5", "", True),
        ("mysql", f"{A}:1-5:7-9", f"{A}:2-3:7", True),
        ("mysql", f"{A}:1-5:7-9", f"{A}:5-7", False),
        ("mysql", f"{A}:1-5", f"{A}:tag:1", False),
        ("mysql", "", f"{A}:1", False),
    ],
)
def test_a_position_covers_what_it_holds(engine: str, one: str, other: str, expected: bool) -> None:
    assert Position.parse(one, engine).covers(Position.parse(other, engine)) is expected


def test_positions_of_two_engines_cover_nothing_of_each_other() -> None:
    assert not mariadb("0-1-5").covers(mysql(f"{A}:1"))
    assert not mysql(f"{A}:1").covers(mariadb(""))


def test_a_set_is_encoded_as_mysql_reads_it() -> None:
    server = bytes.fromhex(A.replace("-", ""))
    assert mysql("").encoded() == bytes(8)
    assert mysql(f"{A}:1-5:7").encoded() == (
        (1).to_bytes(8, "little") + server + (2).to_bytes(8, "little")
        + b"".join(number.to_bytes(8, "little") for number in (1, 6, 7, 8))
    )  # fmt: skip


def test_mariadb_is_told_no_set() -> None:
    with pytest.raises(ValueError, match="as text"):
        mariadb("0-1-5").encoded()


numbers = st.integers(1, 40)
gtids = st.builds("{}:{}{}".format, st.sampled_from([A, B]), st.sampled_from(["", "tag:", "x:"]), numbers)


@given(st.lists(gtids, max_size=30), st.lists(gtids, max_size=10))
def test_a_set_holds_exactly_what_was_added(added: list[str], others: list[str]) -> None:
    position = mysql("")
    for gtid in added:
        assert position.after(gtid).covers(position)
        position = position.after(gtid)
    assert [position.holds(gtid) for gtid in added + others] == [gtid in added for gtid in added + others]
    assert mysql(str(position)) == position == mysql(",".join(reversed(added)))
    assert not re.search(r"[A-Z\s]", str(position))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2), numbers)))
def test_of_mariadb_each_domain_is_where_it_was_last(added: list[tuple[int, int, int]]) -> None:
    position = mariadb("")
    for domain, server, number in added:
        position = position.after(f"{domain}-{server}-{number}")
    assert position == mariadb(",".join(f"{d}-{s}-{n}" for d, (s, n) in {d: (s, n) for d, s, n in added}.items()))
    assert mariadb(str(position)) == position


@given(st.text(alphabet="0123456789-:, abcdeft_²\n") | st.text(), st.sampled_from(["mariadb", "mysql"]))
def test_any_other_text_is_refused_with_one_sentence(text: str, engine: str) -> None:
    try:
        assert Position.parse(str(Position.parse(text, engine)), engine) == Position.parse(text, engine)
    except ValueError as error:
        assert "\n" not in str(error)
