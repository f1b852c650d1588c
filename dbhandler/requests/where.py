"""Where a new database may go: labels that the server has to have, and the engine that it has to run."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from dbhandler.errors import InvalidRequest
from dbhandler.log import shown

MOST_LABELS = 16
ENGINES = ("mariadb", "mysql")
_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_ENGINE = "engine="
HERE = "here"
"""The word for the server that is asked, and no other: it has what the database is to be made of."""


@dataclass(frozen=True)
class Where:
    """What a server has to be; nothing asked of it is the default. here: the one that is asked."""

    labels: frozenset[str] = frozenset()
    engine: str | None = None
    here: bool = False

    def allows(self, labels: Collection[str], engine: str) -> bool:
        """May the database go to a server with these labels and this engine?"""
        return self.labels <= set(labels) and self.engine in (None, engine)


def labels(text: str, what: str) -> frozenset[str]:
    """The labels in a text, with commas between them; what names the text in errors. Raises InvalidRequest."""
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    for label in sorted(found):
        if not _LABEL.fullmatch(label):
            raise InvalidRequest(f"a label in {what} has 1 to 32 letters, digits, '_', '.' and '-': {shown(label)}")
    if len(found) > MOST_LABELS:
        raise InvalidRequest(f"{what} has at most {MOST_LABELS} labels, this one {len(found)}")
    return found


def parse(text: str) -> Where:
    """Reads `ssd,eu,engine=mysql`. Raises InvalidRequest."""
    parts = [part.strip() for part in text.split(",")]
    engines = {part.removeprefix(_ENGINE) for part in parts if part.startswith(_ENGINE)}
    if unknown := sorted(engines - set(ENGINES)) or len(engines) > 1:
        named = unknown[0] if isinstance(unknown, list) else ",".join(sorted(engines))
        raise InvalidRequest(f"engine= in where is one of {', '.join(ENGINES)}, not {shown(named)}")
    rest = [part for part in parts if not part.startswith(_ENGINE) and part != HERE]
    return Where(labels(",".join(rest), "where"), next(iter(engines), None), HERE in parts)
