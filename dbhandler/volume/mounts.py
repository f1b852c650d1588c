"""What is mounted where, as the kernel tells it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_ANONYMOUS = re.compile(r"/volumes/[0-9a-f]{64}/_data$")
"""A volume without a name: with its container its owner loses sight of it."""


def is_kept(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Is something mounted at `folder` that the next container will find again? Also where nobody can tell.

    Source: proc_pid_mountinfo(5): the fourth field is what is mounted, the fifth where.
    """
    with suppress(OSError, IndexError):
        fields = [line.split(" ") for line in mounts.read_text(errors="replace").splitlines()]
        found = [line[3] for line in fields if line[4] == str(folder)]
        return bool(found) and not _ANONYMOUS.search(found[-1])
    return True
