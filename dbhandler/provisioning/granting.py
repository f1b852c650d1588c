"""Accounts that the owner of a database gives to others, and for how long a database lives. By query only, never by
event."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.log import shown
from dbhandler.provisioning import roles
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.ownership import Ownership
from dbhandler.provisioning.provision import Outcome
from dbhandler.provisioning.registry import Memory
from dbhandler.provisioning.sessions import Sessions
from dbhandler.requests.box import LIFETIME, Credentials, Keys
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Query, Role, Status

LEAST_CONNECTIONS = 2


class Granting:
    """Operations for the one whose sealed box proves to own a database. now gives milliseconds since 1970, by which
    leases end; lock keeps what is prolonged from being ended at the same moment.

    All methods raise InvalidRequest, Denied, Unavailable or ServerError. What was begun is finished by asking again.
    """

    def __init__(
        self,
        server: Server,
        policy: Policy,
        keys: Keys,
        registry: Memory,
        drops: DropTable,
        now: Callable[[], int],
        lock: threading.Lock,
    ) -> None:
        self._server, self._policy, self._keys, self._drops = server, policy, keys, drops
        self._now, self._lock = now, lock
        self._table, self._sessions = AccountTable(server), Sessions(server)
        self._accounts = Accounts(server, need_tls=policy.require_tls)
        self._ownership = Ownership(server, self._accounts, registry, server.engine)

    def grant(self, request: Request) -> Outcome:
        """Makes an account with a role beside the owner's; one that is there gets the end that the box says."""
        asker = self._opened(request, Query.GRANT)
        account, role = self._wanted(asker), _role(asker)
        with self._lock:
            known = self._check_grant(request, account)
            is_new = known is None
            self._table.put(replace(known or account, ends=self._end(asker)))
            try:
                self._make(asker, account, role)
            except Denied:
                if is_new:
                    self._table.forget_account(account.user)
                raise
        status = Status.CREATED if is_new else Status.EXISTS
        return Outcome(status, asker.database, account.user, ttl=asker.ttl)

    def revoke(self, request: Request) -> Outcome:
        """Takes an account away again, and ends its sessions; one that is not there is as good."""
        asker = self._opened(request, Query.REVOKE)
        user = _named(asker, Query.REVOKE)
        with self._lock:
            known = self._table.of(user)
            if known is None or known.name != asker.database or not known.is_granted:
                return Outcome(Status.ABSENT, asker.database, user)
            self._use(request)
            end_account(self._server, self._sessions, known)
            self._table.forget_account(user)
        return Outcome(Status.REVOKED, asker.database, user)

    def renew(self, request: Request) -> Outcome:
        """Gives the database another end, which has one."""
        asker = self._opened(request, Query.RENEW)
        if asker.ttl is None:
            raise InvalidRequest('the sealed box for renew_db has no "ttl"')
        with self._lock:
            known = self._table.of(asker.user)
            if known is None or known.ends is None:
                raise Denied(f"the database {shown(asker.database)} has no end: there is nothing to renew")
            self._use(request)
            self._table.put(replace(known, ends=self._end(asker)))
        return Outcome(Status.RENEWED, asker.database, asker.user, ttl=asker.ttl)

    def accounts(self, request: Request) -> list[tuple[str, str, int | None]]:
        """The accounts beside the owner's: user name, role, and in how many seconds it ends."""
        asker = self._opened(request, Query.ACCOUNTS)
        now = self._now()
        return [
            (account.user, account.role, None if account.ends is None else max(0, account.ends - now) // 1000)
            for account in self._table.granted(asker.database)
            if account.user > (asker.account or "")
        ]

    def _opened(self, request: Request, operation: str) -> Credentials:
        """Who asks, having proved to own the database, which is there."""
        self._policy.check_database(request.database)
        asker = self._keys.open_for(request, operation, self._accounts.names.folded)
        self._drops.check_free(asker.database)
        self._ownership.prove(asker)
        if not self._server.execute(sql.database_exists(asker.database)):
            raise Denied(f"the database {shown(asker.database)} is not there any more")
        return asker

    def _wanted(self, asker: Credentials) -> Account:
        user = _named(asker, Query.GRANT)
        if asker.new_password is None:
            raise InvalidRequest('the sealed box for grant_db has no "new_password"')
        self._policy.check_user(user, self._server.engine)
        return Account(user, asker.database, _role(asker))

    def _check_grant(self, request: Request, wanted: Account) -> Account | None:
        """What is known of the account, None where it is a new one. Raises Denied where it may not be given."""
        known = self._table.of(wanted.user)
        if known is not None and (known.name, known.role) != (wanted.name, wanted.role):
            taken = known.name != wanted.name or not known.is_granted
            raise Denied(
                f"the user name {shown(wanted.user)} is taken" if taken
                else f"the account {shown(wanted.user)} has the role {known.role}: revoke it first"
            )  # fmt: skip
        if known is None:
            self._check_room(wanted)
            self._ownership.check_unused(wanted.user)
        self._use(request)
        return known

    def _check_room(self, wanted: Account) -> None:
        given, most = len(self._table.granted(wanted.name)), self._policy.max_accounts
        if given >= most:
            raise Denied(
                f"the database {shown(wanted.name)} has {given} accounts beside its owner's, and this server allows "
                f"{most} (DBHANDLER_MAX_ACCOUNTS)"
            )

    def _make(self, asker: Credentials, account: Account, role: Role) -> None:
        given = Credentials(asker.database, account.user, str(asker.new_password))
        if not self._accounts.exists(account.user):
            self._sessions.end_of(account.user)
        self._accounts.make(given)
        self._server.execute(roles.limited(account.user, self._share()))
        self._server.execute(roles.give(role, self._accounts.pattern(asker.database), account.user))

    def _share(self) -> int:
        """How many connections such an account may have: all of one database's together as many as its owner's."""
        [(connections, limit)] = self._server.execute(sql.connection_limits())
        most = self._policy.max_user_connections or int(str(limit)) or int(str(connections))
        return max(LEAST_CONNECTIONS, most // max(1, self._policy.max_accounts))

    def _use(self, request: Request) -> None:
        """Notes that the box is used. Raises Denied where it was: somebody has sent again what he has seen."""
        digest, now = hashlib.sha256(str(request.sealed).encode()).hexdigest(), int(time.time() * 1000)
        if not self._table.use(digest, now, now + 20 * LIFETIME * 1000):
            raise Denied("the sealed box was opened before: each is good for one time")

    def _end(self, asker: Credentials) -> int | None:
        return None if asker.ttl is None else self._now() + asker.ttl * 1000


def end_account(server: Server, sessions: Sessions, account: Account) -> None:
    """Takes an account away, and ends its sessions on this server. Raises Unavailable or ServerError."""
    server.execute(sql.drop_user(account.user))
    sessions.end_of(account.user)


def _named(asker: Credentials, operation: str) -> str:
    if not asker.account:
        raise InvalidRequest(f'the sealed box for {operation} has no "account"')
    if asker.account == asker.user:
        raise Denied("the owner's own account is neither given nor taken: --drop ends the database with it")
    return asker.account


def _role(asker: Credentials) -> Role:
    try:
        return Role(asker.role or Role.READER)
    except ValueError:
        raise InvalidRequest(f"a role is {', '.join(Role)}, not {shown(str(asker.role))}") from None
