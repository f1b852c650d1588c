"""Another password for the administrator's account, beside which the former one stays valid for a while.

The agent ends the former one, in time even if nobody looks after it; the table says when (provisioning/leases.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from dbhandler import passwords
from dbhandler.boot.admin import PASSWORD_LENGTH
from dbhandler.engine.server import Server
from dbhandler.errors import Denied, InvalidRequest, TryLater
from dbhandler.log import shown
from dbhandler.provisioning.account_table import ADMIN, Account, AccountTable
from dbhandler.provisioning.passwords import Passwords
from dbhandler.requests.box import Credentials

LEAST_KEPT = 60
"""Seconds for which a former password is kept at least, where it is: the agent, which ends it, is another process, and
its clock may differ from ours by as much as it keeps in its file."""

_PLUGIN = {"mariadb": "mysql_native_password", "mysql": "caching_sha2_password"}


class AdminPassword:
    """Of the account `user` on `server`. now gives milliseconds since 1970, by which former passwords end; pending is
    the file in which a first password waits until it is told. Every method may raise Unavailable or ServerError."""

    def __init__(self, server: Server, user: str, now: Callable[[], int], pending: Path) -> None:
        self._server, self._user, self._now, self._pending = server, user, now, pending
        self._table, self._passwords = AccountTable(server), Passwords(server, now, threading.Lock())

    def change(self, keep_old: int) -> str:
        """Gives the account a generated password and returns it; the former one stays valid for keep_old seconds (0, or
        LEAST_KEPT and more).

        Raises InvalidRequest where there is no such account, Denied where it has no password that could be kept,
        TryLater while a former password is about to end.
        """
        self._check(keep_old)
        password = passwords.generate(PASSWORD_LENGTH)
        if keep_old:
            # In a role of its own, so that nobody takes it for a database's account.
            self._table.put(Account(self._user, "", ADMIN, old_until=self._now() + keep_old * 1000))
        self._passwords.change(Credentials("", self._user, ""), password, keep_old)
        if not keep_old:
            self._table.forget_account(self._user)
        if not self._server.accepts(self._user, password):
            raise TryLater(f"the password of {shown(self._user)} was changed by somebody else just now: try again")
        return password

    def _check(self, keep_old: int) -> None:
        if self._pending.exists():
            raise TryLater("the first password of this server has not been told yet (docker logs)")
        ways = self._server.ways(self._user)
        if not ways:
            raise InvalidRequest(f"there is no account '{self._user}'@'%' (MYSQL_ADMIN_USER)")
        if keep_old and (ways[0].plugin != _PLUGIN[self._server.engine] or not ways[0].stored):
            raise Denied(
                f"the account {shown(self._user)} has no password that could be kept ({shown(ways[0].plugin)}): "
                "--keep-old 0 gives it one"
            )
        self._check_not_ending()

    def _check_not_ending(self) -> None:
        """The agent may be about to end a former password, by making the one that is present now the only one."""
        known = self._table.of(self._user)
        if known is None or known.old_until is None:
            return
        left = (known.old_until - self._now()) // 1000
        # One that is long overdue nobody ends at this moment: the agent is away.
        if -LEAST_KEPT < left < LEAST_KEPT:
            raise TryLater(f"a former password of {shown(self._user)} ends in this minute: try again after that")
