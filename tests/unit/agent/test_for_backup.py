"""What a backup needs is made, or the owner is told; applications are served all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbhandler.agent.for_backup import TRIES, ForBackup
from dbhandler.errors import DbHandlerError, Denied, Unavailable


class Part:
    """Fails so often."""

    def __init__(self, error: Callable[[str], DbHandlerError], fails: int) -> None:
        self._error, self._fails, self.tried = error, fails, 0

    def __call__(self) -> None:
        self.tried += 1
        if self.tried <= self._fails:
            raise self._error("it is not to be")


def test_what_passes_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    passing = Part(Unavailable, TRIES - 1)
    ForBackup((passing,)).look()
    assert (passing.tried, caplog.text) == (TRIES, "")


def test_what_does_not_pass_is_told_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    denied, away, last = Part(Denied, 9), Part(Unavailable, 9), Part(Unavailable, 0)
    ForBackup((denied, away, last)).look()
    assert (denied.tried, away.tried, last.tried) == (1, TRIES, 1)
    assert caplog.text.count("not ready for a backup: it is not to be") == 2
