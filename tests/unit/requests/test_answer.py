"""Answers to queries: one line that Serf can carry."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.requests.answer import MAX_BYTES, decode, encode, fitting, unavailable

# Serf 0.8 wraps an answer in a message with the responder's name; the whole may have 1,024 bytes.
ENVELOPE = 120
text = st.text(st.characters(exclude_categories=["Cs"]))


def longest(reason: str | None = None) -> dict[str, object]:
    """An answer with the longest names: 64 characters of three bytes, a host name and a user at their limits."""
    return {
        "status": "unavailable", "database": "\N{SNOWMAN}" * 64, "host": "h" * 253, "port": 65535, "user": "u" * 80,
        "reason": reason,
    }  # fmt: skip


def test_an_answer_is_one_line_of_json_without_what_is_none() -> None:
    assert (
        encode({"status": "created", "database": "ü", "user": None})
        == b'{"status": "created", "database": "\xc3\xbc"}\n'
    )


def test_the_longest_names_stay_within_serfs_limit_and_are_whole() -> None:
    line = encode(longest())
    assert len(line) + ENVELOPE <= 1024
    assert json.loads(line) == {key: value for key, value in longest().items() if value is not None}


@given(text)
def test_the_longest_names_stay_within_serfs_limit_with_any_reason(reason: str) -> None:
    line = encode(longest(reason * 50))
    assert len(line) <= MAX_BYTES + 1
    assert len(line) + ENVELOPE <= 1024
    assert line.count(b"\n") == 1
    answer = json.loads(line)
    assert answer["database"] == longest()["database"]
    assert (reason * 50).startswith(answer["reason"].removesuffix("…"))


@pytest.mark.parametrize("reason", ["x" * 900, '"' * 900, "\\" * 900, "\0" * 900, "\N{PILE OF POO}" * 900, "é" * 900])
def test_a_reason_that_grows_by_encoding_is_cut_as_well(reason: str) -> None:
    line = encode({"status": "invalid", "reason": reason})
    assert len(line) <= MAX_BYTES + 1
    assert json.loads(line)["reason"].endswith("…")


def test_a_short_reason_is_not_cut() -> None:
    assert json.loads(encode({"reason": "x" * 800}))["reason"] == "x" * 800


def test_what_cannot_be_cut_is_not_sent() -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        encode({"status": "x" * 1000})


def test_unavailable_says_why() -> None:
    assert json.loads(unavailable("away")) == {"status": "unavailable", "reason": "away"}


def test_a_reason_that_just_fits_is_not_cut_and_a_longer_one_hardly_more_than_needed() -> None:
    room = MAX_BYTES - len(encode({"status": "failed", "reason": ""})) + 1
    fits = encode({"status": "failed", "reason": "x" * room})
    assert len(fits) == MAX_BYTES + 1 and json.loads(fits)["reason"] == "x" * room
    cut = encode({"status": "failed", "reason": "x" * (room + 1)})
    assert MAX_BYTES - 5 < len(cut) <= MAX_BYTES + 1 and json.loads(cut)["reason"].endswith("x…")


def test_what_fits_is_left_as_it_is_but_for_what_is_none() -> None:
    fields = {"status": "failed", "reason": "x" * 20, "last_error": "y" * 20, "host": None}
    assert fitting(fields, 900) == {"status": "failed", "reason": "x" * 20, "last_error": "y" * 20}
    assert fields["host"] is None and len(str(fields["reason"])) == 20


@given(reason=text, error=text, most=st.integers(200, 900))
def test_prose_is_cut_until_all_fits_the_reason_first(reason: str, error: str, most: int) -> None:
    fields = {"status": "failed", "host": "h" * 50, "reason": reason * 9, "last_error": error * 9}
    fitted = fitting(fields, most)
    assert len(encode(fitted)) <= most + 1
    assert (fitted["status"], fitted["host"]) == ("failed", "h" * 50)
    if fitted["last_error"] != error * 9:
        assert fitted["reason"] == "…"


def test_what_cannot_be_cut_stays_too_long() -> None:
    assert fitting({"host": "h" * 90, "reason": 7}, 20) == {"host": "h" * 90, "reason": 7}


@pytest.mark.parametrize("line", [b"", b"\xff", b"[]", b"7", b"null", b"{", b"[" * 5000])
def test_what_is_no_answer_has_no_fields(line: bytes) -> None:
    assert decode(line) == {}
    assert decode(b'{"a": 1}\n') == {"a": 1}
