"""Small files that must be whole or absent after a crash."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbhandler.spool import sync_folder

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""How file systems say that they have no hard links."""


def read_json(path: Path) -> object:
    """What stands in a file of JSON. Raises ValueError for a damaged one, OSError where there is nothing to read."""
    try:
        value: object = json.loads(path.read_text())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def set_aside(path: Path) -> Path:
    """Moves a damaged file out of the way, where it can still be looked at; returns where it lies now. Raises
    OSError."""
    return path.replace(path.with_name(f"{path.name}.damaged"))


def write_private(path: Path, content: str) -> None:
    """Writes a file that only its owner may read: whole and durable when this returns, else as it was before."""
    with _written(path, content) as temporary:
        temporary.replace(path)


def write_private_once(path: Path, content: str) -> bool:
    """As write_private, but a file that is there stays. Returns whether it was written: of several processes, even in
    several containers, that write at once, to one alone (where the file system has hard links)."""
    with _written(path, content) as temporary:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                return False
            temporary.replace(path)
    return True


@contextmanager
def _written(path: Path, content: str) -> Iterator[Path]:
    # Not by process number: in containers that share a volume everybody is number 1.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(str(path.parent))


def remove(path: Path) -> None:
    """Removes a file durably; an absent one is fine."""
    path.unlink(missing_ok=True)
    sync_folder(str(path.parent))
