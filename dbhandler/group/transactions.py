"""Pure: which transactions of a group's history a node holds.

Sets are compared, never counts: of two nodes one is ahead when it holds all that the other holds. Where neither does,
each has something alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PAIR = "[0-9]{1,19}-[0-9]{1,19}"
_TEXT = re.compile(rf"(?P<ranges>[0-9]{{1,19}}|{_PAIR}(?:\.{_PAIR})*)(?:~(?P<rest>[0-9a-f]{{8}}))?")

Range = tuple[int, int]
"""First and last number, both within."""


@dataclass(frozen=True)
class Transactions:
    """The numbers of the history's transactions as ranges, sorted and apart, and a digest of whatever else there is
    (empty: nothing): what came from elsewhere is the same or not, and never a part of another."""

    ranges: tuple[Range, ...] = ()
    rest: str = ""

    @classmethod
    def up_to(cls, number: int) -> Transactions:
        """All from 1 to `number`, none for 0."""
        return cls(((1, number),) if number else ())

    @classmethod
    def parse(cls, text: str) -> Transactions:
        """What `str` has written. Raises ValueError for any other text."""
        found = _TEXT.fullmatch(text)
        if not found:
            raise ValueError(text)
        made = cls(_ranges(found["ranges"]), found["rest"] or "")
        if str(made) != text:
            raise ValueError(text)
        return made

    def __str__(self) -> str:
        whole = not self.ranges or (len(self.ranges) == 1 and self.ranges[0][0] == 1)
        end = self.ranges[0][1] if self.ranges else 0
        text = str(end) if whole else ".".join(f"{first}-{last}" for first, last in self.ranges)
        return text + (f"~{self.rest}" if self.rest else "")

    def holds(self, other: Transactions) -> bool:
        """Is all that is in the other set in this one?"""
        return other.rest in ("", self.rest) and all(
            any(first <= low and high <= last for first, last in self.ranges) for low, high in other.ranges
        )


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers as the fewest ranges, sorted."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def _ranges(text: str) -> tuple[Range, ...]:
    if "-" not in text:
        return Transactions.up_to(int(text)).ranges
    pairs = [part.split("-") for part in text.split(".")]
    return merged((int(first), int(last)) for first, last in pairs if 0 < int(first) <= int(last))
