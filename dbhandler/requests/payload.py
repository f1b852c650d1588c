"""Payload bytes -> validated requests. The only place that knows the formats of payloads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.spool import MAX_PAYLOAD

MAX_NAME = 64
"""Characters in the name of a database: MySQL 8.4 Reference Manual, 11.2.1 Identifier Length Limits."""

MAX_NAMES = 256
"""Names in one payload, the same name twice counted twice. An event of Serf's default size holds at most 237."""

_KEYS = frozenset({"database", "sealed", "charset", "collation", "where", "nonce", "pool"})
"""nonce and pool are about the answer (question.py)."""
_CHARSET = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True)
class Request:
    """A well-formed request for one database; whether it is allowed is the policy's matter.

    sealed is the base64 text of a sealed box, charset and collation are names as MySQL knows them, where says
    which servers of a pool with a directory it may go to (where.py).
    """

    database: str
    sealed: str | None = None
    charset: str = "utf8mb4"
    collation: str | None = None
    where: str = ""


def parse(payload: bytes) -> tuple[Request, ...]:
    """Reads a payload: names separated by white space (one request each), or one JSON object.

    Raises InvalidRequest, naming the rule and the value, when any part of it breaks a rule of form; nothing of such
    a payload is to be carried out.
    """
    text = _text(payload).strip()
    if not text:
        raise InvalidRequest("the payload is empty: expected names of databases or a JSON object")
    if text.startswith("{"):
        return (_from_object(_json_object(text)),)
    names = text.split()
    if len(names) > MAX_NAMES:
        raise InvalidRequest(f"one payload holds at most {MAX_NAMES} names, this one {len(names)}")
    return tuple(dict.fromkeys(Request(check_name(name)) for name in names))


def parse_one(payload: bytes) -> Request:
    """The request of a payload that names one database. Raises InvalidRequest for any other."""
    requests = parse(payload)
    if len(requests) != 1:
        raise InvalidRequest(f"one name is wanted here, not {len(requests)}")
    return requests[0]


def check_name(name: str) -> str:
    """Returns a database's name that keeps MySQL's rules for identifiers.

    Source: MySQL 8.4 Reference Manual, 11.2 Schema Object Names. Raises InvalidRequest.
    """
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidRequest(f"a name has 1 to {MAX_NAME} characters, this one has {len(name)}: {shown(name)}")
    if "\0" in name:
        raise InvalidRequest(f"a name holds no NUL: {shown(name)}")
    if any(ord(character) > 0xFFFF or 0xD800 <= ord(character) <= 0xDFFF for character in name):
        raise InvalidRequest(f"a name holds no character outside the Basic Multilingual Plane: {shown(name)}")
    if name != name.rstrip():
        raise InvalidRequest(f"a name does not end with a space: {shown(name)}")
    return name


def json_text(text: str, what: str) -> dict[str, object]:
    """Decodes one JSON object, strictly: no key twice, no NaN. `what` names it in errors. Raises InvalidRequest."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        # The decoder's message is not passed on: it may quote what should stay secret.
        raise InvalidRequest(f"{what} is not valid JSON") from error
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what} is not a JSON object")
    return value


def string(values: Mapping[str, object], key: str, what: str) -> str | None:
    """The string under `key`, or None where the key is missing. Raises InvalidRequest for any other type."""
    value = values.get(key)
    if (value is not None and not isinstance(value, str)) or (value is None and key in values):
        raise InvalidRequest(f'"{key}" in {what} is not a string')
    return value


def _text(payload: bytes) -> str:
    if len(payload) > MAX_PAYLOAD:
        raise InvalidRequest(f"the payload is longer than {MAX_PAYLOAD} bytes")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the payload is not valid UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise InvalidRequest(f"the payload holds a NUL at character {text.index(chr(0))}")
    return text


def _json_object(text: str) -> dict[str, object]:
    values = json_text(text, "the payload")
    if unknown := sorted(set(values) - _KEYS):
        raise InvalidRequest(f"unknown key {shown(unknown[0])}: known are {', '.join(sorted(_KEYS))}")
    return values


def _from_object(values: Mapping[str, object]) -> Request:
    what = "the payload"
    database = string(values, "database", what)
    if database is None:
        raise InvalidRequest('the payload has no "database"')
    return Request(
        database=check_name(database),
        sealed=string(values, "sealed", what),
        charset=_charset("charset", string(values, "charset", what)) or "utf8mb4",
        collation=_charset("collation", string(values, "collation", what)),
        where=string(values, "where", what) or "",
    )


def _charset(kind: str, value: str | None) -> str | None:
    if value is not None and not _CHARSET.fullmatch(value):
        raise InvalidRequest(f"a {kind} has 1 to 64 letters, digits and underscores: {shown(value)}")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _no_constant(name: str) -> object:
    raise ValueError(name)
