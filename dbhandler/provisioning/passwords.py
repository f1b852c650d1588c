"""Passwords that change: the former one stays valid for a while, so that nobody is turned away who knows no other."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dbhandler.engine import password_hash, sql
from dbhandler.engine.server import Server
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.requests.box import Credentials


class Passwords:
    """On one server. now gives milliseconds since 1970; lock keeps a former password from being ended while it becomes
    a former one. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server, now: Callable[[], int], lock: threading.Lock) -> None:
        self._server, self._now, self._lock = server, now, lock
        self._accounts, self._table = Accounts(server), AccountTable(server)

    def change(self, asker: Credentials, password: str, keep_old: int) -> None:
        """Gives the asker's account a new password; the former one stays valid for keep_old seconds. Of three
        passwords in that time the first one is gone."""
        with self._lock:
            if keep_old:
                self._add(asker, password, keep_old)
            else:
                self._accounts.set_password(asker.user, password)

    def confirm(self, asker: Credentials, password: str, keep_old: int) -> None:
        """The password is valid already: the former one ends where it has no time, unless that one is the newer."""
        with self._lock:
            present, *former = self._server.ways(asker.user)
            if former and not keep_old and password_hash.matches(password, present):
                self._server.execute(sql.drop_old_password(asker.user, self._server.engine, present.stored))

    def _add(self, asker: Credentials, password: str, keep_old: int) -> None:
        # Before there are two: whatever is killed, the former one ends.
        self._table.keep_old(asker.user, asker.database, self._now() + keep_old * 1000)
        present = self._server.ways(asker.user)[0].stored
        self._server.execute(sql.add_password(asker.user, password, self._server.engine, present))

    def end_former(self, account: Account) -> None:
        """Ends the former password of an account whose time is over, unless there is another one by now."""
        with self._lock:
            if self._table.of(account.user) != account:
                return
            if ways := self._server.ways(account.user):
                self._server.execute(sql.drop_old_password(account.user, self._server.engine, ways[0].stored))
            self._table.forget_old(account)
