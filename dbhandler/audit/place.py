"""The file of the trail at a start: its folder is made and given to the server's user, what cannot be is refused."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from dbhandler import places
from dbhandler.audit.record import BEGINS
from dbhandler.errors import ConfigError
from dbhandler.inventory import InState


class Place:
    """The file that a trail is to be written to, of a server with these two volumes."""

    def __init__(self, file: Path, data_dir: Path, state_dir: Path) -> None:
        self._file, self._data_dir, self._state_dir = file, data_dir, state_dir

    def give(self, user: pwd.struct_passwd) -> None:
        """As root: gives the server's user the folder that is there already, where it is empty, as a new volume is. One
        that holds anything is its owner's own arrangement. Raises OSError."""
        folder = next(parent for parent in self._file.parents if parent.is_dir())
        if not any(folder.iterdir()):
            os.chown(folder, user.pw_uid, user.pw_gid)

    def prepare(self) -> None:
        """As the server's user: makes the folder. Raises DbHandlerError or OSError where the trail cannot be written
        there."""
        if complaint := self._complaint():
            raise ConfigError(f"DBHANDLER_AUDIT: {self._file} {complaint}")
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        places.check((self._file.parent,))

    def _complaint(self) -> str | None:
        file = self._file
        if file.is_relative_to(self._data_dir):
            return f"is in {self._data_dir}, where all is the server's own"
        if file.is_relative_to(self._state_dir) and self._within_state() in (*InState, "spool"):
            return "is a file of ours already"
        if not file.exists():
            return None
        if not os.access(file, os.R_OK | os.W_OK):
            return "is another user's"
        return None if file.is_file() and _is_trail(file) else "is there, and is no audit trail"

    def _within_state(self) -> str:
        return next(iter(self._file.relative_to(self._state_dir).parts), "")


def _is_trail(file: Path) -> bool:
    """Is it empty, or does it begin like one?"""
    with file.open("rb") as content:
        return content.read(len(BEGINS)) in (b"", BEGINS.encode())
