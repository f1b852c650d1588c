"""One line of the trail: what happened, and the hash that ties it to the line before. Pure: it writes nothing.

    {"audit": 1, "number": 7, "time": …, "node": …, "operation": …, …, "previous": HASH, "hash": HASH}

`hash` is the SHA-256 of the line without its own member, in these very bytes: members in this order, `, ` and `: `
between them, ASCII. Whoever has the line can compute it with sed and sha256sum.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BEGINS = '{"audit"'
"""What begins like this is a line of the trail, or pretends to be one."""

LONGEST = 4096
"""Bytes of a line with its end: so many a pipe takes at once or not at all, whoever else writes into it."""

_HASH = "[0-9a-f]{64}"
_LINE = re.compile(
    rf'(?P<body>{{"audit": 1, "number": (?P<number>[1-9][0-9]{{0,17}}), "time": "(?P<time>[0-9TZ:.-]{{1,40}})", '
    rf'.*"previous": "(?P<previous>{_HASH})"), "hash": "(?P<hash>{_HASH})"}}',
    re.ASCII,
)
_MOST = {"node": 200, "origin": 100, "database": 400, "account": 400, "reason": 1200, "dump": 300}
_MOST_OF_OTHERS = 64
"""Bytes of each value inside JSON, so that all of them together fit into LONGEST."""


@dataclass(frozen=True)
class Entry:
    """What is told to the trail: an operation (`create_db`), what became of it (`created`), with which database and
    account, why where it was refused, who asked for it (`event create_db #7`, `operator`), and the file of the dump
    that it has written or removed. No secret may stand in any of them."""

    operation: str
    outcome: str
    database: str | None = None
    account: str | None = None
    reason: str | None = None
    origin: str | None = None
    dump: str | None = None


Audit = Callable[[Entry], None]
"""Is told what has changed or was refused; may take milliseconds, and never raises."""


def unaudited(_entry: Entry) -> None:
    """Keeps no trail."""


@dataclass(frozen=True, slots=True)
class Link:
    """What ties a line into the chain. intact: its hash is that of its content."""

    number: int
    time: str
    previous: str
    hash: str
    intact: bool = True


def line_of(entry: Entry, number: int, previous: str, node: str, now: float, lost: int = 0) -> str:
    """The line, without its end, that follows on the hash `previous`. now is in seconds since 1970; lost is how many
    entries before this one could not be written."""
    content: dict[str, object] = {
        "audit": 1, "number": number, "time": _time(now), "node": node, "operation": entry.operation,
        "origin": entry.origin, "database": entry.database, "account": entry.account, "outcome": entry.outcome,
        "reason": entry.reason, "dump": entry.dump, "lost": lost or None, "previous": previous,
    }  # fmt: skip
    body = json.dumps(_bounded(content))[:-1]
    return f'{body}, "hash": "{_hash(body)}"}}'


def read(line: str) -> Link | None:
    """What a line says of its place in the chain; None for one that has not the form of the trail's."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    intact = _hash(found["body"]) == found["hash"]
    return Link(int(found["number"]), found["time"], found["previous"], found["hash"], intact)


def _hash(body: str) -> str:
    return hashlib.sha256(f"{body}}}".encode()).hexdigest()


def _bounded(content: Mapping[str, object]) -> dict[str, object]:
    """What is known of it, each text cut to its measure."""
    return {
        key: _cut(value, _MOST.get(key, _MOST_OF_OTHERS)) if isinstance(value, str) else value
        for key, value in content.items()
        if value is not None
    }


def _cut(text: str, most: int) -> str:
    """The text, its end left out so that it takes at most `most` bytes inside JSON."""
    if _size(text) <= most:
        return text
    kept = text[:most]
    while _size(kept + "…") > most:
        kept = kept[:-1]
    return kept + "…"


def _size(text: str) -> int:
    return len(json.dumps(text)) - len('""')


def _time(now: float) -> str:
    milliseconds = int(now * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"
