"""What the start program wants done with the server that it becomes: the agent does it, once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dbhandler import files
from dbhandler.inventory import InRun


@dataclass(frozen=True)
class Order:
    """Begin the group, or join it; password says which of the pool's secrets opens the account for recovery."""

    begins: bool
    password: int = 0


class Orders:
    """The order in the run folder. Raises OSError."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / InRun.GROUP_START

    def give(self, order: Order) -> None:
        """Leaves an order, in place of any other."""
        files.write_private(self._path, json.dumps(asdict(order)))

    def take(self) -> Order | None:
        """The order, which is gone then: a server that has left its group never begins another one."""
        try:
            values: Any = files.read_json(self._path)
            files.remove(self._path)
            return Order(bool(values["begins"]), int(values["password"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
