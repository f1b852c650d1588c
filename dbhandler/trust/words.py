"""Bytes as words that fit into tags, answers, settings and commands: base64url without padding (RFC 4648, 5)."""

from __future__ import annotations

import base64
import binascii


def encode(raw: bytes) -> str:
    """The one word that stands for these bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(word: str, size: int) -> bytes:
    """The bytes of a word. Raises ValueError, which quotes nothing, for any that `encode` does not make of `size`
    bytes: no two words stand for the same."""
    try:
        raw = base64.urlsafe_b64decode(word.encode("ascii") + b"=" * (-len(word) % 4))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("it is no base64url") from error
    if len(raw) != size or encode(raw) != word:
        raise ValueError(f"it is not {size} bytes in base64url")
    return raw


def is_word(word: object, size: int) -> bool:
    """Does this stand for so many bytes?"""
    try:
        return isinstance(word, str) and bool(decode(word, size))
    except ValueError:
        return False
