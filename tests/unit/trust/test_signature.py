"""What is signed: one content in one form, for one purpose, by one pool."""

from __future__ import annotations

import pytest
from nacl.signing import VerifyKey

from dbhandler.trust import words
from dbhandler.trust.signature import Key, Purpose, is_genuine, is_pool_id, is_signature

KEY, OTHER = Key(bytes(32)), Key(b"\x01" * 32)
CONTENT = {"host": "10.0.0.1", "port": 3306, "name": "ü"}
SIGNED = KEY.sign(Purpose.ANSWER, CONTENT)


def test_what_a_pool_has_signed_is_genuine() -> None:
    assert is_genuine(KEY.id, Purpose.ANSWER, CONTENT, SIGNED)
    assert is_signature(SIGNED) and is_pool_id(KEY.id)


def test_it_is_ed25519_over_purpose_and_content_so_that_others_can_check_it() -> None:
    message = b'dbhandler answer\0{"host":"10.0.0.1","name":"\\u00fc","port":3306}'
    VerifyKey(words.decode(KEY.id, 32)).verify(message, words.decode(SIGNED, 64))


def test_a_signature_for_one_purpose_is_none_for_another() -> None:
    assert not is_genuine(KEY.id, Purpose.MEMBER, CONTENT, SIGNED)


def test_a_signature_is_of_one_pool() -> None:
    assert not is_genuine(OTHER.id, Purpose.ANSWER, CONTENT, SIGNED)


@pytest.mark.parametrize(
    "content",
    [{**CONTENT, "port": 3307}, {**CONTENT, "port": "3306"}, {**CONTENT, "more": None}, {"host": "10.0.0.1"}, {}],
)
def test_a_changed_content_is_not_what_was_signed(content: dict[str, object]) -> None:
    assert not is_genuine(KEY.id, Purpose.ANSWER, content, SIGNED)


def test_the_order_of_a_content_means_nothing() -> None:
    assert is_genuine(KEY.id, Purpose.ANSWER, dict(reversed(CONTENT.items())), SIGNED)


@pytest.mark.parametrize(
    "text", ["", "x", SIGNED[:-1], f"{SIGNED}=", f"{SIGNED[:-1]}{chr(ord(SIGNED[-1]) + 1)}", "ü" * 86]
)
def test_what_is_no_signature_is_none_and_no_error(text: str) -> None:
    assert not is_genuine(KEY.id, Purpose.ANSWER, CONTENT, text)


@pytest.mark.parametrize("pool", ["", "x", KEY.id[:-1], f"{KEY.id}=", "-" * 43, "ü" * 43])
def test_what_is_no_pool_has_signed_nothing(pool: str) -> None:
    assert not is_genuine(pool, Purpose.ANSWER, CONTENT, SIGNED)


def test_the_word_for_a_key_that_everybody_can_sign_with_is_believed_nothing() -> None:
    """Ed25519 has points of small order: with one of them as the public key one signature would fit any content."""
    for point in (bytes(32), b"\x01" + bytes(31)):
        forged = words.encode(point + bytes(32))
        assert not is_genuine(words.encode(point), Purpose.ANSWER, CONTENT, forged)


@pytest.mark.parametrize("value", [float("nan"), 1e400, "\ud800", [[]] * 3, {"b": 1, "a": 2}, None, True])
def test_whatever_stands_in_an_answer_can_be_checked(value: object) -> None:
    content = {"answer": value}
    assert is_genuine(KEY.id, Purpose.ANSWER, content, KEY.sign(Purpose.ANSWER, content))
