"""What is wrong with a trail: each kind of tampering has its sentence, and what is whole has none."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.audit.chain import Chain
from dbhandler.audit.head import Head
from dbhandler.audit.record import BEGINS, Entry, line_of, read

Lines = list[str]


def trail(count: int, previous: str = "f" * 64, first: int = 1) -> Lines:
    """A whole trail of so many lines."""
    lines: Lines = []
    for number in range(first, first + count):
        lines.append(line_of(Entry("create_db", "created", f"shop{number}"), number, previous, "db", number * 1e6))
        previous = hash_of(lines[-1])
    return lines


def hash_of(line: str) -> str:
    link = read(line)
    assert link
    return link.hash


def forged(line: str, **changes: object) -> str:
    """The line with other content and a hash that is right for it."""
    content = json.loads(line) | changes
    entry = Entry(content["operation"], content["outcome"], content["database"])
    return line_of(entry, content["number"], content["previous"], "db", 0.0)


def chain(lines: Lines, first: int = 1) -> Chain:
    made = Chain(first)
    for number, line in enumerate(lines, 1):
        made.add(f"line {number}", line)
    return made


def complaints(lines: Lines, first: int = 1) -> list[str]:
    return chain(lines, first).complaints()


WHOLE = trail(6)
ONE, TWO, THREE, FOUR, FIVE, SIX = WHOLE


def test_what_is_whole_says_from_where_to_where() -> None:
    made = chain(WHOLE)
    assert made.complaints() == []
    assert str(made) == ("6 lines, whole, from number 1 (1970-01-12T13:46:40.000Z) to 6 (1970-03-11T10:40:00.000Z)")
    assert str(chain([ONE])).startswith("1 line, whole")
    assert str(chain([])) == "no lines yet"


def test_other_lines_are_passed_over() -> None:
    others = ["", "2026-01-01 [Note] [serf]: x", "{}", '{"time": 1}', f'... said {BEGINS}: 1, "number": 9}}', "\x00"]
    mixed = [line for pair in zip(others, WHOLE, strict=True) for line in pair]
    assert complaints(mixed) == []


ALTERED = "number 2 (line 2) was altered: its hash is that of something else"
NONE = "begins like a line of the trail and is none: it was altered, or forged"
INSERTED = "one of them was inserted, or altered together with its hash"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([ONE, TWO, FOUR, FIVE], "number 3 is missing, removed between line 2 and line 3"),
        ([ONE, SIX], "the numbers 2 to 5 are missing, removed between line 1 and line 2"),
        (
            WHOLE[2:],
            "the trail begins with number 3: the numbers 1 to 2 are missing; if an older file has them, give that one "
            "before, or --from 3",
        ),
        ([ONE, TWO.replace("created", "dropped"), THREE], ALTERED),
        ([ONE, TWO.replace(hash_of(TWO), "0" * 64), THREE], ALTERED),
        ([ONE, TWO[:-9], TWO, THREE], "line 2 " + NONE),
        ([BEGINS, *WHOLE], "line 1 " + NONE),
        ([BEGINS + "!", *WHOLE], "line 1 " + NONE),
        (
            [ONE, forged(TWO, database="blog"), THREE],
            "number 3 (line 3) does not follow on number 2: " + INSERTED,
        ),
        (
            [ONE, TWO, forged(TWO, database="blog"), THREE],
            "number 2 is there twice, with different contents (line 2, line 3): one was inserted",
        ),
        ([ONE, THREE, TWO, FOUR], "number 2 (line 3) stands behind number 3: their order was changed"),
        ([TWO, THREE, ONE], "number 1 (line 3) stands behind number 3: their order was changed"),
        ([ONE, TWO, THREE, ONE], "number 1 (line 1) stands again further down (line 4)"),
    ],
)  # fmt: skip
def test_each_kind_of_tampering_is_told_in_one_sentence(lines: Lines, sentence: str) -> None:
    assert complaints(lines) == [sentence]


def test_a_line_that_a_kill_had_written_twice_is_one() -> None:
    assert complaints([ONE, TWO, TWO, THREE]) == []


def test_a_rotated_trail_is_whole_where_its_beginning_is_known() -> None:
    assert complaints(WHOLE[2:], first=3) == []
    assert complaints(WHOLE, first=3) == []
    assert complaints(WHOLE[3:], first=3)[0].startswith("the trail begins with number 4: number 3 is missing")


def test_a_second_beginning_is_told() -> None:
    assert len(complaints([*WHOLE, *trail(6, "e" * 64)])) == 6


# --- in between other output ---


def test_a_line_behind_the_first_half_of_somebody_elses_counts_where_only_it_fits() -> None:
    behind = ["[Note] mysqld: half a l" + line for line in (TWO, THREE, SIX)]
    assert complaints([ONE, *behind[:2], FOUR, FIVE, behind[2]]) == []
    # As `docker logs -t` has them all.
    assert complaints(["2026-01-01T00:00:00Z " + line for line in WHOLE]) == []


def test_who_quotes_a_line_changes_nothing() -> None:
    quoted = [f"serf says {line}" for line in (TWO, forged(TWO, database="x"), forged(SIX, number=7), "{" + BEGINS)]
    assert complaints([*quoted, *WHOLE, *quoted]) == []
    assert chain([*WHOLE, *quoted]).end_complaints(Head(SIX), Head(SIX)) == []
    # It fills no gap but its own.
    assert complaints([ONE, f"x {forged(TWO, previous='0' * 64)}", THREE]) == [
        "number 2 is missing, removed between line 1 and line 3"
    ]


# --- the end ---


def ends(lines: Lines, before: Head, after: Head | None = None) -> list[str]:
    made = chain(lines)
    assert made.complaints() == []
    return made.end_complaints(before, after or before)


def test_the_end_is_what_the_server_says() -> None:
    assert ends(WHOLE, Head(SIX)) == []
    assert ends([], Head()) == []
    # Written while it was looked at.
    assert ends(WHOLE, Head(FOUR), Head(SIX)) == []
    assert ends(WHOLE[:5], Head(FOUR), Head(SIX)) == []
    # One is still to be written.
    assert ends(WHOLE, Head(SIX, written=False)) == []
    assert ends(WHOLE[:5], Head(SIX, written=False)) == []
    assert ends([], Head(ONE, written=False)) == []


def test_what_was_cut_off_is_told() -> None:
    assert ends(WHOLE[:5], Head(SIX)) == ["number 6 is missing at the end, which was cut off"]
    assert ends(WHOLE[:2], Head(SIX, written=False)) == ["the numbers 3 to 5 are missing at the end, which was cut off"]
    assert ends([], Head(SIX)) == ["the numbers 1 to 6 are missing at the end, which was cut off"]


def test_what_was_added_is_told() -> None:
    assert ends(WHOLE, Head(FOUR)) == [
        "the numbers 5 to 6 are inserted at the end: this server has not written so many"
    ]
    assert ends([ONE], Head()) == ["number 1 is inserted at the end: this server has not written so many"]


def test_a_trail_that_somebody_has_made_anew_is_another_one() -> None:
    assert ends(trail(6, "a" * 64), Head(SIX)) == ["number 6 (line 6) is not the line that this server has written"]
    assert ends(trail(7, "a" * 64), Head(SIX))


# --- whatever is done to it ---


@given(st.sets(st.integers(0, 5), min_size=1))
def test_no_lines_can_be_removed(which: set[int]) -> None:
    left = chain([line for number, line in enumerate(WHOLE) if number not in which])
    assert left.complaints() or left.end_complaints(Head(SIX), Head(SIX))


@given(st.permutations(WHOLE))
def test_no_order_but_one_is_whole(lines: Lines) -> None:
    assert (complaints(lines) == []) is (lines == WHOLE)


@given(st.integers(0, 5), st.integers(0, len(ONE) - 1), st.characters(codec="ascii", exclude_characters="\n"))
def test_no_character_can_be_another_one(which: int, position: int, character: str) -> None:
    line = WHOLE[which]
    changed = line[:position] + character + line[position + 1 :]
    made = chain([*WHOLE[:which], changed, *WHOLE[which + 1 :]])
    found = made.complaints() + made.end_complaints(Head(SIX), Head(SIX))
    assert bool(found) is (changed != line)


def test_no_two_lines_can_change_places() -> None:
    for one, other in itertools.combinations(range(6), 2):
        lines = list(WHOLE)
        lines[one], lines[other] = lines[other], lines[one]
        assert complaints(lines)


def test_a_line_that_cannot_be_read_any_more_is_missing_as_well() -> None:
    assert len(complaints([ONE, TWO[:-9], THREE])) == 2
