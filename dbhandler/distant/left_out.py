"""What the engines' tools say of a single table, view or routine that they cannot read or make: all else goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dbhandler.log import printable

OF_ONE_OBJECT = frozenset({
    # A view, a trigger or a routine of which something is missing.
    1356, 1449, 1142, 1143, 1227, 1370,
    # Not there: gone since the tool has listed it, or left out before.
    1051, 1146, 1305, 1360, 1539,
    # A table whose files are damaged, or whose parts are elsewhere (MERGE, FEDERATED).
    1016, 1017, 1033, 1034, 1127, 1168, 1194, 1195, 1286, 1296, 1429, 1430, 1431, 1432, 1932,
})  # fmt: skip
"""The servers' numbers that say nothing of all the rest."""
_NUMBER = re.compile(r"\((\d{4})\)\s*$|\b(?:ERROR|[Ee]rror:?) (\d{4})\b")
_MOST = 100
"""What is named, of all that is left out."""


def left_out(complaints: Iterable[str]) -> list[str] | None:
    """What a tool's complaints, told with --force, say is missing; None where one of them means more than that."""
    found = []
    for line in complaints:
        if "[Warning]" in line or line.startswith(("Warning:", "-- Warning")) or not line.strip("- \n"):
            continue
        numbers = {int(number) for pair in _NUMBER.findall(line) for number in pair if number}
        if not numbers or not numbers <= OF_ONE_OBJECT:
            return None
        found.append(printable(line.strip(), 300))
    return found[:_MOST]
