"""Loads what one moment of a database held on another server, with the rights of the account that shall own it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dbhandler.distant.dump_note import position_in
from dbhandler.distant.position import Position
from dbhandler.engine.private_server import TETHER
from dbhandler.engine.server import Server
from dbhandler.provisioning.dump_lines import dump_lines
from dbhandler.provisioning.loading import Loading

_DUMP = {
    "mariadb": ("mariadb-dump", "--master-data=2", "--gtid", "--skip-add-locks", "--skip-disable-keys",
                "--skip-no-autocommit"),
    "mysql": ("mysqldump", "--set-gtid-purged=COMMENTED", "--no-tablespaces", "--skip-add-locks",
              "--skip-disable-keys"),
}  # fmt: skip
_SETTING = (b"SET @MYSQLDUMP_TEMP_LOG_BIN", b"SET @@SESSION.SQL_LOG_BIN")
"""What MySQL's tool has the loader do for the sake of its own numbers: nobody but an administrator may."""
_KEPT = 1 << 20
"""Bytes at either end of a dump in which its position stands (dump_note.py)."""


def command(engine: str, option_file: Path, database: str) -> list[str]:
    """The command that dumps a database without its events, and says at which position of the log."""
    tool, *options = _DUMP[engine]
    return [
        *TETHER, tool, f"--defaults-file={option_file}", *options, "--single-transaction", "--skip-lock-tables",
        "--quick", "--routines", "--skip-events", "--triggers", "--hex-blob", "--skip-dump-date",
        "--max-allowed-packet=1G", "--default-character-set=utf8mb4", "--", database,
    ]  # fmt: skip


def fetch(
    dump: list[str], database: str, engine: str, loading: Callable[[], Server], referenced: set[bytes] | None,
    told: Callable[[int], None],
) -> Position:  # fmt: skip
    """Runs the dump's command and loads what it writes over connections of `loading`; returns the position of what is
    in it. referenced is Loading's; told hears how many bytes have come. Raises DbHandlerError."""
    text = _Text(told)
    with dump_lines(dump, database) as lines:
        Loading(loading, referenced=referenced).load(text.without_settings(lines))
    return text.position(engine)


class _Text:
    """What of a dump is needed after it was loaded: both ends."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told, self._size = told, 0
        self._head, self._tail = b"", bytearray()

    def without_settings(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The lines that are to be loaded."""
        is_comment = False
        for line in lines:
            self._keep(line)
            # The position, in a comment of several lines: it is no statement.
            if line.startswith(b"/* SET @@GLOBAL.GTID_PURGED"):
                is_comment = True
            if not is_comment and not line.startswith(_SETTING):
                yield line
            is_comment = is_comment and b"*/" not in line

    def position(self, engine: str) -> Position:
        """The position that the dump tells. Raises DbHandlerError."""
        text = iter((self._head if engine == "mysql" else bytes(self._tail), b""))
        return position_in(lambda _size: next(text), engine)

    def _keep(self, line: bytes) -> None:
        self._size += len(line)
        self._told(self._size)
        if len(self._head) < _KEPT:
            self._head += line
        self._tail += line
        if len(self._tail) > 4 * _KEPT:
            del self._tail[:-_KEPT]
