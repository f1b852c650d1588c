"""Answers to queries: one line that Serf can carry."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.answer import MAX_BYTES, encode, unavailable

# Serf 0.8 wraps an answer in a message with the responder's name; the whole may have 1,024 bytes.
ENVELOPE = 120
text = st.text(st.characters(exclude_categories=("Cs",)))


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
