"""A database on its way from one server to another, as its row in the directory says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """How far a move is. Each step is taken by one side alone, and only from the one that it follows."""

    WAITING = "waiting"
    """It was asked for. The target takes one after another."""
    COPYING = "copying"
    """The target loads what one moment of the original held."""
    FOLLOWING = "following"
    """The target makes the changes that came since, and compares."""
    STOPPING = "stopping"
    """The target is near: the source is to let nobody write."""
    STOPPED = "stopped"
    """Nobody writes at the source; its last change is known."""
    SWITCHED = "switched"
    """The name is the target's. The source keeps what it had for a while, and lets nobody in."""
    UNDOING = "undoing"
    """It was given up before the switch: the target removes what it has, the source lets everybody in again."""
    FAILED = "failed"
    """It is undone."""
    DONE = "done"
    """The source holds nothing of it any more."""


UNDER_WAY = (Step.COPYING, Step.FOLLOWING, Step.STOPPING, Step.STOPPED)
"""The target is at it."""
OPEN = (Step.WAITING, *UNDER_WAY, Step.UNDOING)
"""The name is the source's, and something is to be done."""
MOST_TRIES = 5
"""How often one is begun."""
OVER = (Step.FAILED, Step.DONE)
"""Nothing is to be done any more."""


@dataclass(frozen=True)
class Move:
    """One row. source and target are identities of servers; attempt is what tells a row from a former one of that name;
    keep is for how many seconds the source keeps what it had; node is which server of the target is at it, beat how
    many seconds ago it said so; done of total bytes are there; position is where the source's log stood when nobody
    wrote any more (STOPPED), or the target's at the switch; is_back: the target has what it needs but for the changes
    after that position; tries counts what was begun; why says why it was given up, or what it waits for; age is how
    many seconds ago the step was taken, ago that it was asked for."""

    name: str
    source: str
    target: str
    step: Step
    attempt: str
    keep: int = 0
    node: str = ""
    beat: int = 0
    done: int = 0
    total: int = 0
    position: str = ""
    is_back: bool = False
    tries: int = 0
    why: str = ""
    age: int = 0
    ago: int = 0
