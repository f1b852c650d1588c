"""What it means that restic has failed, by its exit status and by what it has said.

Source of the exit codes: https://restic.readthedocs.io/en/stable/075_scripting.html
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import IO

from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import shown

_TAIL = 16_384
"""Bytes of what restic says last."""
_NO_BUCKET = "bucket does not exist"
_COMMAND = re.compile(r"command failed: (?:[^:]+: )?|failed to start command: (?:exec: )?")
_FOR_GOOD = re.compile(
    "not found in snapshot|failed to find snapshot|no matching ID|unknown (flag|command)|invalid (backend|repository)"
    "|executable file not found|ciphertext verification|hash does not match|invalid data returned"
    "|repository contains errors|all source directories/files do not exist"
)
"""Said where trying again later is useless."""
_ECHO = re.compile("context canceled|signal terminated|Is there a repository|interrupted|at least one source file")
"""Said at the end, and not why it came to that."""


class NoRepository(DbHandlerError):
    """There is no repository where one should be."""


class WrongPassword(DbHandlerError):
    """The repository was made with another password."""


class CommandFailed(DbHandlerError):
    """The command whose output was to be saved has failed; nothing was saved."""


class Incomplete(DbHandlerError):
    """restic has left out what it could not read. output is what it wrote."""

    def __init__(self, message: str, output: bytes) -> None:
        super().__init__(message)
        self.output = output


class Said:
    """What one restic says on its standard error, while it did `what` at `place`; no error quotes a secret."""

    def __init__(self, stream: IO[bytes], what: str, place: str, secrets: Iterable[str]) -> None:
        self._stream, self._what, self._place = stream, what, place
        self._secrets = sorted((one for one in secrets if len(one) > 3), key=len, reverse=True)

    def late(self, patience: float) -> DbHandlerError:
        """The error of one that was ended because it took too long."""
        # restic goes on looking for a bucket that is not there.
        if any(_NO_BUCKET in line for line in self._lines()):
            return NoRepository(f"there is no repository at {self._place}")
        begin = f"the repository {self._place}: restic {self._what} was not done after {patience:.0f} s"
        reason = self._reason()
        return Unavailable(f"{begin}: {reason}" if reason else begin)

    def error(self, status: int, output: bytes) -> DbHandlerError:
        """The error of one that has ended with a status that is not 0, and has printed `output`."""
        match status:
            case 3:
                return Incomplete(f"the repository {self._place}: not all could be read: {self._reason()}", output)
            case 10:
                return NoRepository(f"there is no repository at {self._place}")
            case 11:
                return Unavailable(f"the repository {self._place} is locked by somebody else")
            case 12:
                return WrongPassword(f"the repository {self._place} was made with another password")
            case 127:
                return DbHandlerError("restic is not installed")
        return self._other_error()

    def _other_error(self) -> DbHandlerError:
        lines = self._lines()
        reason = self._reason()
        if any(_COMMAND.search(line) for line in lines):
            own = [line.removeprefix("subprocess ") for line in lines if line.startswith("subprocess ")]
            return CommandFailed(f"what was to be saved has failed: {self._clean(own[-1]) if own else reason}")
        kind = DbHandlerError if any(map(_FOR_GOOD.search, lines)) else Unavailable
        return kind(f"the repository {self._place}: restic {self._what} has failed: {reason or 'without a word'}")

    def _reason(self) -> str:
        lines = self._lines()
        telling = [line for line in lines if not _ECHO.search(line) and self._place not in line] or lines
        return self._clean(_COMMAND.sub("", telling[-1])) if telling else ""

    def _lines(self) -> list[str]:
        self._stream.seek(max(0, self._stream.seek(0, os.SEEK_END) - _TAIL))
        lines = self._stream.read().decode(errors="replace").splitlines()
        return [text for line in lines if (text := _sentence(line.strip()))]

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return shown(text, 300)


def _sentence(line: str) -> str:
    """What one line on the standard error says; restic writes some as JSON."""
    try:
        said = json.loads(line)
        text = said.get("message") or said["error"]["message"]
    except (ValueError, AttributeError, KeyError, TypeError):
        text = line
    return str(text).partition("\n")[0].removeprefix("Fatal: ")
