"""What a server says of its place in a Galera cluster."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.engine import group_sql
from dbhandler.engine.server import Server
from dbhandler.group.engine import Status
from dbhandler.group.node import Mode


class GaleraRunning:
    """The engine's part while the server runs (group/engine.py). Who is in its component it tells by notify.py."""

    notifies = True

    def status(self, server: Server) -> Status:
        """No rows: the server is in no cluster, or not yet."""
        return status_of(server.execute(group_sql.galera_status()))


def status_of(rows: Sequence[tuple[object, ...]]) -> Status:
    """From the rows of group_sql.galera_status."""
    values = {str(name).lower(): str(value) for name, value in rows}
    state, primary = values.get("wsrep_local_state_comment"), values.get("wsrep_cluster_status") == "Primary"
    mode = _mode(state, primary, ready=values.get("wsrep_ready") == "ON")
    return Status(mode, values.get("wsrep_cluster_state_uuid", ""), int(values.get("wsrep_cluster_size") or 0))


def _mode(state: str | None, primary: bool, ready: bool) -> Mode:
    match state:
        case _ if not primary:
            return Mode.NONPRIMARY
        case "Synced" if ready:
            return Mode.SYNCED
        # A donor that has sent all is `Joined` until it is Synced again; a joiner is so, too, but never ready.
        case "Donor/Desynced" | "Joined" if ready:
            return Mode.DONOR
        case _:
            return Mode.JOINING
