"""Asking so that the answer can be proved, and believing none that is not."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from dbhandler.requests.answer import decode
from dbhandler.requests.answer_record import Answer, parse
from dbhandler.requests.question import MOST_HINTS, Question, new_nonce, question_of
from dbhandler.trust.signature import HINT, Purpose, is_genuine, is_pool_id, is_signature


def hints(pools: Collection[str]) -> dict[str, str]:
    """The key of a payload that tells whom the asker believes; none where it believes everybody."""
    return {"pool": " ".join(pool[:HINT] for pool in [*pools][:MOST_HINTS])} if pools else {}


def question(query: str, values: Mapping[str, object], pools: Collection[str]) -> Question:
    """The question with these keys in its payload, whose answer has to be proved by one of the pools, or by that which
    it names itself."""
    return question_of(query, payload_of({**values, "nonce": new_nonce(), **hints(pools)}))


def payload_of(values: Mapping[str, object]) -> bytes:
    """One JSON object as it travels: as short as it can be, because room is."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def read(line: bytes, question: Question, pools: Collection[str]) -> Answer | None:
    """The answer in a line, proved where pools are known. None for a wrong one: as good as silence, but from whoever
    else says something under this name."""
    try:
        return verified(line, question, None, pools) if pools else parse(line)
    except ValueError:
        return None


def verified(line: bytes, question: Question, reply: str | None, pools: Collection[str]) -> Answer:
    """The answer in a line, proved as `proved` says. Raises ValueError, whose text says what is wrong with it."""
    proved(line, question, reply, pools)
    return parse(line)


def proved(line: bytes, question: Question, reply: str | None, pools: Collection[str]) -> Mapping[str, object]:
    """The fields of the answer in a line, whose signature has to be of one of these pools, for this question; with no
    pools, of the one that it names itself. reply is the word that was put into the box.

    Raises ValueError, whose text says what is wrong with it.
    """
    values = dict(decode(line))
    signature = values.pop("signature", None)
    if not isinstance(signature, str) or not is_signature(signature):
        raise ValueError("it is not signed")
    named, content = str(values.get("pool")), question.content(values, reply)
    believed = pools or filter(is_pool_id, [named])
    if not any(is_genuine(pool, Purpose.ANSWER, content, signature) for pool in believed):
        raise ValueError("its signature is wrong: it is forged, changed or an answer to something else")
    return values
