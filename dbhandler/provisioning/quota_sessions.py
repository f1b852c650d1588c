"""Open sessions of accounts whose privileges have changed: a server looks at privileges when a database is chosen, and
lets a session go on with what it had then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbhandler.engine.server import Server
from dbhandler.provisioning import quota_sql
from dbhandler.provisioning.quota_table import Reduced, Stage
from dbhandler.provisioning.sessions import end_session


@dataclass(frozen=True)
class _Session:
    number: int
    user: str
    idle: bool


class QuotaSessions:
    """The sessions on one server, in a cluster on one node. Remembers for a life of the agent what it has done; done
    again by the next one, it costs an application a connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._done: dict[str, tuple[Stage, object]] = {}
        self._former: dict[int, str] = {}

    def look(self, rows: Sequence[Reduced]) -> None:
        """Ends the sessions of accounts that have lost privileges at once, those from before they got them back as soon
        as they are idle: what deletes is not disturbed. Raises Unavailable or ServerError."""
        changed = [
            row for row in rows if row.stage is not Stage.TAKING and self._done.get(row.user) != (row.stage, row.since)
        ]
        if changed or self._former:
            sessions = self._sessions()
            for row in changed:
                self._settle(row, [session for session in sessions if session.user == row.user])
            self._end_idle(sessions)
        self._done = {row.user: (row.stage, row.since) for row in rows if row.stage is not Stage.TAKING}

    def _settle(self, row: Reduced, sessions: Sequence[_Session]) -> None:
        if row.is_over:
            for session in sessions:
                end_session(self._server, session.number)
        else:
            self._former |= {session.number: session.user for session in sessions}

    def _end_idle(self, sessions: Sequence[_Session]) -> None:
        # After a restart of the server a number is another session's.
        former = [session for session in sessions if self._former.get(session.number) == session.user]
        for session in former:
            if session.idle:
                end_session(self._server, session.number)
        self._former = {session.number: session.user for session in former if not session.idle}

    def _sessions(self) -> list[_Session]:
        rows = self._server.execute(quota_sql.sessions(self._server.engine))
        return [_Session(int(str(number)), str(user), bool(int(str(idle)))) for number, user, idle in rows]
