"""Files that one process at a time holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbhandler.flock import is_locked
from tests.support.fakes import Clock


@pytest.fixture
def opened(tmp_path: Path) -> tuple[int, int]:
    path = tmp_path / "file"
    path.touch()
    return os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)


def test_one_at_a_time(opened: tuple[int, int], clock: Clock) -> None:
    first, second = opened
    assert is_locked(first, 0.0)
    assert not is_locked(second, 5.0, clock, clock.advance)
    os.close(first)
    assert is_locked(second, 0.0)
    os.close(second)


def test_it_is_waited_for(opened: tuple[int, int], clock: Clock) -> None:
    first, second = opened
    assert is_locked(first, 0.0)

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        if clock() == began + 3.0:
            os.close(first)

    began = clock()
    assert is_locked(second, 1e9, clock, lambda _: sleep(1.0))
    assert clock() == began + 3.0
    os.close(second)
