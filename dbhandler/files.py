"""Small files that must be whole or absent after a crash."""

from __future__ import annotations

import os
from pathlib import Path

from dbhandler.spool import sync_folder


def write_private(path: Path, content: str) -> None:
    """Writes a file that only its owner may read: whole and durable when this returns, else as it was before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(str(path.parent))


def remove(path: Path) -> None:
    """Removes a file durably; an absent one is fine."""
    path.unlink(missing_ok=True)
    sync_folder(str(path.parent))
