"""Proves answers: by the pool's secret, bound to the question and, where a box was sent, to who could open it."""

from __future__ import annotations

import os
from collections.abc import Callable

from dbhandler.requests.answer import MAX_BYTES, decode, encode, fitting
from dbhandler.requests.box import Keys
from dbhandler.requests.question import Question, question_of
from dbhandler.trust.pool import Pool
from dbhandler.trust.signature import Purpose

_ECHOED = ("database", "user")
"""What the asker has said itself: an answer with a proof has no room for it."""
_NO_SIGNATURE = "-" * 86


class Signer:
    """Signs answers for whoever wants a proof. keys opens the boxes that were asked with, where there may be any;
    authority is the fingerprint of who has signed the server's certificate."""

    def __init__(
        self, pool: Pool, keys: Keys | None = None, authority: Callable[[], str | None] = lambda: None
    ) -> None:
        self._pool, self._keys, self._authority = pool, keys, authority

    def signed(self, query: str, payload: bytes, line: bytes) -> bytes:
        """The line of an answer with its proof; as it is for a question that asks for none."""
        question = question_of(query, payload)
        reply = self._keys.reply_word(question.sealed) if self._keys and question.sealed else None
        if question.nonce is None and reply is None:
            return line
        return self._proved(question, reply, {key: value for key, value in decode(line).items() if key not in _ECHOED})

    def _proved(self, question: Question, reply: str | None, fields: dict[str, object]) -> bytes:
        key = self._pool.key_for(question.hints)
        fields = {**fields, "pool": self._pool.id, "authority": self._authority()}
        room = MAX_BYTES - len(encode({"signature": _NO_SIGNATURE})) + len(os.linesep)
        fields = fitting(fields, room)
        return encode({**fields, "signature": key.sign(Purpose.ANSWER, question.content(fields, reply))})
