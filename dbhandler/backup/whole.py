"""Fills an empty server of the pool that asks for it with all that another one was at a moment."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from dbhandler.backup.moment import moment_of
from dbhandler.backup.replica import Replica
from dbhandler.backup.restoring import Backup
from dbhandler.backup.tool import fed, loader
from dbhandler.distant.access import Access
from dbhandler.distant.node import Node, node_of
from dbhandler.engine.sql import Statement
from dbhandler.log import shown
from dbhandler.provisioning import backup_sql
from dbhandler.serf.members import Member
from dbhandler.serf.tags import Tag
from dbhandler.trust.backup import RESTORED

logger = logging.getLogger(__name__)

_UNLOGGED = b"SET SESSION sql_log_bin = 0;\n"
"""What is restored is no change of the new server's: its log begins after it."""


@dataclass(frozen=True)
class Wish:
    """A server that waits to be filled, and with what: the backup of the server `source`, at `moment` as it is
    written."""

    node: Node
    source: str
    moment: str


def wishes(members: Iterable[Member]) -> list[Wish]:
    """The empty servers that wait. members are believed already."""
    found = []
    for member in members:
        if member.is_database and member.alive and (text := member.tags.get(Tag.RESTORE)):
            source, _, moment = text.partition("@")
            found.append(Wish(node_of(member), source, moment))
    return found


def fulfil(wish: Wish, backup: Backup, access: Access) -> list[str]:
    """Fills the server, and returns what could not be brought; access is that of RESTORER. Raises Unrecoverable for a
    moment that is in no backup, DbHandlerError; the server waits on then."""
    missing: list[str] = []
    reached = access.option_file(wish.node, backup.source.engine)
    command = loader(backup.source.engine, f"--defaults-file={reached}")
    with backup.at(moment_of(wish.moment, backup.source.engine)) as copy:
        with fed(command, missing) as stdin:
            stdin.writelines(_everything(copy, access))
        # Only once nothing has failed.
        with fed(command, []) as stdin:
            stdin.write(_UNLOGGED + copy.text(backup_sql.keep({RESTORED: "1"})).encode() + b";\n")
        return copy.missing + missing


def _everything(copy: Replica, access: Access) -> Iterable[bytes]:
    yield _UNLOGGED
    yield from copy.dump_all()
    # The accounts that were brought are in force with the first statement, and ours is none of them.
    for statement in (Statement("FLUSH PRIVILEGES"), *access.account(copy.engine)):
        yield f"{copy.text(statement)};\n".encode()


def told(wish: Wish) -> str:
    """The wish in a sentence."""
    return f"{shown(wish.node.name)}, which is to be {shown(wish.source)} at {shown(wish.moment)}"
