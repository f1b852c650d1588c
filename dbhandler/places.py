"""The folders that a start needs, and the option of `docker run` that mends what is wrong with them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from dbhandler.errors import DbHandlerError
from dbhandler.log import told

_READ_ONLY = "with --read-only, give --tmpfs /run --tmpfs /tmp, too; and no volume may be read-only"
_RIGHTS = (
    "as root this container needs the capabilities CHOWN, DAC_OVERRIDE, SETGID and SETUID (--cap-add); "
    "with --user mysql it needs none"
)
_NO_ROOM = "there is no room left on its volume"


def mended(error: Exception) -> str:
    """What an error says at a start, and one of the operating system with what mends it."""
    if not isinstance(error, OSError):
        return str(error)
    advice = {
        errno.EROFS: _READ_ONLY,
        errno.EPERM: _RIGHTS,
        errno.EACCES: _ownership(),
        errno.ENOSPC: _NO_ROOM,
        errno.EDQUOT: _NO_ROOM,
    }.get(error.errno or 0)
    return f"{told(error)} ({advice})" if advice else told(error)


def check(folders: Iterable[Path]) -> None:
    """Raises DbHandlerError for the first folder in which this process may not make files."""
    for folder in folders:
        if not os.access(folder, os.W_OK | os.X_OK):
            read_only = folder.is_dir() and os.statvfs(folder).f_flag & os.ST_RDONLY
            raise DbHandlerError(f"{folder} cannot be written: {_READ_ONLY if read_only else _ownership()}")


def _ownership() -> str:
    user = f"{os.geteuid()}:{os.getegid()}"
    return f"give what is mounted there to this container's user (chown -R {user}), or start it with --user OWNER"
