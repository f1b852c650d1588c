"""Ends what is due: accounts with their sessions, former passwords, databases. A thread of its own with a connection of
its own, so that nothing that others wait for lets an account live longer.

While the server is away nobody logs in, and what is due goes as soon as it is back. Serf is needed for one thing: the
moment at which a database is dropped, without which old events would make it again. Until then nobody reaches it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from dbhandler.engine.server import Server
from dbhandler.errors import Busy, DbHandlerError, Denied
from dbhandler.log import shown
from dbhandler.provisioning import drop_sql
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.granting import end_account
from dbhandler.provisioning.lane import Lane
from dbhandler.provisioning.lease_clock import LeaseClock
from dbhandler.provisioning.passwords import Passwords
from dbhandler.provisioning.sessions import Sessions

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks, at most: other nodes and the operator change the table, too."""
PAUSE = 0.1
"""Seconds until the next look while the server is away, or something is due."""
DROP_INTERVAL = 2.0
"""Seconds between two times that a drop is asked for."""


class Leases:
    """What ends on one server. lock is held against whoever prolongs it at the same moment; event_clock says where
    Serf's event clock stands, or None while Serf is away; may_drop: this server drops databases at all; ended is told
    of each account that has ended; of a database, its drop is."""

    def __init__(
        self,
        server: Server,
        clock: LeaseClock,
        lane: Lane,
        lock: threading.Lock,
        event_clock: Callable[[], int | None],
        may_drop: bool,
        ended: Callable[[Account], None] = lambda _: None,
    ) -> None:
        self._may_drop = may_drop
        self._server, self._clock, self._lane, self._lock = server, clock, lane, lock
        self._event_clock, self._ended = event_clock, ended
        self._table, self._sessions = AccountTable(server), Sessions(server)
        self._passwords = Passwords(server, clock.now, lock)
        self._next_drop: dict[Account, float] = {}
        self._complaints: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Ends what is due until `stop` is set."""
        while not stop.wait(self.look()):
            pass

    def look(self) -> float:
        """Ends what is due; returns after how many seconds to look again."""
        # A full disk keeps nobody alive.
        with suppress(OSError):
            self._clock.keep()
        try:
            ending, now = self._table.ending(), self._clock.now()
        except DbHandlerError:
            # While the server is away, others tell it.
            return PAUSE
        self._tell_dropped({account.name for account in ending})
        done = [self._tried(account, now) for account in ending if _next(account) <= now]
        waits = [(_next(account) - now) / 1000 for account in ending if _next(account) > now]
        return min([INTERVAL if all(done) else PAUSE, *waits])

    def _tried(self, account: Account, now: int) -> bool:
        try:
            if account.ends is None or account.ends > now:
                self._passwords.end_former(account)
            elif account.is_granted:
                self._end_account(account)
            else:
                return self._end_database(account)
        except DbHandlerError as error:
            self._complain(account, error)
            return False
        self._complaints.pop(account.user, None)
        return True

    def _end_account(self, account: Account) -> None:
        with self._lock:
            if self._table.of(account.user) != account:
                return
            end_account(self._server, self._sessions, account)
            self._table.forget(account)
        logger.info("the account %s of %s has ended", shown(account.user), shown(account.name))
        self._ended(account)

    def _end_database(self, account: Account) -> bool:
        """Shuts everybody out, then has the database dropped; False until it is gone."""
        with self._lock:
            if self._table.of(account.user) != account:
                return True
            for user in (account.user, *(granted.user for granted in self._table.granted(account.name))):
                self._shut_out(user)
        if not self._may_drop:
            raise Denied("this server drops no database any more (DBHANDLER_ALLOW_DROP): it stays, and nobody gets in")
        if time.monotonic() >= self._next_drop.get(account, 0.0) and (ltime := self._event_clock()) is not None:
            self._next_drop[account] = time.monotonic() + DROP_INTERVAL
            with suppress(Busy):
                self._lane.end(account.name, account.user, ltime)
        return False

    def _shut_out(self, user: str) -> None:
        # Each change of an account is one in the binary log, and the drop may be long in coming.
        if any(not way.locked for way in self._server.ways(user)):
            self._server.execute(drop_sql.lock(user, locked=True))
        self._sessions.end_of(user)

    def _tell_dropped(self, ending: set[str]) -> None:
        for account in [account for account in self._next_drop if account.name not in ending]:
            del self._next_drop[account]
            logger.info("the database %s has ended", shown(account.name))

    def _complain(self, account: Account, error: Exception) -> None:
        if self._complaints.get(account.user) != str(error):
            logger.warning("the account %s cannot be ended yet: %s", shown(account.user), error)
        self._complaints[account.user] = str(error)


def _next(account: Account) -> int:
    """When something about it ends."""
    return min(time for time in (account.ends, account.old_until) if time is not None)
