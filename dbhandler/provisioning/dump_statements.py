"""Pure: the statements in what the engines' dump programs write, and in which order they may run.

Rows are what takes time, and no row of a dump needs another one: its session checks no foreign keys. So a table's rows
may be loaded by several connections, between the statement that makes the table and whatever else follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

_SESSION = re.compile(rb"(?:/\*M?!\d+ )?SET ")
_TABLE = re.compile(rb"(?:/\*M?!\d+ )?(?:CREATE|DROP) TABLE ")
_SANDBOX = b"/*M!999999"
"""How MariaDB's dumps begin: for its command-line client, which is to carry out no command in it."""


class Kind(Enum):
    """What a statement is for."""

    SESSION = auto()
    """How what follows is to be understood: for every connection, where no row has come yet."""
    TABLE = auto()
    """Makes a table, or removes the one that was there: rows of others may still be on their way."""
    ROWS = auto()
    OTHER = auto()
    """Needs all that stands before: triggers, views, routines, events."""


@dataclass(frozen=True)
class DumpStatement:
    """One statement, without its end."""

    kind: Kind
    text: bytes


def statements(lines: Iterable[bytes]) -> Iterator[DumpStatement]:
    """The statements in the lines of a dump. Source: what mysqldump and mariadb-dump write; a line ends where a
    statement does, or inside of it."""
    end, begun = b";", list[bytes]()
    for line in lines:
        if not begun and (not line.strip() or line.startswith((b"--", _SANDBOX))):
            continue
        if not begun and line.startswith(b"DELIMITER "):
            end = line.removeprefix(b"DELIMITER ").strip()
            continue
        begun.append(line)
        if line.rstrip().endswith(end):
            text = b"".join(begun).rstrip().removesuffix(end)
            yield DumpStatement(_kind(text), text)
            begun = []
    if begun:
        yield DumpStatement(Kind.OTHER, b"".join(begun))


def _kind(text: bytes) -> Kind:
    if text.startswith((b"INSERT ", b"REPLACE ")):
        return Kind.ROWS
    if _SESSION.match(text):
        return Kind.SESSION
    return Kind.TABLE if _TABLE.match(text) else Kind.OTHER
