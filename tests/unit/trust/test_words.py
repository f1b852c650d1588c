"""Bytes as words: for every bytes one word, and for that word these bytes alone."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.trust import words

WORD = words.encode(bytes(range(32)))


@given(raw=st.binary(max_size=80))
def test_every_word_brings_its_bytes_back(raw: bytes) -> None:
    assert words.decode(words.encode(raw), len(raw)) == raw


def test_a_word_holds_what_needs_no_quoting() -> None:
    assert words.encode(b"\xff\xef\xbe\x00") == "_---AA"


@pytest.mark.parametrize(
    "other",
    [
        f"{WORD}=", f" {WORD}", f"{WORD}\n", f"{WORD[:9]}\n{WORD[9:]}", f"{WORD}!", WORD[:-1], f"{WORD}A",
        # Bits that stand for nothing are a second form of the same bytes.
        f"{WORD[:-1]}9", "ä" * 43, "", base64.b64encode(b"\xff" * 32).decode(),
    ],
)  # fmt: skip
def test_words_have_one_form_only(other: str) -> None:
    assert not words.is_word(other, 32)
    with pytest.raises(ValueError, match=r"^it is (no base64url|not 32 bytes in base64url)$"):
        words.decode(other, 32)


def test_what_is_no_text_is_no_word() -> None:
    assert words.is_word(WORD, 32)
    for other in (None, 7, [WORD], WORD.encode()):
        assert not words.is_word(other, 32)


def test_a_word_for_more_or_fewer_bytes_is_another_thing() -> None:
    assert not words.is_word(WORD, 31) and not words.is_word(WORD, 33)
