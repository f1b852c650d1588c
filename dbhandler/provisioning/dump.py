"""One dump of one database: the engine's own program, piped through gzip into a private file.

A dump begins with three lines of ours: what it is (JSON in a comment), and two statements that make the database and
enter it. So it restores by hand, `gzip -dc FILE | mariadb`, and dbhandler-admin leaves them out to restore elsewhere.
"""

from __future__ import annotations

import gzip
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dbhandler.engine.private_server import TETHER
from dbhandler.engine.sql import identifier
from dbhandler.errors import ServerError
from dbhandler.log import shown

STALLED = 60.0
"""Seconds without a byte more, after which a dump waits for a lock and is given up. A long one grows all the time."""
HEADER_LINES = 3
_MARK = b"-- dbhandler "
_HEARD = 1000
"""Bytes of what the programs complain of: the first complaint is the cause."""


@dataclass(frozen=True)
class Header:
    """What a dump is of: the database with its defaults, the account that owned it, and the engine."""

    database: str
    user: str
    charset: str
    collation: str
    engine: str

    def encode(self) -> bytes:
        """The first lines of the dump."""
        # identifier() doubles the per cent sign, for a driver that undoes it.
        name = identifier(self.database).replace("%%", "%")
        create = f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET {self.charset} COLLATE {self.collation};"
        return _MARK + f"{json.dumps(asdict(self))}\n{create}\nUSE {name};\n".encode()


def read_header(path: Path) -> Header | None:
    """The header of a dump, None where the file has none, or is no dump. Raises OSError for a missing file."""
    try:
        with gzip.open(path) as file:
            line = file.readline(4096)
        values = json.loads(line.removeprefix(_MARK))
        return Header(**values) if all(isinstance(value, str) for value in values.values()) else None
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, TypeError, AttributeError):
        return None


def dump_command(engine: str, socket: Path, user: str, *more: str) -> Callable[[str], Sequence[str]]:
    """The command line that dumps one database, whole and consistent, with the engine's own program and more
    options."""
    program, *own = {
        "mariadb": ("mariadb-dump", "--dump-history"),
        "mysql": ("mysqldump", "--set-gtid-purged=OFF"),
    }[engine]
    options = (*own, "--single-transaction", "--routines", "--events", "--triggers", "--hex-blob", *more)
    return lambda database: [*TETHER, program, f"--socket={socket}", f"--user={user}", *options, "--", database]


def write_dump(
    command: Sequence[str],
    header: Header,
    path: Path,
    stalled: float = STALLED,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Writes a dump into the new file `path`; whole and durable when this returns.

    Raises ServerError with the program's own complaint, or OSError; the file is to be removed then.
    """
    reading, writing = os.pipe()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file, os.fdopen(reading, "rb"):
        try:
            file.write(gzip.compress(header.encode()))
            file.flush()
            dump = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing)
            zipper = subprocess.Popen(("gzip", "-c"), stdin=dump.stdout, stdout=file, stderr=writing)
        finally:
            os.close(writing)
        if dump.stdout:
            dump.stdout.close()
        complaint = _listen(reading, dump, lambda: path.stat().st_size, stalled, clock)
        if zipper.wait() | dump.wait():
            raise ServerError(shown(complaint, 300) if complaint else "the dump program failed without a word")
        os.fsync(file.fileno())


def _listen(
    reading: int,
    dump: subprocess.Popen[bytes],
    size: Callable[[], int],
    stalled: float,
    clock: Callable[[], float],
) -> str:
    """What both programs complain of until both have ended; one that stands still is ended."""
    heard, last, since = b"", -1, clock()
    while True:
        if select.select([reading], [], [], 0.2)[0]:
            chunk = os.read(reading, 4096)
            if not chunk:
                return " ".join(heard[:_HEARD].decode(errors="replace").split())
            heard = heard[:_HEARD] + chunk
        if (now := size()) != last:
            last, since = now, clock()
        elif clock() - since > stalled:
            dump.kill()
            since, heard = clock(), f"it stood still for {stalled:.0f} s: somebody holds a lock; ".encode() + heard
