"""Answers with their proof: for whoever asks for one, bound to the question, within what Serf can carry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbhandler.client.verified import hints, verified
from dbhandler.requests.answer import MAX_BYTES, encode
from dbhandler.requests.box import Credentials, Keys, seal
from dbhandler.requests.question import new_nonce, question_of
from dbhandler.requests.signer import Signer
from dbhandler.trust.signature import Purpose, is_genuine
from tests.support.pools import CHANGING, NEXT, OURS

LINE = encode({"status": "created", "database": "shop", "host": "10.0.0.1", "port": 3306, "user": "clerk"})


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "key")


@pytest.fixture
def signer(keys: Keys) -> Signer:
    return Signer(OURS, keys, lambda: None)


def asked(**values: object) -> bytes:
    return json.dumps({"database": "shop", **values}).encode()


def box(keys: Keys, reply: str | None = "a word") -> str:
    return seal(keys.public, Credentials("shop", "clerk", "a password of clerk", reply=reply))


@pytest.mark.parametrize("payload", [b"", b"shop", b"\xff", asked(), asked(nonce="short"), asked(sealed="no box")])
def test_who_asks_for_no_proof_gets_the_answer_as_it_is(signer: Signer, payload: bytes) -> None:
    assert signer.signed("create_db", payload, LINE) == LINE


def test_a_box_without_a_word_as_older_clients_send_it_asks_for_none(signer: Signer, keys: Keys) -> None:
    assert signer.signed("create_db", asked(sealed=box(keys, reply=None)), LINE) == LINE


def test_a_box_that_another_server_can_open_asks_this_one_for_nothing(signer: Signer, tmp_path: Path) -> None:
    assert signer.signed("create_db", asked(sealed=box(Keys(tmp_path / "other"))), LINE) == LINE


def test_a_nonce_is_answered_with_a_proof_and_without_what_the_asker_has_said(signer: Signer) -> None:
    payload = asked(nonce=new_nonce())
    line = signer.signed("find_db", payload, LINE)
    fields = json.loads(line)
    signature = fields.pop("signature")
    assert fields == {"status": "created", "host": "10.0.0.1", "port": 3306, "pool": OURS.id}
    question = question_of("find_db", payload)
    assert is_genuine(OURS.id, Purpose.ANSWER, question.content(fields, None), signature)
    assert line.endswith(b"}\n") and line.count(b"\n") == 1


def test_a_word_in_a_box_binds_the_answer_to_who_could_open_it(signer: Signer, keys: Keys) -> None:
    payload = asked(sealed=box(keys))
    line, question = signer.signed("create_db", payload, LINE), question_of("create_db", payload)
    assert verified(line, question, "a word", [OURS.id]).host == "10.0.0.1"
    for other in ("another", None):
        with pytest.raises(ValueError, match="its signature is wrong"):
            verified(line, question, other, [OURS.id])
    assert b"a word" not in line


def test_it_is_signed_by_the_secret_that_the_asker_believes_and_names_the_present_one(keys: Keys) -> None:
    signer = Signer(CHANGING, keys, lambda: None)
    for believed, signs in (([OURS.id], OURS), ([NEXT.id], NEXT), ([], NEXT), (["-" * 43], NEXT)):
        payload = asked(nonce=new_nonce(), **hints(believed))
        line = signer.signed("find_db", payload, LINE)
        assert verified(line, question_of("find_db", payload), None, [signs.id]).pool == NEXT.id
        others = ({OURS.id, NEXT.id} - {signs.id}).pop()
        with pytest.raises(ValueError, match="its signature is wrong"):
            verified(line, question_of("find_db", payload), None, [others])


def test_who_signs_the_certificate_is_named_under_the_signature(keys: Keys) -> None:
    payload = asked(nonce=new_nonce())
    line = Signer(OURS, keys, lambda: NEXT.id).signed("find_db", payload, LINE)
    question = question_of("find_db", payload)
    assert verified(line, question, None, [OURS.id]).authority == NEXT.id
    other = line.replace(NEXT.id.encode(), b"-" * 43)
    with pytest.raises(ValueError, match=r"its signature is wrong|its authority"):
        verified(other, question, None, [OURS.id])


@pytest.mark.parametrize("text", ["x" * 900, '"' * 900, "\N{SNOWMAN}" * 300, "\x01" * 400, "ü" * 450])
def test_the_longest_answer_fits_and_is_genuine(keys: Keys, text: str) -> None:
    payload, host = asked(nonce=new_nonce()), ".".join(["h" * 63, "o" * 63, "s" * 63, "t" * 61])
    line = encode({"status": "unavailable", "reason": text, "host": host, "port": 65535, "last_error": text[:20]})
    signed = Signer(OURS, keys, lambda: NEXT.id).signed("status_db", payload, line)
    assert len(signed) <= MAX_BYTES + 1
    answer = verified(signed, question_of("status_db", payload), None, [OURS.id])
    assert answer.host == host and answer.reason and answer.reason.endswith("…")


def test_an_answer_that_just_fits_is_whole(signer: Signer) -> None:
    payload = asked(nonce=new_nonce())

    def length(reason: str) -> int:
        return len(signer.signed("find_db", payload, encode({"status": "denied", "reason": reason})))

    room = MAX_BYTES + 1 - length("")
    fits = signer.signed("find_db", payload, encode({"status": "denied", "reason": "x" * room}))
    assert (len(fits), json.loads(fits)["reason"]) == (MAX_BYTES + 1, "x" * room)
    longer = signer.signed("find_db", payload, encode({"status": "denied", "reason": "x" * (room + 1)}))
    assert len(longer) <= MAX_BYTES + 1 and json.loads(longer)["reason"].endswith("x…")
    # What is cut is cut before it is signed.
    for line in (fits, longer):
        assert verified(line, question_of("find_db", payload), None, [OURS.id]).status == "denied"
