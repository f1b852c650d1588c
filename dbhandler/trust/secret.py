"""The secret of a pool as it is written: what the servers, proxies and backups of a pool know, and nobody else.

Light to import: the entry point checks its settings before anything else is there.
"""

from __future__ import annotations

import os

from dbhandler.trust import words

SECRET_BYTES = 32
MOST = 3
"""Secrets that a server may know at once: the old one, the new one, and one of a change that was never ended."""


def new_secret() -> str:
    """A secret, as DBHANDLER_POOL_SECRET takes it: 43 letters, digits, '-' and '_'."""
    return words.encode(os.urandom(SECRET_BYTES))


def parse(text: str) -> tuple[bytes, ...]:
    """The secrets in a setting, the one to sign with first; several stand with white space between them, while one
    takes the place of another. Raises ValueError, which quotes none of them."""
    written = text.split()
    if not 1 <= len(written) <= MOST or len(set(written)) != len(written):
        raise ValueError(f"it has to hold 1 to {MOST} different secrets, with a space between them")
    try:
        return tuple(words.decode(word, SECRET_BYTES) for word in written)
    except ValueError as error:
        raise ValueError("a secret is 32 bytes in base64url: dbhandler-pool keygen makes one") from error
