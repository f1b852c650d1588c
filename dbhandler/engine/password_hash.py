"""A password as its engine stores it. That is what statements carry, because servers write them down and send them on:
general, binary and slow log, galera.cache, a cluster's other nodes.

MySQL's own log rewrites passwords, but not with --log-raw; MariaDB's never does. What checks passwords on the server
(simple_password_check, validate_password) cannot look into a hash.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
from dataclasses import dataclass

from dbhandler import passwords
from dbhandler.errors import InvalidRequest

SALT_LENGTH, ROUNDS = 20, 5000
"""Of caching_sha2_password. Source: MySQL Server, sql/auth/sha2_password_common.h."""

_NATIVE = re.compile(r"\*[0-9A-F]{40}", re.ASCII)
_SHA2 = re.compile(r"\$A\$([0-9A-Fa-f]{3})\$(.{20})([./0-9A-Za-z]{43})", re.ASCII | re.DOTALL)

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = (
    (0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14),
    (15, 25, 5), (6, 16, 26), (27, 7, 17), (18, 28, 8), (9, 19, 29),
)  # fmt: skip
"""In which order SHA-crypt writes the bytes of a digest, three of them as four characters; the last two follow."""


@dataclass(frozen=True)
class Way:
    """One way to log in: the plugin, what it keeps of the password, and whether the account lets nobody in now."""

    plugin: str
    stored: str
    locked: bool

    def __repr__(self) -> str:
        return f"Way({self.plugin!r})"


def stored(password: str, engine: str) -> str:
    """The hash of mysql_native_password or caching_sha2_password (with a new salt each time): what these plugins keep
    of a password, and in the engines' words nothing for no password. Raises InvalidRequest where the engine would take
    the hash and never the password."""
    if not password:
        return ""
    if engine == "mariadb":
        return native_hash(password)
    if (length := len(password.encode())) > passwords.MAX_BYTES:
        raise InvalidRequest(f"a password for MySQL has at most {passwords.MAX_BYTES} bytes, this one has {length}")
    return sha2_hash(password, passwords.generate(SALT_LENGTH))


def matches(password: str, way: Way) -> bool | None:
    """Does an account's password fit what the server keeps of it? None where only the server could tell."""
    plugin, stored = way.plugin, way.stored
    if plugin == "mysql_native_password" and _NATIVE.fullmatch(stored):
        own = native_hash(password)
    elif plugin == "caching_sha2_password" and (parts := _SHA2.fullmatch(stored)):
        own = sha2_hash(password, parts[2], int(parts[1], 16) * 1000)
    else:
        return None
    return hmac.compare_digest(own.encode(), stored.encode()) and not way.locked


def native_hash(password: str) -> str:
    """What mysql_native_password keeps: SHA-1 of SHA-1. Source: MySQL Internals, Secure Password Authentication."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def sha2_hash(password: str, salt: str, rounds: int = ROUNDS) -> str:
    """What caching_sha2_password keeps: SHA-crypt, but with a salt of 20 characters and rounds in thousands."""
    return f"$A${rounds // 1000:03X}${salt}{sha256_crypt(password.encode(), salt.encode(), rounds)}"


def sha256_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """SHA-crypt's digest (43 characters). Source: U. Drepper, Unix crypt using SHA-256 and SHA-512, version 0.6; unlike
    there, a salt may have more than 16 bytes, as MySQL's has."""
    length = len(password)
    other = _sha256(password, salt, password)
    start = [password, salt, _repeated(other, length)]
    start += [other if length >> bit & 1 else password for bit in range(length.bit_length())]
    digest = _sha256(*start)
    p = _repeated(_sha256(*itertools.repeat(password, length)), length)
    s = _repeated(_sha256(*itertools.repeat(salt, 16 + digest[0])), len(salt))
    for number in range(rounds):
        odd = number % 2
        middle = (s if number % 3 else b"") + (p if number % 7 else b"")
        digest = _sha256(p if odd else digest, middle, digest if odd else p)
    groups = [_encoded((digest[a], digest[b], digest[c]), 4) for a, b, c in _ORDER]
    return "".join([*groups, _encoded((0, digest[31], digest[30]), 3)])


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _repeated(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _encoded(triple: tuple[int, int, int], characters: int) -> str:
    number = int.from_bytes(bytes(triple), "big")
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(characters))
