"""What is told of a database that was dropped: where its dump is, and how it comes back."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from dbhandler.log import shown

_DUMP = re.compile(r"[A-Za-z0-9%._~-]{1,200}\.sql\.gz")


@dataclass(frozen=True)
class Dropped:
    """A database that is gone: which server said so, and the dump that it keeps (or None), a file in `trash` of its
    state volume."""

    database: str
    server: str
    dump: str | None

    def __str__(self) -> str:
        gone = f"dropped {shown(self.database)} at the server {shown(self.server)}"
        if self.dump is None:
            return f"{gone}, which keeps no dump (in a cluster another node may: `dbhandler-admin dumps` tells)"
        restore = shlex.join(["dbhandler-admin", "restore", self.database, "--dump", self.dump])
        return f"{gone}; its dump is trash/{self.dump} in that server's state volume\nto restore it there: {restore}"


def dropped(database: str, server: str, dump: str | None) -> Dropped:
    """What a server's answer tells. A dump whose name cannot be one is none: it is meant to be copied into a shell."""
    return Dropped(database, server, dump if dump and _DUMP.fullmatch(dump) else None)
