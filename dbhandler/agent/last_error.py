"""The last thing that went wrong, for whoever asks how the server is."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping

MAX_BYTES = 240
"""Of the sentence as JSON. The rest of an answer to status_db needs less than what this leaves of answer.MAX_BYTES."""


class LastError(logging.Handler):
    """Remembers the newest ERROR line of the logger that it is added to, and what else it is told to note.

    clock says the seconds since 1970; `lines` is how many ERROR lines there were. standing says what is wrong for as
    long as it is, beside what is told to `fields`.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, standing: Callable[[], str | None] = lambda: None
    ) -> None:
        super().__init__(logging.ERROR)
        self._clock, self._standing = clock, standing
        self._last: Mapping[str, object] = {}
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging for every record of level ERROR and above."""
        self.lines += 1
        # What stands is told while it does, and no longer.
        if record.getMessage() != self._standing():
            self.note(record.getMessage())

    def note(self, text: str) -> None:
        """Remembers a sentence together with this moment."""
        self._last = self._fields(text)

    def fields(self, now: str | None = None) -> Mapping[str, object]:
        """The fields last_error and last_error_at of an answer: of what is wrong `now`, else of what was last noted;
        none when nothing ever was."""
        wrong = now or self._standing()
        return self._fields(wrong) if wrong else self._last

    def _fields(self, text: str) -> Mapping[str, object]:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))
        return {"last_error": cut(text), "last_error_at": at}


def cut(text: str, most: int = MAX_BYTES) -> str:
    """The text on one line, its middle left out so that it takes at most `most` bytes inside JSON: what was asked
    stands at its beginning, the reason at its end."""
    line = shortened = "".join(character if character.isprintable() else " " for character in text)
    kept = min(len(line), most)
    while _size(shortened) > most:
        kept -= 1
        shortened = line[: (kept + 1) // 2] + "…" + line[len(line) - kept // 2 :]
    return shortened


def _size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - len('""')
