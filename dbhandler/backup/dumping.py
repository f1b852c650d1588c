"""A dump of a whole server that one tenant's broken table does not keep from everybody: what the engine's tool cannot
read is left out, and named.

restic calls dbhandler-backup-dump, which runs the tool: what that prints is passed on, and what is to be noted of it
stands in a file, so that nobody has to read all of it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from dbhandler import usage
from dbhandler.distant.dump_note import DumpNote, position_in
from dbhandler.distant.left_out import left_out
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError
from dbhandler.log import told

HEARD = 0.3
"""Seconds for a complaint to be taken."""

USAGE = """usage: dbhandler-backup-dump NOTE ENGINE COMMAND [ARGUMENT...]

Runs COMMAND, which dumps a whole server of the ENGINE mariadb or mysql with --force, for dbhandler-backup: it has done
its work where it has left out no more than single tables, views or routines that nobody could read. They are named in
the file NOTE, and the position (GTIDs) of what is in the dump.

exit status: 0 a dump, else that of COMMAND
"""


def run(note: Path, engine: str, command: Sequence[str]) -> int:
    """Runs the tool, whose output is ours; returns the exit status: 0 for a dump."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as tool:
            assert tool.stdout  # noqa: S101 (it was started with a pipe)
            position = _passed_on(tool.stdout, engine)
        said.seek(0)
        lines = said.read().splitlines()
    missing = left_out(lines)
    if isinstance(position, Exception):
        return _failed(lines or [told(position)], tool.returncode)
    if missing is None or (tool.returncode and not missing):
        return _failed(lines, tool.returncode)
    DumpNote(position, missing).write(note)
    return os.EX_OK


def _passed_on(stream: IO[bytes], engine: str) -> Position | Exception:
    """Writes what comes to our output; returns the position that it tells, or why there is none."""

    def read(size: int) -> bytes:
        sys.stdout.buffer.write(chunk := stream.read(size))
        sys.stdout.buffer.flush()
        return chunk

    try:
        return position_in(read, engine)
    except (DbHandlerError, OSError) as error:
        return error


def _failed(lines: Sequence[str], status: int) -> int:
    print("\n".join(lines), file=sys.stderr, flush=True)
    # restic ends with us, and would not wait for what we have said.
    time.sleep(HEARD)
    return status if status > 0 else os.EX_SOFTWARE


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if len(argv) < 3:
        return usage.show(argv, USAGE)
    return run(Path(argv[0]), argv[1], argv[2:])
