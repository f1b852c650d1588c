"""A pool of servers as its own members know it: the keys that come from its secret.

Source of the derivation: HKDF with SHA-256 (RFC 5869), without a salt. The same secret gives the same keys on every
server, so that nothing has to be handed round.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler import files
from dbhandler.errors import DbHandlerError
from dbhandler.trust.secret import new_secret, parse
from dbhandler.trust.signature import HINT, Key


class Pool:
    """The pool of these secrets, the first of which signs; the others are believed and still answered for. Of none
    there is no id."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self.secrets = tuple(secrets)
        self.keys = tuple(Key(derived(secret, "signing")) for secret in secrets)

    @property
    def id(self) -> str:
        """The public name that applications are told."""
        return self.keys[0].id

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of all secrets, the present one first."""
        return tuple(key.id for key in self.keys)

    def key_for(self, hints: Collection[str]) -> Key:
        """The key to sign with for an asker that believes the pools whose ids begin with these hints."""
        return next((key for key in self.keys if key.id[:HINT] in hints), self.keys[0])


def derived(secret: bytes, purpose: str, size: int = 32) -> bytes:
    """`size` bytes for one purpose, as many as 8,160. They tell nothing of the secret, nor of those for another."""
    key, block, made = hmac.digest(bytes(32), secret, "sha256"), b"", b""
    for number in range(1, -(-size // hashlib.sha256().digest_size) + 1):
        block = hmac.digest(key, block + f"dbhandler pool {purpose}".encode() + bytes([number]), "sha256")
        made += block
    return made[:size]


def own_secret(path: Path) -> tuple[bytes, ...]:
    """The secret of a server that was given none, and is a pool of its own: in the file `path`, made at the first use.
    Raises DbHandlerError for a file that is not ours, OSError."""
    with suppress(FileNotFoundError):
        return _read(path)
    files.write_private_once(path, new_secret() + "\n")
    return _read(path)


def former_secret(path: Path) -> tuple[bytes, ...]:
    """What own_secret has made before a secret was given, or nothing. Raises as it does."""
    return _read(path) if path.exists() else ()


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        return parse(path.read_text(errors="replace"))
    except ValueError as error:
        raise DbHandlerError(f"the file {path} is damaged, {error}: restore it, or remove it") from error
