"""Pure: MySQL's sets of global transaction identifiers. Source: MySQL 9.7 Reference Manual, 19.1.3.1 (GTID sets)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbhandler.errors import DbHandlerError
from dbhandler.group.transactions import Range, Transactions, merged

_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_SOURCE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


@dataclass(frozen=True)
class GtidSet:
    """Ranges of numbers by source: a UUID, with a tag behind a colon where there is one."""

    ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> GtidSet:
        """A set as the server writes it. Raises DbHandlerError for any other text."""
        found: dict[str, list[Range]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            uuid, *words = part.lower().split(":")
            source = uuid
            if not _SOURCE.fullmatch(uuid) or not words:
                raise DbHandlerError(f"the server tells no set of transactions: {text[:100]!r}")
            for word in map(str.strip, words):
                if _TAG.fullmatch(word):
                    source = f"{uuid}:{word}"
                else:
                    found.setdefault(source, []).append(_range(word, text))
        return cls({source: merged(ranges) for source, ranges in found.items()})

    def __or__(self, other: GtidSet) -> GtidSet:
        sources = {*self.ranges, *other.ranges}
        return GtidSet({name: merged([*self.ranges.get(name, ()), *other.ranges.get(name, ())]) for name in sources})

    def __str__(self) -> str:
        parts = (":".join([name, *map(_text, ranges)]) for name, ranges in sorted(self.ranges.items()) if ranges)
        return ",".join(parts)

    def of(self, history: str) -> Transactions:
        """As a group of that name counts them: its own by their numbers, all others by what they are."""
        rest = GtidSet({name: ranges for name, ranges in self.ranges.items() if name != history})
        digest = hashlib.sha256(str(rest).encode()).hexdigest()[:8] if str(rest) else ""
        return Transactions(self.ranges.get(history, ()), digest)

    def __sub__(self, other: GtidSet) -> GtidSet:
        """What is here and not there."""
        found = {name: _without(ranges, other.ranges.get(name, ())) for name, ranges in self.ranges.items()}
        return GtidSet({name: ranges for name, ranges in found.items() if ranges})


def _range(word: str, text: str) -> Range:
    match = _RANGE.fullmatch(word)
    if not match or not 0 < int(match[1]) <= int(match[2] or match[1]):
        raise DbHandlerError(f"the server tells no set of transactions: {text[:100]!r}")
    return int(match[1]), int(match[2] or match[1])


def _text(found: Range) -> str:
    first, last = found
    return str(first) if first == last else f"{first}-{last}"


def _without(ranges: tuple[Range, ...], others: tuple[Range, ...]) -> tuple[Range, ...]:
    left = list(ranges)
    for low, high in others:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return merged(left)
