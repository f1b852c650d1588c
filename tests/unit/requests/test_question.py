"""What binds an answer to its question."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.requests.payload import Request, parse_one
from dbhandler.requests.question import HINTS, Question, is_nonce, new_nonce, question_of

NONCE = "AAAAAAAAAAAAAAAAAAAAAA"


def payload(**values: object) -> bytes:
    return json.dumps(values).encode()


def test_a_nonce_is_new_each_time() -> None:
    made = {new_nonce() for _ in range(50)}
    assert len(made) == 50
    assert all(is_nonce(nonce) and len(nonce) == 22 for nonce in made)


@pytest.mark.parametrize("word", [None, 7, "", NONCE[:-1], f"{NONCE}A", f"{NONCE[:-1]}!", [NONCE], "x" * 10_000])
def test_what_is_no_nonce_is_none(word: object) -> None:
    assert not is_nonce(word)
    assert question_of("find_db", payload(database="shop", nonce=word)).nonce is None


def test_a_question_is_read_from_its_payload() -> None:
    asked = payload(database="shop", nonce=NONCE, sealed="box", pool="abcdefgh -_345678")
    assert question_of("find_db", asked) == Question("find_db", asked, NONCE, "box", ["abcdefgh", "-_345678"])


@pytest.mark.parametrize("plain", [b"", b"shop", b"shop blog", b"[1]", b"\xff", b"{", b'"x"', b"[" * 5000])
def test_a_payload_without_an_object_asks_for_no_proof(plain: bytes) -> None:
    assert question_of("find_db", plain) == Question("find_db", plain)


@pytest.mark.parametrize(
    "hints",
    ["", "short", "abcdefgh ", " abcdefgh", "abcdefgh  abcdefgh", "abcdefgh\n", "ä" * 8, 7, None, ["abcdefgh"],
     " ".join(["abcdefgh"] * 9)],
)  # fmt: skip
def test_what_is_no_hint_is_left_out(hints: object) -> None:
    assert question_of("find_db", payload(nonce=NONCE, pool=hints)) == Question(
        "find_db", payload(nonce=NONCE, pool=hints), NONCE
    )


def test_as_many_hints_as_a_server_has_secrets_and_one_more() -> None:
    assert HINTS.fullmatch(" ".join(["abcdefgh"] * 8))


@pytest.mark.parametrize("sealed", [7, None, ["box"], {}])
def test_a_box_that_is_no_text_is_none(sealed: object) -> None:
    assert question_of("create_db", payload(sealed=sealed)).sealed is None


@given(st.binary(max_size=200))
def test_no_payload_is_too_odd_to_be_a_question(raw: bytes) -> None:
    assert question_of("find_db", raw).payload == raw


def test_the_content_is_of_this_query_this_payload_this_box_and_this_answer() -> None:
    question, answer = question_of("find_db", payload(database="shop", nonce=NONCE)), {"status": "absent"}
    content = question.content(answer, None)
    assert content == {
        "query": "find_db", "question": hashlib.sha256(question.payload).hexdigest(), "reply": None, "answer": answer,
    }  # fmt: skip
    others = [
        question_of("create_db", question.payload).content(answer, None),
        question_of("find_db", payload(database="shop", nonce=new_nonce())).content(answer, None),
        question_of("find_db", payload(database="blog", nonce=NONCE)).content(answer, None),
        question.content(answer, "word"),
        question.content({"status": "exists"}, None),
    ]
    assert content not in others


def test_the_line_end_that_serf_gives_its_handlers_is_no_part_of_the_question() -> None:
    given = payload(database="shop", nonce=NONCE)
    assert question_of("find_db", given + b"\n").content({}, None) == question_of("find_db", given).content({}, None)


def test_a_request_may_bring_what_is_about_its_answer() -> None:
    assert parse_one(payload(database="shop", nonce=NONCE, pool="abcdefgh")) == Request("shop")
