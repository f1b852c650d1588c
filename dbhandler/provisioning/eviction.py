"""Shutting an account out of its database for the time of a drop or a move, and letting it in again."""

from __future__ import annotations

import time
from collections.abc import Callable

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Unavailable
from dbhandler.log import shown
from dbhandler.provisioning import drop_sql, roles
from dbhandler.provisioning.account_table import Account
from dbhandler.provisioning.sessions import end_session
from dbhandler.requests.vocabulary import Role

PATIENCE = 10.0
"""Seconds for sessions to end: one that is ended undoes its transaction first."""
PAUSE = 0.05


class Eviction:
    """Works on one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(
        self,
        server: Server,
        engine: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server, self._engine, self._clock, self._sleep = server, engine, clock, sleep

    def takes(self, account: str, pattern: str) -> tuple[str, ...]:
        """The privileges that the account is going to lose."""
        held = {str(privilege) for (privilege,) in self._server.execute(drop_sql.privileges(account, pattern))}
        return tuple(privilege for privilege in drop_sql.WRITING if privilege in held)

    def shut_out(self, account: str, taken: tuple[str, ...], pattern: str) -> None:
        """Lets the account log in no more, and nothing write in its name: a lock alone stops neither its events nor
        what others run with its rights. taken is what it loses."""
        self._server.execute(drop_sql.lock(account, locked=True))
        if taken:
            self._server.execute(drop_sql.revoke(taken, pattern, account))

    def let_in(self, account: str, taken: tuple[str, ...], pattern: str) -> None:
        """Undoes `shut_out`, all of it or what had been done of it."""
        if not self._server.execute(sql.account_exists(account)):
            return
        if taken:
            self._server.execute(drop_sql.give_back(taken, pattern, account))
        self._server.execute(drop_sql.lock(account, locked=False))

    def let_granted_in(self, account: Account, pattern: str) -> None:
        """As let_in, for an account that the owner has given: its role says what it may do."""
        if self._server.execute(sql.account_exists(account.user)):
            self._server.execute(roles.give(Role(account.role), pattern, account.user))
            self._server.execute(drop_sql.lock(account.user, locked=False))

    def end_sessions(self, account: str) -> None:
        """Ends the sessions of an account on this server. Raises Unavailable when they do not end in time."""
        deadline = self._clock() + PATIENCE
        while sessions := self.sessions(account):
            if self._clock() > deadline:
                raise Unavailable(f"a session of the account {shown(account)} does not end: ask again")
            for number in sessions:
                end_session(self._server, number)
            self._sleep(PAUSE)

    def sessions(self, account: str) -> list[int]:
        """The numbers of an account's sessions on this server, those that are ending included."""
        # Compared here: the server's own comparison would take another account's name in capitals for this one.
        return [
            int(str(number))
            for number, user in self._server.execute(drop_sql.sessions(self._engine))
            if user == account
        ]
