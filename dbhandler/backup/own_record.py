"""Which restores of applications' own databases were begun, and which are done: for whoever asks again later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dbhandler import files

MOST = 200
"""Restores that are remembered, the last ones."""


class OwnRecord:
    """In the file `path`. A restore is called by its id (Wanted.id), which tells nothing of it. What is lost with the
    file is no more than that: a database that was begun is refused as one that is not empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begun(self, id: str) -> str | None:
        """The position at which a restore was begun, None for one that was not; it may be done by now."""
        return self._read().get(id, (None, False))[0]

    def is_done(self, id: str) -> bool:
        """Has all of it been loaded?"""
        return self._read().get(id, (None, False))[1]

    def begin(self, id: str, position: str) -> None:
        """Notes, durably, that its database gets rows from now on. Raises OSError."""
        self._write(id, position, False)

    def end(self, id: str) -> None:
        """Notes, durably, that it is done. Raises OSError."""
        self._write(id, self.begun(id) or "", True)

    def _write(self, id: str, position: str, done: bool) -> None:
        known = {name: entry for name, entry in self._read().items() if name != id}
        kept = dict([*known.items(), (id, (position, done))][-MOST:])
        files.write_private(self._path, json.dumps(kept))

    def _read(self) -> Mapping[str, tuple[str, bool]]:
        with suppress(OSError, ValueError, TypeError):
            noted = files.read_json(self._path)
            if isinstance(noted, dict):
                return {str(id): (str(position), done is True) for id, (position, done) in noted.items()}
        return {}
