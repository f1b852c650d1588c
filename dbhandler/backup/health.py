"""dbhandler-backup-health, which the image dbhandler-backup calls dbhandler-health: is every server backed up now?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler import usage
from dbhandler.backup.record import Record, complaints
from dbhandler.backup.source import remembered
from dbhandler.errors import DbHandlerError
from dbhandler.settings.backup import FOLDER, SOURCES

USAGE = """usage: dbhandler-backup-health

The image dbhandler-backup calls it dbhandler-health, too.
Exit status 0 when all that is to be backed up is, else 1 with one sentence for each server that is not.
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv:
        return usage.show(argv, USAGE)
    environ = os.environ if environ is None else environ
    wrong = _complaints(Path(environ.get("DBHANDLER_BACKUP_DIR") or FOLDER) / SOURCES)
    print("\n".join(wrong) or "all servers that were met are backed up")
    return 1 if wrong else 0


def _complaints(folder: Path) -> list[str]:
    found = []
    for source in sorted(folder.glob("*/")):
        noted = Record(source).read()
        try:
            name = remembered(source).name
        except DbHandlerError as error:
            found.append(str(error))
            continue
        found += [f"{name}: {complaint}" for complaint in complaints(noted)]
    return found
