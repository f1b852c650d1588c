"""The last thing that went wrong."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.agent.last_error import MAX_BYTES, LastError, cut
from tests.support.fakes import Clock

AT = "1970-01-01T00:16:40Z"


@pytest.fixture
def errors(clock: Clock) -> LastError:
    made = LastError(clock)
    logging.getLogger("dbhandler").addHandler(made)
    return made


def test_nothing_went_wrong_so_far(errors: LastError) -> None:
    logging.getLogger("dbhandler.agent.queries").warning("a warning")
    assert errors.fields() == {}
    assert errors.lines == 0


def test_the_newest_error_line_of_any_module_is_told_with_its_time(errors: LastError, clock: Clock) -> None:
    logging.getLogger("dbhandler.agent.drain").error("the first")
    clock.advance(60)
    logging.getLogger("dbhandler.agent.queries").error("query %s failed", "find_db")
    assert errors.fields() == {"last_error": "query find_db failed", "last_error_at": "1970-01-01T00:17:40Z"}
    assert errors.lines == 2


def test_what_is_wrong_now_comes_first_and_is_not_kept(errors: LastError) -> None:
    errors.note("it was down")
    assert errors.fields("no admin account yet") == {"last_error": "no admin account yet", "last_error_at": AT}
    assert errors.fields() == {"last_error": "it was down", "last_error_at": AT}
    assert errors.lines == 0


@given(st.text(max_size=600))
def test_it_is_one_line_that_fits_into_an_answer(text: str) -> None:
    line = cut(text.encode("utf-8", "replace").decode())
    assert line.isprintable()
    assert len(json.dumps(line, ensure_ascii=False).encode()) - 2 <= MAX_BYTES


@pytest.mark.parametrize("text", ["x" * MAX_BYTES, "short", ""])
def test_what_fits_stays_whole(text: str) -> None:
    assert cut(text) == text


@pytest.mark.parametrize("character", ["x", '"', "\N{SNOWMAN}", "\N{PILE OF POO}"])
def test_what_does_not_fit_is_cut_no_more_than_needed(character: str) -> None:
    line = cut(character * 1000)
    assert line.strip(character) == "…"
    assert MAX_BYTES - 5 < len(json.dumps(line, ensure_ascii=False).encode()) - 2 <= MAX_BYTES


def test_what_was_asked_and_the_reason_both_survive() -> None:
    line = cut("query create_db: '" + "a" * 1000 + "' failed: no room left")
    assert line.startswith("query create_db: 'aa")
    assert line.endswith("aa' failed: no room left")


def test_what_stands_is_told_as_long_as_it_does(clock: Clock) -> None:
    standing = ["the state is lost"]
    errors = LastError(clock, standing=lambda: next(iter(standing), None))
    errors.note("it was down")
    assert errors.fields()["last_error"] == "the state is lost"
    assert errors.fields("it is down")["last_error"] == "it is down"
    errors.emit(logging.makeLogRecord({"msg": "the state is lost", "levelno": logging.ERROR}))
    assert errors.lines == 1
    standing.clear()
    assert errors.fields()["last_error"] == "it was down"
