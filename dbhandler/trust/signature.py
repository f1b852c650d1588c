"""What is signed and how it is checked: Ed25519 (RFC 8032) over one canonical form of JSON, for one purpose each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from dbhandler.trust import words

SIGNATURE_BYTES, ID_BYTES = 64, 32
HINT = 8
"""Letters of a pool's id by which an asker says whom it believes: room is short, and nothing depends on it."""


class Purpose(StrEnum):
    """What a signature is for: one that was made for something else counts for nothing."""

    MEMBER = "dbhandler member"
    ANSWER = "dbhandler answer"


class Key:
    """One secret's pair for signing. Its public half is the pool's id: 43 letters, digits, '-' and '_'."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.id = words.encode(bytes(self._key.verify_key))

    def sign(self, purpose: Purpose, content: Mapping[str, object]) -> str:
        """The signature, in base64url."""
        return words.encode(self._key.sign(_message(purpose, content)).signature)


def is_genuine(pool_id: str, purpose: Purpose, content: Mapping[str, object], signature: str) -> bool:
    """Has the pool of this id signed this content for this purpose? Whatever is no id or no signature has not."""
    return _verified(pool_id, _message(purpose, content), signature)


def is_pool_id(word: object) -> bool:
    """Is it the public name of a pool?"""
    return words.is_word(word, ID_BYTES)


def is_signature(word: object) -> bool:
    """Has it a signature's form?"""
    return words.is_word(word, SIGNATURE_BYTES)


# Members stand in the cluster for long, and are looked at again and again.
@lru_cache(maxsize=4096)
def _verified(pool_id: str, message: bytes, signature: str) -> bool:
    try:
        VerifyKey(words.decode(pool_id, ID_BYTES)).verify(message, words.decode(signature, SIGNATURE_BYTES))
    except (ValueError, CryptoError):
        return False
    return True


def _message(purpose: Purpose, content: Mapping[str, object]) -> bytes:
    # One form for one content, whatever order and spaces it came with.
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"{purpose}\0{text}".encode()
