"""MySQL's sets of transactions, against sets of pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.errors import DbHandlerError
from dbhandler.group.replication.gtid import GtidSet
from dbhandler.group.transactions import Transactions, merged

GROUP, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
SOURCES = [GROUP, OTHER, f"{OTHER}:tag"]
SETS = st.frozensets(st.tuples(st.sampled_from(SOURCES), st.integers(1, 12)))
Pairs = frozenset[tuple[str, int]]


def of(pairs: Pairs) -> GtidSet:
    numbers = {source: [number for name, number in pairs if name == source] for source in SOURCES}
    return GtidSet({name: merged((n, n) for n in found) for name, found in numbers.items() if found})


@given(SETS)
def test_a_set_survives_its_text(pairs: Pairs) -> None:
    assert GtidSet.parse(str(of(pairs))) == of(pairs)


@given(SETS, SETS)
def test_union_and_difference(one: Pairs, other: Pairs) -> None:
    assert of(one) | of(other) == of(one | other)
    assert of(one) - of(other) == of(one - other)


@given(SETS, SETS)
def test_what_a_group_counts_is_a_part_only_where_the_set_is(one: Pairs, other: Pairs) -> None:
    if of(one).of(GROUP).holds(of(other).of(GROUP)):
        assert one >= other
    alike = frozenset(pair for pair in one if pair[0] != GROUP) | frozenset(pair for pair in other if pair[0] == GROUP)
    assert of(one).of(GROUP).holds(of(alike).of(GROUP)) is (one >= alike)


def test_the_servers_own_way_of_writing() -> None:
    text = f"{GROUP.upper()}:1-3:5,\n{OTHER}:7:tag:1-2:4"
    assert str(GtidSet.parse(text)) == f"{GROUP}:1-3:5,{OTHER}:7,{OTHER}:tag:1-2:4"
    assert GtidSet.parse(text).of(GROUP).ranges == ((1, 3), (5, 5))
    assert GtidSet.parse("").of(GROUP) == Transactions()


@pytest.mark.parametrize("text", ["x", GROUP, f"{GROUP}:", f"{GROUP}:0", f"{GROUP}:3-2", f"{GROUP}:-1", "a:1", "4040"])
def test_any_other_text_is_no_set(text: str) -> None:
    with pytest.raises(DbHandlerError, match="tells no set of transactions"):
        GtidSet.parse(text)
