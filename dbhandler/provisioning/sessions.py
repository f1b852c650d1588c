"""Open sessions that reach more than their accounts.

A server looks at privileges when a database is chosen, and lets the session reach what bears that name later, whatever
was revoked or dropped since. And it knows the account of a session by its name alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dbhandler.engine import sql
from dbhandler.engine.driver import ER_NO_SUCH_THREAD
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, ServerError
from dbhandler.provisioning import privilege_sql

_SYSTEM = frozenset({"system user", "event_scheduler", "unauthenticated user"})
"""What a server shows instead of a user name for sessions that are no client's."""


@dataclass(frozen=True)
class Session:
    """One session: its number, its user name, and the database that it has chosen, in the server's form."""

    number: int
    user: str
    database: str | None


class Sessions:
    """The sessions on one server, in a cluster on one node. Every method raises Unavailable or ServerError when the
    server does."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def end_in(self, database: str, besides: str | None = None) -> None:
        """Ends what former owners (not the account `besides`, nor who may read everything) have still open in a
        database of that name."""
        for session in self._all():
            if session.database == database and session.user != besides and not self._reads_everything(session.user):
                end_session(self._server, session.number)

    def end_of(self, user: str) -> None:
        """Ends the sessions of a former account: they would have the privileges of the next one of that name."""
        for session in self._all():
            if session.user == user:
                end_session(self._server, session.number)

    def counts(self) -> Mapping[str, int]:
        """How many sessions each user name has."""
        return Counter(session.user for session in self._all())

    def kept(self, check: Callable[[], None]) -> Callable[[], None]:
        """The check of a cluster's node, and after it `end_orphans`: who drops an account at another node sees the
        sessions there, and none of this one's."""

        def check_and_end() -> None:
            check()
            # The next check comes within a second, and tells what is wrong with the server.
            with suppress(DbHandlerError):
                self.end_orphans()

        return check_and_end

    def end_orphans(self) -> None:
        """Ends the sessions of accounts that are no more, at whatever node of a cluster they were dropped."""
        sessions = self._all()
        gone = {user for user in {session.user for session in sessions} if not self._exists(user)}
        # With an anonymous account a session may bear any user name.
        if gone and not self._exists(""):
            for session in sessions:
                if session.user in gone:
                    end_session(self._server, session.number)

    def _all(self) -> list[Session]:
        rows = self._server.execute(privilege_sql.sessions())
        sessions = [Session(int(str(row[0])), str(row[1]), None if row[3] is None else str(row[3])) for row in rows]
        return [session for session in sessions if session.user not in _SYSTEM]

    def _exists(self, user: str) -> bool:
        return bool(self._server.execute(sql.hosts_of(user)))

    def _reads_everything(self, user: str) -> bool:
        return bool(self._server.execute(privilege_sql.reads_everything(user)))


def end_session(server: Server, number: int) -> None:
    """Ends one session; that it has ended already is as good. Raises Unavailable or ServerError."""
    try:
        server.execute(privilege_sql.end_session(number))
    except ServerError as error:
        if error.errno != ER_NO_SUCH_THREAD:
            raise
