"""What a server answers to a query, checked once: any member may answer, and whatever it likes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from dbhandler.address import is_host, is_node_name
from dbhandler.log import printable, shown
from dbhandler.requests.answer import MAX_BYTES, decode
from dbhandler.requests.vocabulary import Status
from dbhandler.trust.signature import is_pool_id

MAX_WORD = 64
"""Characters of a version, and of other single words."""
MAX_USER = 128
"""Characters of an account's name: as many as any server takes."""
_MOST = 2**63

GivenAccount = tuple[str, str, int | None]
"""The user name of an account, its role, and in how many seconds it ends."""


@dataclass(frozen=True)
class Answer:
    """One answer; what it does not say is None. host a host name or an IP address, uptime in seconds, last_error_at in
    UTC; pool is the id of the server's pool, authority the fingerprint of who signs its certificate, root that one's
    own certificate, in base64; ttl in how many seconds an account or its database ends; count how many accounts there
    are from the first one of accounts on; server is the member's name of who has, or gets, a database; moving says that
    nobody can log in to it for a moment; over_quota is how many of the databases are; all texts are printable."""

    status: Status
    reason: str | None = None
    host: str | None = None
    port: int | None = None
    mysql: str | None = None
    engine: str | None = None
    version: str | None = None
    databases: int | None = None
    spool: int | None = None
    uptime: int | None = None
    last_error: str | None = None
    last_error_at: str | None = None
    dump: str | None = None
    pool: str | None = None
    authority: str | None = None
    root: str | None = None
    ttl: int | None = None
    count: int | None = None
    accounts: tuple[GivenAccount, ...] | None = None
    server: str | None = None
    over_quota: int | None = None
    moving: bool | None = None


def parse(line: bytes) -> Answer:
    """The answer in a line of JSON. Raises ValueError, whose text says what is wrong with it."""
    values = decode(line)
    # Not a set: what has come may be a list.
    if (status := values.get("status")) not in list(Status):
        raise ValueError(f"its status is {_quoted(status)}")
    for name, valid in _RULES.items():
        if values.get(name) is not None and not valid(values[name]):
            raise ValueError(f"its {name} is {_quoted(values[name])}")
    known = {field.name: values.get(field.name) for field in fields(Answer)}
    texts = {name: printable(text, MAX_BYTES) for name, text in known.items() if isinstance(text, str)}
    checked = {**known, **texts, "accounts": _accounts(values.get("accounts")), "status": Status(str(status))}
    return Answer(**checked)  # type: ignore[arg-type]


def _accounts(value: object) -> tuple[GivenAccount, ...] | None:
    return tuple((user, role, ends_in) for user, role, ends_in in value) if isinstance(value, list) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_WORD


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_root(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+/]{1,1000}={0,2}", value) is not None


def _is_given(value: object) -> bool:
    """An account as it is listed: its name counts as it is, so one that would have to be shown otherwise is none."""
    if not isinstance(value, list) or len(value) != 3:
        return False
    user, role, ends_in = value
    names = isinstance(user, str) and 0 < len(user) <= MAX_USER and user.isprintable()
    return names and _is_word(role) and role.isprintable() and (ends_in is None or _is_count(ends_in))


_RULES: Mapping[str, Callable[[object], bool]] = {
    "reason": _is_text,
    "host": lambda value: isinstance(value, str) and is_host(value),
    "port": lambda value: type(value) is int and 1 <= value <= 65535,
    "mysql": _is_word,
    "engine": _is_word,
    "version": _is_word,
    "databases": _is_count,
    "over_quota": _is_count,
    "spool": _is_count,
    "uptime": _is_count,
    "last_error": _is_text,
    "last_error_at": _is_word,
    "dump": _is_text,
    "pool": is_pool_id,
    "authority": is_pool_id,
    "root": _is_root,
    "ttl": _is_count,
    "count": _is_count,
    "server": is_node_name,
    "moving": lambda value: type(value) is bool,
    "accounts": lambda value: isinstance(value, list) and all(map(_is_given, value)),
}


def _quoted(value: object) -> str:
    # A number may have more digits than Python turns into text, a list may be deep: neither is shown.
    return shown(value) if isinstance(value, str) else f"of the type {type(value).__name__}"
