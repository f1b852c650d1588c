"""Is a trail whole? What is wrong with it, in one sentence each. Pure: it is given lines, in the order in which they
stand, among them any others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from dbhandler.audit.head import Head
from dbhandler.audit.record import BEGINS, Link, read


@dataclass(frozen=True, slots=True)
class _Placed:
    link: Link
    place: str


@dataclass
class Chain:
    """The lines of a trail that begins, as whoever asks knows, with the number `first`."""

    first: int = 1
    _lines: dict[int, _Placed] = field(default_factory=dict)
    _quoted: dict[int, _Placed] = field(default_factory=dict)
    _last: int = 0
    _wrong: list[str] = field(default_factory=list)

    def add(self, place: str, text: str) -> None:
        """One line, and where it stands (`line 7`)."""
        if (begins := text.rfind(BEGINS)) < 0:
            return
        if text.startswith(BEGINS):
            self._add(place, read(text))
        elif (link := read(text[begins:])) and link.intact:
            # Somebody else's output may have come before it, or somebody quotes it.
            self._quoted.setdefault(link.number, _Placed(link, place))

    def _add(self, place: str, link: Link | None) -> None:
        if link is None:
            self._wrong.append(f"{place} begins like a line of the trail and is none: it was altered, or forged")
            return
        if not link.intact:
            self._wrong.append(f"number {link.number} ({place}) was altered: its hash is that of something else")
        known = self._lines.get(link.number)
        if known is None:
            self._enter(place, link)
        elif known.link.hash != link.hash:
            self._wrong.append(
                f"number {link.number} is there twice, with different contents ({known.place}, {place}): one was "
                "inserted"
            )
        elif link.number != self._last:
            # Right behind itself it stands where a kill has kept us from knowing that it was written.
            self._wrong.append(f"number {link.number} ({known.place}) stands again further down ({place})")

    def _enter(self, place: str, link: Link) -> None:
        if link.number < self._last:
            self._wrong.append(
                f"number {link.number} ({place}) stands behind number {self._last}: their order was changed"
            )
        self._lines[link.number] = _Placed(link, place)
        self._last = max(self._last, link.number)

    @property
    def is_any(self) -> bool:
        """Was there any line of a trail?"""
        return bool(self._lines or self._quoted or self._wrong)

    def complaints(self) -> list[str]:
        """What is wrong with the lines among themselves; nothing where they are whole. To be called when all are
        added."""
        self._take_quoted()
        numbers = sorted(self._lines)
        return [*self._wrong, *self._before(numbers), *self._gaps(numbers), *self._breaks(numbers)]

    def _take_quoted(self) -> None:
        """A line behind somebody else's output is one of the trail where nothing but it fits."""
        for number, quoted in sorted(self._quoted.items()):
            before = self._lines.get(number - 1)
            fits = before.link.hash == quoted.link.previous if before else number == self.first
            if fits and number not in self._lines:
                self._lines[number] = quoted

    def _before(self, numbers: list[int]) -> Iterator[str]:
        if numbers and numbers[0] > self.first:
            yield (
                f"the trail begins with number {numbers[0]}: {_numbers(self.first, numbers[0] - 1)} missing; if an "
                f"older file has them, give that one before, or --from {numbers[0]}"
            )

    def _gaps(self, numbers: list[int]) -> Iterator[str]:
        for number, following in pairwise(numbers):
            if following > number + 1:
                where = f"{self._lines[number].place} and {self._lines[following].place}"
                yield f"{_numbers(number + 1, following - 1)} missing, removed between {where}"

    def _breaks(self, numbers: list[int]) -> Iterator[str]:
        for number, following in pairwise(numbers):
            one, other = self._lines[number].link, self._lines[following].link
            # Of an altered line that is told already.
            if following == number + 1 and other.previous != one.hash and one.intact and other.intact:
                yield (
                    f"number {following} ({self._lines[following].place}) does not follow on number {number}: one of "
                    "them was inserted, or altered together with its hash"
                )

    def end_complaints(self, before: Head, after: Head) -> list[str]:
        """What is wrong with the end, by what the server itself says of it: before the lines were read, and after."""
        last = max(self._lines, default=self.first - 1)
        known = self._lines.get(before.number)
        if known and known.link.intact and known.link.hash != before.hash:
            return [f"number {before.number} ({known.place}) is not the line that this server has written"]
        if last < before.surely:
            return [f"{_numbers(last + 1, before.surely)} missing at the end, which was cut off"]
        if last > after.number:
            return [f"{_numbers(after.number + 1, last)} inserted at the end: this server has not written so many"]
        return []

    def __str__(self) -> str:
        """What there is, where it is whole."""
        if not self._lines:
            return "no lines yet"
        first, last = self._lines[min(self._lines)].link, self._lines[max(self._lines)].link
        count = len(self._lines)
        return (
            f"{count} line{'s' * (count > 1)}, whole, from number {first.number} ({first.time}) to {last.number} "
            f"({last.time})"
        )


def _numbers(first: int, last: int) -> str:
    if first == last:
        return f"number {first} is"
    return f"the numbers {first} to {last} are"
