"""A dump of a whole server that one tenant's broken table does not keep from everybody: what the engine's tool cannot
read is left out, and named.

restic calls dbhandler-backup-dump, which runs the tool: what that prints is passed on, and what was left out stands in
a file, a line for each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dbhandler import usage
from dbhandler.backup.left_out import left_out

USAGE = """usage: dbhandler-backup-dump NOTES COMMAND [ARGUMENT...]

Runs COMMAND, which dumps a whole server with --force, for dbhandler-backup: it has done its work where it has left out
no more than single tables, views or routines that nobody could read. They are named in the file NOTES.

exit status: 0 a dump, else that of COMMAND
"""


def run(notes: Path, command: Sequence[str]) -> int:
    """Runs the tool, whose output is ours; returns the exit status: 0 for a dump."""
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    missing = left_out(done.stderr.splitlines())
    if missing is None or (done.returncode and not missing):
        sys.stderr.write(done.stderr)
        return done.returncode or os.EX_SOFTWARE
    notes.write_text("".join(f"{line}\n" for line in missing))
    return os.EX_OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if len(argv) < 2:
        return usage.show(argv, USAGE)
    return run(Path(argv[0]), argv[1:])
