"""Sets of transactions, against sets of numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.group.transactions import Transactions, merged

NUMBERS = st.frozensets(st.integers(1, 30))
RESTS = st.sampled_from(["", "", "0123abcd", "0123abce"])


def of(numbers: frozenset[int], rest: str = "") -> Transactions:
    return Transactions(merged((number, number) for number in numbers), rest)


@given(NUMBERS, NUMBERS)
def test_one_set_holds_another_as_sets_do(one: frozenset[int], other: frozenset[int]) -> None:
    assert of(one).holds(of(other)) is (one >= other)


@given(NUMBERS, RESTS, RESTS)
def test_what_came_from_elsewhere_is_the_same_or_not(numbers: frozenset[int], one: str, other: str) -> None:
    assert of(numbers, one).holds(of(numbers, other)) is (other in ("", one))


@given(NUMBERS, RESTS)
def test_a_set_survives_its_text(numbers: frozenset[int], rest: str) -> None:
    assert Transactions.parse(str(of(numbers, rest))) == of(numbers, rest)


@given(NUMBERS)
def test_ranges_are_as_few_as_can_be(numbers: frozenset[int]) -> None:
    ranges = of(numbers).ranges
    assert {number for first, last in ranges for number in range(first, last + 1)} == numbers
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(ranges))


@pytest.mark.parametrize(
    ("ranges", "text"),
    [((), "0"), (((1, 7),), "7"), (((2, 7),), "2-7"), (((1, 3), (5, 5)), "1-3.5-5")],
)
def test_the_text(ranges: tuple[tuple[int, int], ...], text: str) -> None:
    assert str(Transactions(ranges)) == text


@pytest.mark.parametrize("text", ["", "-1", "x", "07", "1-7", "7-2", "1-3.4-5", "0-2", "5-6.1-3", "7~x", "٣", "9" * 20])
def test_any_other_text_is_no_set(text: str) -> None:
    with pytest.raises(ValueError, match=text or None):
        Transactions.parse(text)


@given(st.text("0123456789-.~abcdef", max_size=40))
def test_what_is_read_is_written_the_same(text: str) -> None:
    try:
        found = Transactions.parse(text)
    except ValueError:
        return
    assert str(found) == text
