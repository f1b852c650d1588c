"""What makes an answer belong to one question: a word that only its asker has thought of, in the payload or in the box.

Also whom the asker believes, so that the server knows with which of its secrets to prove its answer.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dbhandler.requests.answer import decode
from dbhandler.trust import words

NONCE_BYTES = 16
HINTS = re.compile(r"[A-Za-z0-9_-]{8}( [A-Za-z0-9_-]{8}){0,7}")
"""The beginnings of pools' ids; of more there is no room."""
MOST_HINTS = 8


@dataclass(frozen=True)
class Question:
    """A query as its answer is bound to it. nonce is the word in the payload, None where the answer need not be
    proved; sealed is the box, which may hold the word instead; hints are those of the pools that are believed."""

    query: str
    payload: bytes
    nonce: str | None = None
    sealed: str | None = None
    hints: Collection[str] = ()

    def content(self, answer: Mapping[str, object], reply: str | None) -> Mapping[str, object]:
        """What is signed with an answer to it; reply is the word in the box."""
        # Serf gives its handlers a line.
        asked = hashlib.sha256(self.payload.rstrip(b"\n")).hexdigest()
        return {"query": self.query, "question": asked, "reply": reply, "answer": dict(answer)}


def new_nonce() -> str:
    """A word that nobody else has thought of."""
    return words.encode(os.urandom(NONCE_BYTES))


def is_nonce(word: object) -> bool:
    """Has it the form of such a word?"""
    return words.is_word(word, NONCE_BYTES)


def question_of(query: str, payload: bytes) -> Question:
    """The question in a query's payload, whatever that is: its rules are others' matter (payload.py)."""
    values: Mapping[str, Any] = decode(payload)
    nonce, sealed, hints = (values.get(key) for key in ("nonce", "sealed", "pool"))
    return Question(
        query,
        payload,
        nonce if is_nonce(nonce) else None,
        sealed if isinstance(sealed, str) else None,
        hints.split() if isinstance(hints, str) and HINTS.fullmatch(hints) else (),
    )
