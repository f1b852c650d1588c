"""What a server tells of itself to whoever looks at its page: its databases, and what it has been asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbhandler.console.scraped import Counted
from dbhandler.provisioning.overview import Row
from dbhandler.requests.recent import Asked


@dataclass(frozen=True)
class Moving:
    """A database that moves to or from a server; done is a percentage, left seconds, None where nobody can tell."""

    database: str
    source: str
    target: str
    step: str
    done: int | None = None
    left: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Inside:
    """A server from inside. names are its databases where no more is known of them; more says how many are not told;
    requests is how often it was asked for what, recent what it has changed and refused last, the newest first, None
    where nobody tells; trouble says why there is nothing, note what is to be known beside it."""

    rows: Sequence[Row] | None = None
    names: Sequence[str] | None = None
    more: int = 0
    moves: Sequence[Moving] = ()
    requests: Sequence[Counted] | None = None
    recent: Sequence[Asked] | None = None
    trouble: str = ""
    note: str = ""
