"""What is known of a source's backups, for whoever asks: in one small file, written by the keeper alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dbhandler import files

_FILE = "record.json"


class Record:
    """The record in a source's folder: `stream`, `base`, `repository` say why there is none now (None: there is),
    `shipped` and `proven` when (UTC seconds) that was last done; `base_proven` which base then, `wrong` what differed
    in the last comparison, `took` how many seconds that and the restore took; `bases` when each base was begun, and
    at which position it is."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._noted = self.read()

    def read(self) -> dict[str, object]:
        """What was noted last."""
        with suppress(OSError, ValueError):
            noted = files.read_json(self._path)
            return dict(noted) if isinstance(noted, dict) else {}
        return {}

    def note(self, **values: object) -> None:
        """Notes these, the others stay. Raises OSError."""
        if not values.items() <= self._noted.items():
            noted = self._noted | values
            files.write_private(self._path, json.dumps(noted))
            self._noted = noted

    def is_proven(self, base: str, since: float) -> bool:
        """Was this base compared with the server, after that time (UTC seconds)? What was wrong then is compared again
        and again."""
        proven, right = self._noted.get("proven"), not self._noted.get("wrong")
        fresh = isinstance(proven, int | float) and proven >= since
        return fresh and right and self._noted.get("base_proven") == base


def complaints(noted: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the backup of a source by what its record says. One that is away is not the backup's fault."""
    if not noted.get("away") and noted.get("stream"):
        yield str(noted["stream"])
    for name in ("base", "repository"):
        if noted.get(name):
            yield str(noted[name])
