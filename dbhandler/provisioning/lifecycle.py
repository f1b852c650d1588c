"""What becomes of a database later: another password for an account, and its end. By query only, never by event."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.lane import Lane
from dbhandler.provisioning.ownership import Ownership, unproven
from dbhandler.provisioning.passwords import Passwords
from dbhandler.provisioning.provision import Outcome
from dbhandler.provisioning.registry import Memory
from dbhandler.requests.box import Credentials, Keys
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Query, Status


class Lifecycle:
    """Operations on a database that exists, for the one whose sealed box proves to have an account of it; lane drops
    it, passwords changes them.

    All methods raise InvalidRequest, Denied, Unavailable or ServerError; whatever they raise, nothing was destroyed.
    """

    def __init__(
        self,
        server: Server,
        policy: Policy,
        keys: Keys,
        registry: Memory,
        drops: DropTable,
        lane: Lane,
        event_clock: Callable[[], int | None],
        passwords: Passwords,
    ) -> None:
        self._server, self._policy, self._keys, self._passwords = server, policy, keys, passwords
        self._registry, self._drops, self._lane, self._event_clock = registry, drops, lane, event_clock
        self._accounts = Accounts(server)
        self._ownership = Ownership(server, self._accounts, registry, server.engine)

    def rotate(self, request: Request) -> Outcome:
        """Replaces the account's password by the new one in the box, beside which the former one is valid for as long
        as the box says; open connections live on. An account that the owner has given may do so, too."""
        asker = self._open(request, Query.ROTATE)
        if asker.new_password is None:
            raise InvalidRequest('the sealed box for rotate_db has no "new_password"')
        self._drops.check_free(asker.database)
        # Asked again after the answer was lost, the new password is already the right one.
        if self._accounts.holds(asker, asker.new_password):
            self._passwords.confirm(asker, asker.new_password, asker.keep_old or 0)
        else:
            self._check(asker, self._accounts.holds(asker))
            self._passwords.change(asker, asker.new_password, asker.keep_old or 0)
        return Outcome(Status.ROTATED, asker.database, asker.user)

    def drop(self, request: Request) -> Outcome:
        """Drops the database and its account, after a dump of it is safe in the trash: in a lane of its own.

        Raises Unavailable until it is done: to be asked again, with the same box or a new one.
        """
        if not self._policy.allow_drop:
            raise Denied("this server drops no database on request (DBHANDLER_ALLOW_DROP)")
        self._policy.check_database(request.database)
        box = hashlib.sha256((request.sealed or "").encode()).digest()
        if known := self._lane.used(box):
            return known
        asker = self._open(request, Query.DROP)
        self._lane.note(asker.database, box)
        # Its account is locked for that time, so nobody could prove anything.
        self._drops.check_free(asker.database)
        if self._gone(asker):
            return Outcome(Status.DROPPED, asker.database, asker.user, dump=self._lane.dump_of(asker.database))
        self._check(asker, self._ownership.owns(asker))
        ltime = self._event_clock()
        if ltime is None:
            raise Unavailable("the Serf agent of this server does not answer, so old events could not be told from new")
        return self._lane.ask(asker, ltime, box)

    def _open(self, request: Request, operation: str) -> Credentials:
        return self._keys.open_for(request, operation, self._accounts.names.folded)

    def _check(self, asker: Credentials, is_proved: bool) -> None:
        if not is_proved:
            # It may have been locked in this moment.
            self._drops.check_free(asker.database)
            raise unproven(asker)

    def _gone(self, asker: Credentials) -> bool:
        """Was it dropped before, and the asker has not heard of it?"""
        return (
            self._registry.dropped_at(asker.database) is not None
            and not self._server.execute(sql.database_exists(asker.database))
            and not self._server.execute(sql.hosts_of(asker.user))
        )
