"""Pure: a table's plain keys, left out where it is made, and added once its rows are there.

A row that is written into a key finds its place there, which costs a read of the disk as soon as the key is larger than
memory. Built at once from all rows, a key is sorted and written in one go.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_HEAD = re.compile(rb"CREATE TABLE `((?:[^`]|``)+)` \(\n")
_COLUMN = re.compile(rb"  `((?:[^`]|``)+)` ")
_PLAIN_KEY = re.compile(rb"  KEY `(?:[^`]|``)+` \((?:`((?:[^`]|``)+)`|\()")
_KNOWN = (
    b"  `",
    b"  PRIMARY KEY ",
    b"  UNIQUE KEY ",
    b"  KEY ",
    b"  CONSTRAINT ",
    b"  FULLTEXT KEY ",
    b"  SPATIAL KEY ",
)
_NEEDS_KEYS = (b" FOREIGN KEY ", b"SYSTEM VERSIONING", b"PERIOD FOR ")
"""Foreign keys need keys from the start; a table with a history lets nobody change it."""


def with_late_keys(text: bytes, referenced: Collection[bytes]) -> tuple[bytes, bytes | None]:
    """A statement of a dump that makes a table without its plain keys, and the one that adds them; the statement as it
    is, and None, where nothing is to be gained or something needs them from the start. referenced are the names of
    tables that a foreign key leads to.

    Source: what SHOW CREATE TABLE writes, one definition in a line.
    """
    head = _HEAD.match(text)
    if not head or head[1].replace(b"``", b"`") in referenced:
        return text, None
    body, end, options = text[head.end() :].partition(b"\n) ENGINE=InnoDB")
    lines = [line.removesuffix(b",") for line in body.split(b"\n")]
    if not end or any(word in text for word in _NEEDS_KEYS) or not all(line.startswith(_KNOWN) for line in lines):
        return text, None
    late = [line for line in lines if _is_late(line, lines)]
    if not late:
        return text, None
    kept = b",\n".join(line for line in lines if line not in late)
    added = b", ".join(b"ADD " + line.strip() for line in late)
    return text[: head.end()] + kept + end + options, b"ALTER TABLE `" + head[1] + b"` " + added


def _is_late(line: bytes, lines: Collection[bytes]) -> bool:
    key = _PLAIN_KEY.match(line)
    return key is not None and key[1] not in {_counted(column) for column in lines if b" AUTO_INCREMENT" in column}


def _counted(line: bytes) -> bytes | None:
    # The engine wants a key that begins with the column whose numbers it gives.
    column = _COLUMN.match(line)
    return column[1] if column else None
