"""The tools of an engine or the system, run to their end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

from dbhandler.errors import DbHandlerError

TIMEOUT = 600.0
"""Seconds that a tool may take: a slow disk is no error, a hanging one is."""


def run(command: Sequence[str], meanwhile: Callable[[], None] = lambda: None) -> str:
    """Runs the command, and does `meanwhile` beside it; returns what the command prints. Raises DbHandlerError, whose
    sentence has the line that tells most."""
    with _started(command) as process:
        try:
            meanwhile()
            out, told = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise DbHandlerError(f"{command[0]} has not finished within {TIMEOUT:.0f} s") from error
        finally:
            # Nothing is left of it where it has ended.
            process.kill()
    if process.returncode:
        lines = (told or out).strip().splitlines() or ["no message"]
        # tar goes on to its end, whose line does not tell why it failed.
        telling = next((line for line in lines if "No space left" in line), lines[-1])
        raise DbHandlerError(f"{command[0]} failed with status {process.returncode}: {telling}")
    return out


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
    except OSError as error:
        raise DbHandlerError(f"{command[0]} cannot be run: {error.strerror}") from error
