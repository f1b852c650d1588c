"""How far a stream of transactions is: which of them, told by their GTIDs, it holds.

Sources: MariaDB Server Documentation, "Global Transaction ID"; MySQL 9.7 Reference Manual, "GTID Format and Storage";
for what MySQL is sent, `Gtid_set::encode` and `Tsid` in its server's sources.
"""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from dbhandler.log import shown

_MARIADB = re.compile(r"([0-9]{1,10})-([0-9]{1,10})-([0-9]{1,20})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
_SPACE = re.compile(r"\s+")
_MAX_GNO = 2**63 - 2
_TAGGED = 1
"""The second form of an encoded set, in which each server's id has a tag."""

Interval = tuple[int, int]
"""Number of the first transaction and of the last."""


class Position(ABC):
    """A point in a source's history; never changes. Of nothing yet it is the empty one, whose text is empty."""

    @staticmethod
    def parse(text: str, engine: str) -> Position:
        """The position in this text of a server of `mariadb` ("0-1-5,1-2-7") or `mysql` ("uuid:1-5:7,uuid:tag:1-3",
        space does not count). Raises ValueError."""
        return _parsed_mysql(text) if engine == "mysql" else _parsed_mariadb(text)

    @abstractmethod
    def after(self, gtid: str) -> Position:
        """The position once this transaction is in it. Raises ValueError for what is no GTID."""

    @abstractmethod
    def holds(self, gtid: str) -> bool:
        """Is this transaction in it? Raises ValueError for what is no GTID."""

    @abstractmethod
    def covers(self, other: Position) -> bool:
        """Is everything in it that is in the other?"""

    @abstractmethod
    def encoded(self) -> bytes:
        """What COM_BINLOG_DUMP_GTID takes. Raises ValueError for an engine that has no such command."""


@dataclass(frozen=True)
class MariaDbPosition(Position):
    """Of each domain the server and the number that came last; all before it are in, too."""

    last: Mapping[int, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in sorted(self.last.items()))

    def after(self, gtid: str) -> Position:
        # What came last counts, even where a server that is not strict gives numbers out of order: it is asked so.
        domain, server, number = _mariadb_gtid(gtid)
        return MariaDbPosition({**self.last, domain: (server, number)})

    def holds(self, gtid: str) -> bool:
        domain, _, number = _mariadb_gtid(gtid)
        return domain in self.last and number <= self.last[domain][1]

    def covers(self, other: Position) -> bool:
        if not isinstance(other, MariaDbPosition):
            return False
        return all(domain in self.last and number <= self.last[domain][1] for domain, (_, number) in other.last.items())

    def encoded(self) -> bytes:
        raise ValueError("MariaDB is told a position as text")


@dataclass(frozen=True)
class MySqlPosition(Position):
    """Of each server, and each of its tags ("" is none), the numbers that are in: sorted, and none touches the next."""

    sets: Mapping[tuple[str, str], Sequence[Interval]] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        texts: dict[str, str] = {}
        for (server, tag), intervals in sorted(self.sets.items()):
            named = f":{tag}" if tag else ""
            texts[server] = texts.get(server, server) + named + "".join(map(_interval_text, intervals))
        return ",".join(texts.values())

    def after(self, gtid: str) -> Position:
        server, number = _mysql_gtid(gtid)
        return MySqlPosition({**self.sets, server: _with(self.sets.get(server, ()), number)})

    def holds(self, gtid: str) -> bool:
        server, number = _mysql_gtid(gtid)
        return _contains(self.sets.get(server, ()), (number, number))

    def covers(self, other: Position) -> bool:
        if not isinstance(other, MySqlPosition):
            return False
        pairs = ((server, interval) for server, intervals in other.sets.items() for interval in intervals)
        return all(_contains(self.sets.get(server, ()), interval) for server, interval in pairs)

    def encoded(self) -> bytes:
        tagged = any(tag for _, tag in self.sets)
        # The form stands at both ends of the number of servers, so that former versions read one that cannot be.
        size = len(self.sets) << 8 | _TAGGED << 56 | _TAGGED if tagged else len(self.sets)
        parts = [struct.pack("<Q", size)]
        for (server, tag), intervals in sorted(self.sets.items()):
            name = bytes([len(tag) << 1]) + tag.encode() if tagged else b""
            parts += [UUID(server).bytes, name, struct.pack("<Q", len(intervals))]
            parts += [struct.pack("<QQ", first, last + 1) for first, last in intervals]
        return b"".join(parts)


def _parsed_mariadb(text: str) -> Position:
    last: dict[int, tuple[int, int]] = {}
    for part in _parts(text):
        domain, server, number = _mariadb_gtid(part)
        if domain in last:
            raise ValueError(f"{shown(text)} is no position: it tells domain {domain} twice")
        last[domain] = server, number
    return MariaDbPosition(last)


def _mariadb_gtid(text: str) -> tuple[int, int, int]:
    match = _MARIADB.fullmatch(text)
    if not match or int(match[1]) >= 2**32 or int(match[2]) >= 2**32 or int(match[3]) >= 2**64:
        raise ValueError(f"{shown(text)} is no GTID of MariaDB, such as 0-1-5")
    return int(match[1]), int(match[2]), int(match[3])


def _parsed_mysql(text: str) -> Position:
    found: dict[tuple[str, str], list[Interval]] = {}
    for part in _parts(text):
        for server, interval in _intervals(part):
            found.setdefault(server, []).append(interval)
    return MySqlPosition({server: _merged(intervals) for server, intervals in found.items()})


def _intervals(text: str) -> Iterator[tuple[tuple[str, str], Interval]]:
    """Of one server: a tag is that of all intervals up to the next tag."""
    server, *words = text.split(":")
    tag, pending = "", True
    if not _UUID.fullmatch(server):
        raise _no_set(text)
    for word in words:
        if _TAG.fullmatch(named := word.lower()) and not (tag and pending):
            tag, pending = named, True
        else:
            yield (server.lower(), tag), _interval(word, text)
            pending = False
    if pending:
        raise _no_set(text)


def _interval(word: str, text: str) -> Interval:
    match = _INTERVAL.fullmatch(word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= _MAX_GNO:
        raise _no_set(text)
    return first, last


def _mysql_gtid(text: str) -> tuple[tuple[str, str], int]:
    found = list(_intervals(text))
    if len(found) != 1 or found[0][1][0] != found[0][1][1]:
        raise _no_set(text)
    server, (number, _) = found[0]
    return server, number


def _no_set(text: str) -> ValueError:
    return ValueError(f"{shown(text)} is no GTID of MySQL, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:5")


def _parts(text: str) -> list[str]:
    text = _SPACE.sub("", text)
    return text.split(",") if text else []


def _merged(intervals: Sequence[Interval]) -> Sequence[Interval]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return tuple(merged)


def _with(intervals: Sequence[Interval], number: int) -> Sequence[Interval]:
    # Nearly always the next one of the last.
    if intervals and intervals[-1][1] + 1 == number:
        return (*intervals[:-1], (intervals[-1][0], number))
    return _merged([*intervals, (number, number)])


def _contains(intervals: Sequence[Interval], wanted: Interval) -> bool:
    place = bisect_right(intervals, wanted[0], key=lambda interval: interval[0]) - 1
    return place >= 0 and wanted[1] <= intervals[place][1]


def _interval_text(interval: Interval) -> str:
    first, last = interval
    return f":{first}" if first == last else f":{first}-{last}"
