"""What a server tells its pool of the requests that it had last: changes and refusals, each once.

Any member may ask, and only who has the pool's secret can read the answer: names and reasons are nobody else's matter.
The asker's word is inside, so that an answer of before, or another server's, counts for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

from dbhandler.log import printable
from dbhandler.requests.answer import decode, encode
from dbhandler.requests.question import is_nonce
from dbhandler.requests.vocabulary import Status
from dbhandler.trust.safe import Safe

MOST_TEXT, MOST_REASON = 64, 120
"""Characters of an operation, outcome or name, and of a reason."""
_ROOM = 580
"""Bytes of what is closed: base64 makes a third more of it, and the box 40 bytes."""
_LATEST = 2**53


@dataclass(frozen=True)
class Asked:
    """One request: number grows from one to the next, over restarts, too; at is the time in UTC seconds."""

    number: int
    at: int
    operation: str
    outcome: str
    database: str = ""
    reason: str = ""


def question(word: str, after: int) -> bytes:
    """The payload that asks for what came after that number; word is one that nobody else has thought of."""
    return json.dumps({"word": word, "after": after}, separators=(",", ":")).encode()


def told(payload: bytes, known: Iterable[Asked], safe: Safe) -> bytes:
    """The answer: as many as there is room for, the oldest first. Raises ValueError for a payload that asks nothing."""
    asked = decode(payload)
    word, after = asked.get("word"), asked.get("after")
    if not is_nonce(word) or not _is_number(after):
        raise ValueError("recent_db takes an object with word and after")
    rows = list[Sequence[object]]()
    for one in known:
        if one.number > int(str(after)):
            row = [one.number, one.at, *(text[:MOST_TEXT] for text in astuple(one)[2:5]), one.reason[:MOST_REASON]]
            if len(_content(word, [*rows, row])) > _ROOM:
                break
            rows.append(row)
    return encode({"status": Status.OK, "closed": safe.close(_content(word, rows))})


def heard(line: bytes, word: str, safe: Safe) -> list[Asked]:
    """The requests in an answer to the question with this word. Raises ValueError for whatever is none."""
    closed = decode(line).get("closed")
    content = safe.open(closed) if isinstance(closed, str) else None
    values = decode(content) if content else {}
    rows = values.get("rows")
    if values.get("word") != word or not isinstance(rows, list):
        raise ValueError("it is no answer of the pool's to this question")
    return [_asked(row) for row in rows]


def _content(word: object, rows: Sequence[Sequence[object]]) -> bytes:
    return json.dumps({"word": word, "rows": rows}, ensure_ascii=False, separators=(",", ":")).encode()


def _asked(row: object) -> Asked:
    if not isinstance(row, list) or len(row) != len(_RULES) or not all(map(_holds, _RULES, row)):
        raise ValueError("it holds what is no request")
    number, at, *texts = row
    return Asked(number, at, *(printable(text) for text in texts))


def _holds(rule: Callable[[object], bool], value: object) -> bool:
    return rule(value)


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LATEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_REASON


_RULES = (_is_number, _is_number, _is_text, _is_text, _is_text, _is_text)
