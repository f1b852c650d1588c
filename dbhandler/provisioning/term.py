"""For how long a new database lives: noted before there is one, so that none outlives a kill in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dbhandler.engine.server import Server
from dbhandler.errors import Denied, InvalidRequest, ServerError
from dbhandler.provisioning.account_table import MAIN, Account, AccountTable
from dbhandler.requests.box import Credentials


class Term:
    """On one server. now gives milliseconds since 1970, as leases end by it. Every method raises Unavailable or
    ServerError when the server does."""

    def __init__(self, server: Server, now: Callable[[], int], may_drop: bool) -> None:
        self._table, self._now, self._may_drop = AccountTable(server), now, may_drop

    def check(self, asker: Credentials) -> None:
        """Raises Denied for an end on a server that drops nothing."""
        if asker.ttl is not None and not self._may_drop:
            raise Denied("this server drops no database, so none can have an end (DBHANDLER_ALLOW_DROP)")

    @contextmanager
    def noted(self, asker: Credentials) -> Iterator[None]:
        """Notes the end that the box says, for the time in which the database becomes the asker's and afterwards, but
        not where that is refused."""
        known = self._table.of(asker.user)
        ends = None if asker.ttl is None else self._now() + asker.ttl * 1000
        # An end of former times is none of this database's.
        if ends is not None or (known is not None and known.ends is not None):
            self._put(asker, ends, known)
        try:
            yield
        except (Denied, InvalidRequest, ServerError):
            if ends is not None:
                self._put(asker, None, known)
            raise

    def _put(self, asker: Credentials, ends: int | None, known: Account | None) -> None:
        old_until = known.old_until if known else None
        if ends is None and old_until is None:
            self._table.forget_account(asker.user)
        else:
            self._table.put(Account(asker.user, asker.database, MAIN, ends, old_until))

    def left(self, user: str) -> int | None:
        """In how many seconds an account, or its database, ends; None where it has no end."""
        known = self._table.of(user)
        return None if known is None or known.ends is None else max(0, known.ends - self._now()) // 1000
