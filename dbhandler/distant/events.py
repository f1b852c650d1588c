"""Events of a binary log, as they stand in its files and come over the network.

Sources: MySQL 9.7 Source Code Documentation, "Binlog Event" and the headers of `libs/mysql/binlog/event`, for tagged
GTIDs `libs/mysql/serialization`; MariaDB Server Documentation, "Replication Protocol". Bytes are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from dbhandler.errors import DbHandlerError

HEADER = b"\xfebin"
"""How each file begins."""
HEAD = 19
"""Bytes of an event before its body."""
MAX_STATEMENT = 4096
"""Characters of a statement that are kept."""

_HEAD = struct.Struct("<IBIIIH")
_KIND, _FLAGS = 4, 17
"""Where they stand in it."""
_CRC = 4
_IN_USE, _ARTIFICIAL = 0x01, 0x20
"""Flags: of a file that is being written, set and reset without a new checksum; of an event that stands in no file."""
_CRC32 = 1
_PACKED = 0x80
_MICRO = 2**55 - 1
"""The bits of a time in microseconds; the one above says that another time follows."""


class Damaged(DbHandlerError):
    """What should be a binary log is none, or not whole."""


class Kind(IntEnum):
    """The kinds of events that are told apart; there are others, which only belong to their transaction."""

    QUERY = 2
    ROTATE = 4
    FORMAT = 15
    XID = 16
    LOADED = 18
    TABLE_MAP = 19
    INCIDENT = 26
    HEARTBEAT = 27
    MYSQL_GTID = 33
    ANONYMOUS = 34
    XA_PREPARE = 38
    PAYLOAD = 40
    HEARTBEAT_V2 = 41
    TAGGED_GTID = 42
    MARIADB_GTID = 162
    GTID_LIST = 163
    QUERY_COMPRESSED = 165


@dataclass(frozen=True)
class Event:
    """One event: time is UTC seconds, size that of the whole, position its end in the server's own file (0: not told),
    body what follows the header, without the checksum."""

    kind: int
    time: int
    server_id: int
    size: int
    position: int
    flags: int
    body: bytes


@dataclass(frozen=True)
class Query:
    """A statement and its default database."""

    schema: str
    text: str


def kind_of(raw: bytes) -> int:
    """The kind of the event in these bytes; -1 where there are too few."""
    return raw[_KIND] if len(raw) > _KIND else -1


def is_heartbeat(raw: bytes) -> bool:
    """Does the server only say that it is there?"""
    return kind_of(raw) in (Kind.HEARTBEAT, Kind.HEARTBEAT_V2)


def is_for_replica(raw: bytes) -> bool:
    """Is it no part of the log, but a word of the server to its replica?"""
    made_up = kind_of(raw) != Kind.FORMAT and len(raw) > _FLAGS and raw[_FLAGS] & _ARTIFICIAL
    return kind_of(raw) == Kind.ROTATE or is_heartbeat(raw) or bool(made_up)


def event(raw: bytes, checksummed: bool) -> Event:
    """The event in these bytes; `checksummed` as the last format description says, of which itself it does not matter.
    Raises Damaged."""
    if len(raw) < HEAD:
        raise Damaged("an event of the binary log is too short")
    time, kind, server_id, size, position, flags = _HEAD.unpack_from(raw)
    if size != len(raw):
        raise Damaged(f"an event of the binary log should have {size} bytes, and has {len(raw)}")
    # A format description always has room for one; whether it is true says its own last byte.
    room = _CRC if checksummed or kind == Kind.FORMAT else 0
    if size < HEAD + room:
        raise Damaged("an event of the binary log is too short")
    found = Event(kind, time, server_id, size, position, flags, raw[HEAD : size - room])
    if has_checksums(found) if kind == Kind.FORMAT else checksummed:
        _check(raw, found)
    return found


def has_checksums(description: Event) -> bool:
    """Do the events after this format description have a checksum? Raises Damaged for a kind nobody knows."""
    algorithm = description.body[-1] if description.body else None
    if algorithm not in (0, _CRC32):
        raise Damaged("the binary log has checksums of a kind that is not known")
    return algorithm == _CRC32


def _check(raw: bytes, found: Event) -> None:
    if found.kind == Kind.FORMAT and found.flags & _IN_USE:
        raw = raw[:_FLAGS] + struct.pack("<H", found.flags & ~_IN_USE) + raw[HEAD:]
    if zlib.crc32(raw[:-_CRC]) != int.from_bytes(raw[-_CRC:], "little"):
        raise Damaged("the checksum of an event of the binary log is wrong")


def query(found: Event, most: int = MAX_STATEMENT) -> Query:
    """The statement of an event of the kinds QUERY; one of more characters is cut. Raises Damaged."""
    with _decoding():
        schema_size, _, status_size = struct.unpack_from("<BHH", found.body, 8)
        begin = 13 + status_size
        schema, text = found.body[begin : begin + schema_size], found.body[begin + schema_size + 1 :]
        # A character has up to four bytes.
        text = _unpacked(text, 4 * most) if found.kind == Kind.QUERY_COMPRESSED else text[: 4 * most]
        return Query(schema.decode(errors="replace"), text.decode(errors="replace")[:most])


def _unpacked(packed: bytes, most: int) -> bytes:
    # How many bytes the number of bytes has stands in the lowest bits of the first.
    if not packed[0] & _PACKED:
        raise ValueError("it is not packed by zlib")
    return zlib.decompressobj().decompress(packed[1 + (packed[0] & 0x07) :], most)


def table(found: Event) -> str:
    """The table that a TABLE_MAP names, as "db.table". Raises Damaged."""
    with _decoding():
        size = found.body[8]
        schema, rest = found.body[9 : 9 + size], found.body[10 + size :]
        return f"{schema.decode(errors='replace')}.{rest[1 : 1 + rest[0]].decode(errors='replace')}"


def mariadb_gtid(found: Event) -> tuple[str, int]:
    """The GTID that a MARIADB_GTID gives, and its flags. Raises Damaged."""
    with _decoding():
        number, domain, flags = struct.unpack_from("<QIB", found.body)
        return f"{domain}-{found.server_id}-{number}", flags


def mysql_gtid(found: Event) -> tuple[str, float | None]:
    """The GTID that a MYSQL_GTID, a TAGGED_GTID or ANONYMOUS ("") gives, and the time of its commit in UTC seconds to
    the microsecond, where it tells it. Raises Damaged."""
    with _decoding():
        if found.kind == Kind.TAGGED_GTID:
            return _tagged(found.body)
        server, number = struct.unpack_from("<16sq", found.body, 1)
        time = int.from_bytes(found.body[42:49], "little") & _MICRO
        gtid = "" if found.kind == Kind.ANONYMOUS else f"{UUID(bytes=server)}:{number}"
        return gtid, _seconds(time)


def _tagged(body: bytes) -> tuple[str, float | None]:
    numbers, server = _Numbers(body), b""
    fields: dict[int, int | str] = {}
    version, _, _ = numbers.take(), numbers.take(), numbers.take()
    if version != 1:
        raise ValueError("it is of an unknown version")
    for place in range(7):
        # Which have a number of their own, in this order: flags, server, number, tag, two counters, time of commit.
        if numbers.take() != place:
            raise ValueError("a field is missing")
        if place == 1:
            server = bytes(numbers.take() for _ in range(16))
        else:
            fields[place] = numbers.text() if place == 3 else numbers.take()
    # Signed numbers have their sign in the lowest bit.
    return f"{UUID(bytes=server)}:{fields[3]}:{int(fields[2]) >> 1}", _seconds(int(fields[6]))


class _Numbers:
    """Reads numbers of variable length: as many ones as the first byte ends with, so many bytes follow it."""

    def __init__(self, body: bytes) -> None:
        self._body, self._place = body, 0

    def take(self) -> int:
        first = self._body[self._place]
        ones = (~first & (first + 1)).bit_length() - 1
        # After the ones there is a zero, unless they fill the byte.
        return int.from_bytes(self._bytes(ones + 1), "little") >> min(ones + 1, 8)

    def text(self) -> str:
        return self._bytes(self.take()).decode("ascii")

    def _bytes(self, size: int) -> bytes:
        taken = self._body[self._place : self._place + size]
        if len(taken) < size:
            raise ValueError("it is too short")
        self._place += size
        return taken


def _seconds(micro: int) -> float | None:
    return micro / 1e6 if micro else None


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (struct.error, IndexError, ValueError, zlib.error) as error:
        raise Damaged(f"an event of the binary log is not what it should be: {error}") from error
