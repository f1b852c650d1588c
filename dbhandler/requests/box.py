"""Sealed boxes: how an account's password crosses a gossip network that everybody can read.

libsodium's sealed box (X25519, XSalsa20-Poly1305; PyNaCl's SealedBox): whoever knows the server's public key can
close one, only the server can open it. What is inside binds it to one database and, for what destroys or changes, to
one operation and a moment after which it is worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from dbhandler import files
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, NotForUs
from dbhandler.log import shown
from dbhandler.passwords import MAX_BYTES
from dbhandler.requests.payload import Request, json_text, string

MAX_PASSWORD = 128
"""Characters."""
LIFETIME = 60
"""Seconds for which a box for an operation is valid."""
MAX_TTL = 10 * 366 * 86400
"""Seconds: the longest lease, and the longest time for which a former password may stay valid."""


@dataclass(frozen=True)
class Credentials:
    """What a box holds: the account that asks, and for an operation (`rotate_db`, `grant_db`, …) its details.

    expires is in seconds since 1970, reply a word that proves that an answer is of whoever could open the box. account
    is the one that is given or taken, role what it may do, ttl for how many seconds it or the database shall live,
    keep_old for how many the former password stays valid; source is the database that is copied, with its owner's user
    name and password.
    """

    database: str
    user: str
    password: str
    operation: str | None = None
    new_password: str | None = None
    expires: int | None = None
    reply: str | None = None
    account: str | None = None
    role: str | None = None
    ttl: int | None = None
    keep_old: int | None = None
    source: str | None = None
    source_user: str | None = None
    source_password: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(database={self.database!r}, user={self.user!r})"


def seal(public_key: str, credentials: Credentials) -> str:
    """The base64 of a sealed box that only the server with this public key (its Serf tag `key`) can open.

    Raises InvalidRequest for something that is no public key.
    """
    return seal_values(public_key, {key: value for key, value in vars(credentials).items() if value is not None})


def seal_values(public_key: str, values: Mapping[str, object]) -> str:
    """As seal, of any object."""
    try:
        key = PublicKey(base64.b64decode(public_key, validate=True))
    except (binascii.Error, ValueError, TypeError, CryptoError) as error:
        raise InvalidRequest(f"not a public key of 32 bytes in base64: {shown(public_key)}") from error
    sealed = SealedBox(key).encrypt(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())
    return base64.b64encode(sealed).decode()


def fingerprint(public_key: str) -> str:
    """Twelve hexadecimal digits that stand for a public key where they have to be short, and prove nothing."""
    return hashlib.sha256(public_key.encode("utf-8", "surrogateescape")).hexdigest()[:12]


class Keys:
    """The server's key pair; its private half is the file `path`, made at the first use."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._private, self._clock = _load_or_make(path), clock

    @property
    def public(self) -> str:
        """The public key in base64."""
        return base64.b64encode(bytes(self._private.public_key)).decode()

    @property
    def private(self) -> bytes:
        """The private key itself."""
        return bytes(self._private)

    def open(
        self, sealed: str, database: str, operation: str | None = None, folded: Callable[[str], str] = str
    ) -> Credentials:
        """Opens a box that has to be for this database and, if given, this operation.

        folded gives the form in which the server compares names; the database in the result has it.
        Raises Denied for a box that is not for this server, database, operation or time, InvalidRequest for one whose
        content breaks a rule of form. No message quotes the content.
        """
        credentials = _credentials(self.content(sealed), database)
        name = folded(database)
        if credentials.database != database and folded(credentials.database) != name:
            raise Denied(f"the sealed box is for another database than {shown(database)}")
        if credentials.operation != operation:
            raise Denied(f"the sealed box is not for {operation or 'create_db'}")
        self._check_time(credentials)
        return replace(credentials, database=name)

    def open_for(self, request: Request, operation: str, folded: Callable[[str], str] = str) -> Credentials:
        """Opens the box of a request for an operation. Raises as open, and Denied where there is none."""
        if request.sealed is None:
            raise Denied(f"{operation} needs a sealed box that proves the owner")
        return self.open(request.sealed, request.database, operation, folded)

    def content(self, sealed: str) -> dict[str, object]:
        """The object in a box, as it was put there. Raises NotForUs, or InvalidRequest for what is no JSON object."""
        try:
            return json_text(self._decrypt(sealed).decode(), "the sealed box")
        except UnicodeDecodeError as error:
            raise InvalidRequest("the sealed box holds no UTF-8") from error

    def reply_word(self, sealed: str) -> str | None:
        """The word in a box by which the answer to it is known; None where there is none, or no such box."""
        with suppress(DbHandlerError):
            return string(self.content(sealed), "reply", "the sealed box")
        return None

    def _decrypt(self, sealed: str) -> bytes:
        try:
            return SealedBox(self._private).decrypt(base64.b64decode(sealed, validate=True))
        except (binascii.Error, ValueError, TypeError, CryptoError) as error:
            raise NotForUs("the sealed box was not made for this server, or is damaged") from error

    def _check_time(self, credentials: Credentials) -> None:
        if credentials.operation is None:
            return
        now, expires = self._clock(), credentials.expires or 0
        if expires < now:
            raise Denied("the sealed box has expired")
        if expires > now + 10 * LIFETIME:
            raise Denied("the sealed box is valid for too long: clocks differ, or it was made to be kept")


