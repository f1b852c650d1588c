"""What the owner of a database may do with it later: rotate the password, drop it. By query only, never by event."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from dbhandler import sql
from dbhandler.accounts import Accounts
from dbhandler.box import LIFETIME, Credentials, Keys
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.log import shown
from dbhandler.policy import Policy
from dbhandler.provision import Outcome
from dbhandler.registry import Memory
from dbhandler.request import Request
from dbhandler.server import Server
from dbhandler.trash import Trash

ROTATE, DROP = "rotate_db", "drop_db"


class Lifecycle:
    """Operations on a database that exists, for the one whose sealed box proves to be its owner.

    All methods raise InvalidRequest, Denied, Unavailable or ServerError; whatever they raise, nothing was destroyed.
    """

    def __init__(
        self,
        server: Server,
        policy: Policy,
        keys: Keys,
        registry: Memory,
        trash: Trash,
        event_clock: Callable[[], int | None],
    ) -> None:
        self._server, self._policy, self._keys = server, policy, keys
        self._registry, self._trash, self._event_clock = registry, trash, event_clock
        self._accounts = Accounts(server)
        self._done: dict[bytes, tuple[float, Outcome]] = {}

    def rotate(self, request: Request) -> Outcome:
        """Replaces the account's password by the new one in the box; open connections live on."""
        asker = self._open(request, ROTATE)
        if asker.new_password is None:
            raise InvalidRequest('the sealed box for rotate_db has no "new_password"')
        # Asked again after the answer was lost, the new password is already the right one.
        if not self._accounts.owns(asker, asker.new_password):
            self._prove(asker)
            self._server.execute(sql.change_password(asker.user, asker.new_password))
        return Outcome("rotated", asker.database, asker.user)

    def drop(self, request: Request) -> Outcome:
        """Drops the database and its account, after a dump of it is safe in the trash."""
        if not self._policy.allow_drop:
            raise Denied("this server drops no database on request (DBHANDLER_ALLOW_DROP)")
        self._policy.check_database(request.database)
        if known := self._already_done(request):
            return known
        asker = self._open(request, DROP)
        if self._gone(asker):
            return Outcome("dropped", asker.database, asker.user)
        self._prove(asker)
        ltime = self._event_clock()
        if ltime is None:
            raise Unavailable("the Serf agent of this server does not answer, so old events could not be told from new")
        if self._server.execute(sql.database_exists(asker.database)):
            self._trash.keep(asker.database)
        # The tombstone first: a kill after it leaves a database that can be dropped again, not one that comes back.
        self._registry.dropped(asker.database, ltime)
        self._server.execute(sql.drop_database(asker.database))
        self._server.execute(sql.drop_user(asker.user))
        return self._remember(request, Outcome("dropped", asker.database, asker.user))

    def _open(self, request: Request, operation: str) -> Credentials:
        if request.sealed is None:
            raise Denied(f"{operation} needs a sealed box that proves the owner")
        return self._keys.open(request.sealed, request.database, operation)

    def _prove(self, asker: Credentials) -> None:
        if not self._accounts.owns(asker):
            raise Denied(f"the box does not prove to own {shown(asker.database)}: no such account, or another password")

    def _gone(self, asker: Credentials) -> bool:
        """Was it dropped before, and the asker has not heard of it?"""
        return (
            self._registry.dropped_at(asker.database) is not None
            and not self._server.execute(sql.database_exists(asker.database))
            and not self._server.execute(sql.hosts_of(asker.user))
        )

    def _already_done(self, request: Request) -> Outcome | None:
        """A box is good for one drop: sent again, by its maker or by who captured it, it drops nothing more."""
        now = time.monotonic()
        self._done = {digest: (until, outcome) for digest, (until, outcome) in self._done.items() if until > now}
        found = self._done.get(_digest(request))
        return found[1] if found else None

    def _remember(self, request: Request, outcome: Outcome) -> Outcome:
        self._done[_digest(request)] = (time.monotonic() + 20 * LIFETIME, outcome)
        return outcome


def _digest(request: Request) -> bytes:
    return hashlib.sha256((request.sealed or "").encode()).digest()
