"""What is noted of a dump: the position that it tells itself, and what nobody could read for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbhandler import files
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError

_END = 1 << 20
"""Bytes at either end of a dump in which its position stands, however many GTIDs that is: MariaDB tells it last."""
_POSITION = {
    # In a line of its own: what tenants have written has no line ends, but for the bodies of routines, before it.
    "mariadb": re.compile(rb"^-- SET GLOBAL gtid_slave_pos='([^']*)'", re.MULTILINE),
    "mysql": re.compile(rb"SET @@GLOBAL\.GTID_PURGED=(?:/\*!80000 '\+'\*/ )?'\+?([^']*)'", re.DOTALL),
}


@dataclass(frozen=True)
class DumpNote:
    """The position of what is in a dump already, and what is missing in it."""

    position: Position
    missing: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Keeps it, durably. Raises OSError."""
        files.write_private(path, json.dumps({"position": str(self.position), "missing": list(self.missing)}))


def read(path: Path, engine: str) -> DumpNote:
    """What write has kept. Raises ValueError where that is damaged, OSError."""
    try:
        noted: Any = files.read_json(path)
        return DumpNote(Position.parse(noted["position"], engine), tuple(noted["missing"]))
    except (TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged") from error


def position_in(read: Callable[[int], bytes], engine: str) -> Position:
    """The position that a dump tells of itself, of which `read` gives the next so many bytes: to its end. Raises
    DbHandlerError."""
    head = tail = read(_END)
    while chunk := read(_END):
        tail = tail[-_END:] + chunk
    found = _POSITION[engine].findall(tail if engine == "mariadb" else head)
    if not found:
        raise DbHandlerError("the dump does not say at which position it is")
    try:
        return Position.parse(found[0 if engine == "mysql" else -1].decode(errors="replace"), engine)
    except ValueError as error:
        raise DbHandlerError(f"the dump tells no position: {error}") from error
