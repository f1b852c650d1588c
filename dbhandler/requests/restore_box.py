"""What an application wants of a backup: its own database as it was once, in a new one of its own, in a sealed box.

Nothing of it is in clear but that it is asked. The box is opened once: it dies after a minute, and with the backup's
process, so whoever has recorded it gets nothing done by it and learns nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.requests.box import LIFETIME, Keys, checked_password, fingerprint, seal_values
from dbhandler.requests.payload import check_name, json_text, string
from dbhandler.requests.policy import MAX_USER
from dbhandler.requests.vocabulary import BackupQuery

MOST_BOXES = 20_000
"""Boxes that are remembered: more than Serf's handlers bring in the time for which one lives."""
MAX_MOMENT = 100
"""Characters."""
_SOURCE = re.compile(r"(key|cluster)-[A-Za-z0-9_.-]{1,64}")
_PAYLOAD = frozenset({"sealed", "pool"})
_WHAT = "the sealed box"


@dataclass(frozen=True)
class Wanted:
    """The database `database` of the server `source` (source_id) as it was at the moment `at`, into the database
    `target`; each with the user and password of the account that it belongs to."""

    source: str
    database: str
    user: str
    password: str = field(repr=False)
    target: str
    target_user: str
    target_password: str = field(repr=False)
    at: str

    def id(self, key: bytes) -> str:
        """What stands for this wish, and tells nothing of it to who has not the key."""
        content = json.dumps(asdict(self), sort_keys=True).encode()
        return hashlib.blake2b(content, key=key, digest_size=16).hexdigest()


def source_id(key: str, cluster: str | None) -> str:
    """What the server with this public key is called among those that are backed up; the nodes of a cluster are one."""
    return f"cluster-{cluster}" if cluster else f"key-{fingerprint(key)}"


def not_allowed(server: str) -> Denied:
    """The refusal where the server's owner has not allowed it."""
    return Denied(
        f"the server {server} gives applications no former state of their databases: "
        "its owner allows that by DBHANDLER_ALLOW_RESTORE=1"
    )


def seal_wanted(public_key: str, wanted: Wanted, reply: str, now: float) -> str:
    """The box, for the backup with this public key. reply is the word that proves its answer. Raises InvalidRequest."""
    about = {"operation": BackupQuery.RESTORE, "expires": int(now) + LIFETIME, "reply": reply}
    return seal_values(public_key, {**about, **asdict(wanted)})


class Boxes:
    """Opens boxes with these keys, each of them once."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._clock, self._began = keys, clock, clock()
        self._opened: dict[bytes, float] = {}

    def wanted(self, payload: bytes) -> Wanted:
        """What a query asks for. Raises Denied for a box that is not for us, or not for this time, Unavailable for one
        that was opened before, InvalidRequest for what breaks a rule of form; no message quotes what is in it."""
        values = self._keys.content(_sealed(payload))
        wanted = _wanted(values)
        self._note(values, self._expiry(values))
        return wanted

    def _expiry(self, values: Mapping[str, object]) -> int:
        expires, now = values.get("expires"), self._clock()
        if type(expires) is not int:
            raise InvalidRequest(f'"expires" in {_WHAT} is not a whole number')
        if expires < now:
            raise Denied("the sealed box has expired, or clocks differ")
        if expires > now + 2 * LIFETIME:
            raise Denied("the sealed box is valid for too long: clocks differ, or it was made to be kept")
        if expires - LIFETIME < int(self._began):
            # Which of those were opened nobody knows any more.
            raise Unavailable("the sealed box is older than this run of the backup: ask again with a new one")
        return expires

    def _note(self, values: Mapping[str, object], expires: int) -> None:
        # By what is in it, its word too: one box can be written in several ways.
        box, now = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest(), self._clock()
        if box in self._opened:
            raise Unavailable("the sealed box was opened before: ask again with a new one")
        if len(self._opened) >= MOST_BOXES:
            self._opened = {known: until for known, until in self._opened.items() if until >= now}
        if len(self._opened) >= MOST_BOXES:
            raise Unavailable("too much is asked at once: ask again")
        self._opened[box] = expires


def _sealed(payload: bytes) -> str:
    try:
        values = json_text(payload.decode(), "the payload")
    except UnicodeDecodeError as error:
        raise InvalidRequest("the payload is not valid UTF-8") from error
    sealed = string(values, "sealed", "the payload")
    if set(values) - _PAYLOAD or sealed is None:
        raise InvalidRequest('the payload has to hold "sealed", and at most "pool" beside it')
    return sealed


def _wanted(values: Mapping[str, object]) -> Wanted:
    texts = {name: string(values, name, _WHAT) or "" for name in Wanted.__dataclass_fields__}
    if string(values, "operation", _WHAT) != BackupQuery.RESTORE:
        raise Denied(f"the sealed box is not for {BackupQuery.RESTORE}")
    if set(values) - set(texts) - {"operation", "expires", "reply"}:
        raise InvalidRequest(f"{_WHAT} holds an unknown key")
    for name in ("database", "target"):
        check_name(texts[name])
    for name in ("password", "target_password"):
        checked_password(texts[name])
    if not _SOURCE.fullmatch(texts["source"]):
        raise InvalidRequest(f"{_WHAT} names no server")
    if not all(1 <= len(texts[name]) <= most and texts[name].isprintable() for name, most in _MOST.items()):
        raise InvalidRequest(f"{_WHAT} holds no user name, or no moment")
    if texts["database"] == texts["target"]:
        raise InvalidRequest("a database is restored beside the present one: under another name")
    return Wanted(**texts)


_MOST = {"user": max(MAX_USER.values()), "target_user": max(MAX_USER.values()), "at": MAX_MOMENT}
