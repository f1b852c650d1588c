"""A moment as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from dbhandler.backup.history import Before, Latest, Moment, Through, Time
from dbhandler.distant.position import Position
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown

MOMENTS = "a time (UTC, or with its offset; fractions of a second count), a GTID, before:GTID, or latest"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")


def moment_of(text: str, engine: str) -> Moment:
    """The moment that a text means, on a server of this engine. Raises InvalidRequest."""
    if text == "latest":
        return Latest()
    begins, _, gtid = text.partition("before:")
    try:
        if not begins and gtid:
            Position.parse(gtid, engine).after(gtid)
            return Before(gtid)
        return Time(_time(text)) if _is_date(text) else _through(text, engine)
    except ValueError as error:
        raise InvalidRequest(f"a moment is {MOMENTS}, not {shown(text)}") from error


def _is_date(text: str) -> bool:
    # A GTID of MariaDB looks like one where its domain has four digits; one that is a date, too, is a date.
    return bool(_DATE.match(text))


def _time(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _through(text: str, engine: str) -> Moment:
    Position.parse(text, engine).after(text)
    return Through(text)
