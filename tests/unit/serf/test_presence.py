"""Whether there is a Serf agent, as the run folder tells it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbhandler.serf.presence import PATIENCE, SerfPresence
from tests.support.fakes import Clock


@pytest.fixture
def since(tmp_path: Path, clock: Clock) -> Path:
    """The file since which an agent is waited for."""
    path = tmp_path / "ready"
    path.touch()
    os.utime(path, (clock.now, clock.now))
    return path


def test_an_agent_that_never_comes_is_missed_after_a_while(tmp_path: Path, clock: Clock, since: Path) -> None:
    presence = SerfPresence(tmp_path, clock)
    clock.advance(PATIENCE)
    assert presence.trouble(since) is None
    clock.advance(1)
    assert presence.trouble(since) == "no Serf agent has answered for 31 s"
    presence.note_end("it ended with status 1: no such \x1b address\n")
    assert presence.trouble(since) == (
        r"no Serf agent has answered for 31 s: it ended with status 1: no such \x1b address\n"
    )


def test_an_agent_that_answers_is_not_missed_whatever_it_said_before(tmp_path: Path, clock: Clock, since: Path) -> None:
    presence = SerfPresence(tmp_path, clock)
    presence.note_end("it ended")
    for _ in range(2):
        presence.note_seen()
    seen = tmp_path / "serf.seen"
    assert seen.stat().st_mode & 0o777 == 0o600
    clock.now = seen.stat().st_mtime + PATIENCE
    assert presence.trouble(since) is None


def test_a_folder_that_is_not_there_raises_nothing(tmp_path: Path, clock: Clock) -> None:
    presence = SerfPresence(tmp_path / "absent", clock)
    presence.note_seen()
    presence.note_end("it ended")
    assert presence.end == ""