def _credentials(values: Mapping[str, object], database: str) -> Credentials:
    what = "the sealed box"
    if set(values) - set(Credentials.__dataclass_fields__):
        raise InvalidRequest(f"{what} holds an unknown key")
    return Credentials(
        database=string(values, "database", what) or "",
        user=string(values, "user", what) or database,
        password=checked_password(string(values, "password", what)),
        operation=string(values, "operation", what),
        new_password=_optional_password(string(values, "new_password", what)),
        expires=_whole(values, "expires", what),
        reply=string(values, "reply", what),
        account=string(values, "account", what),
        role=string(values, "role", what),
        ttl=_seconds(values, "ttl", what, 1),
        keep_old=_seconds(values, "keep_old", what, 0),
        source=string(values, "source", what),
        source_user=string(values, "source_user", what),
        source_password=_optional_password(string(values, "source_password", what)),
    )


def _whole(values: Mapping[str, object], key: str, what: str) -> int | None:
    value = values.get(key)
    if value is not None and type(value) is not int:
        raise InvalidRequest(f'"{key}" in {what} is not a whole number')
    return value


def _seconds(values: Mapping[str, object], key: str, what: str, least: int) -> int | None:
    value = _whole(values, key, what)
    if value is not None and not least <= value <= MAX_TTL:
        raise InvalidRequest(f'"{key}" in {what} has to be {least} to {MAX_TTL} seconds')
    return value


def _optional_password(value: str | None) -> str | None:
    return None if value is None else checked_password(value)


def checked_password(value: str | None) -> str:
    """A password as a box may hold it. Raises InvalidRequest, which does not quote it."""
    if value is None or not 12 <= len(value) <= MAX_PASSWORD or not value.isprintable():
        raise InvalidRequest(f"a password in a sealed box has 12 to {MAX_PASSWORD} printable characters")
    if len(value.encode()) > MAX_BYTES:
        raise InvalidRequest(f"a password in a sealed box has at most {MAX_BYTES} bytes")
    return value


def restore(path: Path, private: bytes) -> None:
    """Writes the file of a key pair that was kept elsewhere. Raises OSError."""
    files.write_private(path, base64.b64encode(private).decode() + "\n")


def _load_or_make(path: Path) -> PrivateKey:
    try:
        return PrivateKey(base64.b64decode(path.read_text()))
    except FileNotFoundError:
        key = PrivateKey.generate()
        files.write_private(path, base64.b64encode(bytes(key)).decode() + "\n")
        return key
    except (ValueError, TypeError, CryptoError) as error:
        # Another key would be another server: applications that know this one would wait for it for ever.
        raise DbHandlerError(
            f"the key file {path} is damaged: restore it, or remove it and give the applications their accounts anew"
        ) from error
