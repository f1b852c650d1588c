"""What a member of a MySQL group says of its place in it."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.engine import group_sql
from dbhandler.engine.server import Server
from dbhandler.group.engine import Status
from dbhandler.group.node import Mode
from dbhandler.group.replication.options import identity_of
from dbhandler.group.store import View

ONLINE, RECOVERING, UNREACHABLE = "ONLINE", "RECOVERING", "UNREACHABLE"


class ReplicationRunning:
    """The engine's part while the server runs (group/engine.py)."""

    notifies = False

    def status(self, server: Server) -> Status:
        return status_of(server.execute(group_sql.members()))


def status_of(rows: Sequence[tuple[object, ...]]) -> Status:
    """From the rows of group_sql.members. No rows: the server is in no group, or not yet."""
    members = {str(id): str(state) for id, state, *_ in rows if id}
    me = next((str(id) for id, _, _, is_me, _ in rows if is_me), "")
    history = str(rows[0][4]) if rows else ""
    reached = sum(state not in (UNREACHABLE, "ERROR", "OFFLINE") for state in members.values())
    mode = _mode(members.get(me, ""), has_quorum=2 * reached > len(members))
    if mode != Mode.SYNCED:
        return Status(mode, history, reached)
    names = {identity_of(id): "" for id in members}
    is_secondary = any(is_me and role == "SECONDARY" for _, _, role, is_me, _ in rows)
    return Status(Mode.SECONDARY if is_secondary else mode, history, reached, View(history, names))


def _mode(state: str, has_quorum: bool) -> Mode:
    if state != ONLINE:
        return Mode.JOINING
    return Mode.SYNCED if has_quorum else Mode.NONPRIMARY
