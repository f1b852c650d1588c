"""Request -> effect on the server -> outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from dbhandler.engine import sql
from dbhandler.engine.driver import (
    ER_COLLATION_CHARSET_MISMATCH,
    ER_DB_CREATE_EXISTS,
    ER_UNKNOWN_CHARACTER_SET,
    ER_UNKNOWN_COLLATION,
)
from dbhandler.engine.server import Server
from dbhandler.errors import Denied, Elsewhere, InvalidRequest, NotForUs, ServerError
from dbhandler.log import shown
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.ownership import Ownership
from dbhandler.provisioning.registry import Entry, Memory
from dbhandler.provisioning.settling import Anywhere, Places, settled
from dbhandler.provisioning.term import Term
from dbhandler.requests.box import Credentials, Keys
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Status
from dbhandler.requests.where import HERE
from dbhandler.requests.where import parse as where_of

_WRONG_CHARSET = {
    ER_UNKNOWN_CHARACTER_SET: "this server does not know the character set",
    ER_UNKNOWN_COLLATION: "this server does not know the collation",
    ER_COLLATION_CHARSET_MISMATCH: "the collation does not belong to the character set",
}


ANYWHERE = Anywhere()
_REFUSALS = ((Elsewhere, Status.PLACED), (InvalidRequest, Status.INVALID), (Denied, Status.DENIED))


@dataclass(frozen=True)
class Outcome:
    """What became of a request: reason says which rule refused it, why a new database is here, or that one is over its
    quota, dump is the file with what was dropped, ttl in how many seconds it ends, server who has, or gets, the
    database instead."""

    status: Status
    database: str | None = None
    user: str | None = None
    reason: str | None = None
    dump: str | None = None
    ttl: int | None = None
    server: str | None = None


class Provisioner:
    """Carries out requests on `server`, within `policy`; `keys` opens sealed boxes, `registry` remembers.

    event_clock says where Serf's event clock stands now, or None when Serf is away, now the time by which databases
    end. in_group: other nodes with the same data get the same events at the same time. places says where new databases
    go, over_quota what the owner of one is told that is too large.
    """

    def __init__(
        self,
        server: Server,
        policy: Policy,
        engine: str,
        keys: Keys,
        registry: Memory,
        event_clock: Callable[[], int | None],
        in_group: bool = False,
        now: Callable[[], int] = lambda: int(time.time() * 1000),
        places: Places = ANYWHERE,
        over_quota: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._in_group, self._places, self._over_quota = in_group, places, over_quota
        self._term = Term(server, now, policy.allow_drop)
        self._server, self._policy, self._engine = server, policy, engine
        self._keys, self._registry, self._event_clock = keys, registry, event_clock
        accounts = Accounts(server, policy.max_user_connections, policy.require_tls)
        self._names, self._ownership = accounts.names, Ownership(server, accounts, registry, engine)

    def create_all(self, requests: tuple[Request, ...], ltime: int = 0) -> list[Outcome]:
        """Carries out the requests of one payload: none of them where one is refused beforehand.

        ltime is the Lamport time of the event that brought them, 0 for a query or a request by hand. Raises
        Unavailable when the server cannot work now; asking again then finishes the rest.
        """
        if refused := self.refused(requests):
            return [refused]
        return [self._outcome(request, ltime) for request in requests]

    def refused(self, requests: tuple[Request, ...]) -> Outcome | None:
        """The refusal of a payload of which one request is against the policy; None where all are within it."""
        try:
            for request in requests:
                self._policy.check(request)
        except (InvalidRequest, Denied) as error:
            return refusal(error)
        return None

    def _outcome(self, request: Request, ltime: int) -> Outcome:
        try:
            name = self._names.folded(request.database)
            seen = self._registry.entry(name)
            self._check_not_dropped(name, seen, ltime)
            outcome = self._create(request, name, is_event=bool(ltime))
        except NotForUs as error:
            if ltime and self._in_group:
                # Every node has got the event, and one of them can open the box.
                return Outcome(Status.ELSEWHERE, request.database)
            return refusal(error, request.database)
        except (InvalidRequest, Denied, ServerError) as error:
            return refusal(error, request.database)
        # Every node makes this call for every event: a write would be replicated for nothing.
        if seen is None or seen.dropped is not None:
            self._registry.made(name)
        return outcome

    def _create(self, request: Request, name: str, is_event: bool) -> Outcome:
        """Carries out a request for the database whose name the server takes for `name`."""
        asker = self._asker(request)
        # Nobody else can open the box of an event, and nobody can be told to ask elsewhere.
        where = where_of(HERE if asker and is_event else request.where)
        wanted, exists = replace(request, database=name), self._exists(name)
        with settled(self._places, name, where, exists) as why:
            is_new = self._serve(wanted, asker, exists) if asker else not exists and self._make(wanted)
        status, user = Status.CREATED if is_new else Status.EXISTS, asker.user if asker else None
        ttl = self._term.left(asker.user) if asker else None
        # Nobody else's matter: a bare name proves nothing.
        told = self._over_quota(name) if asker else None
        return Outcome(status, request.database, user, (why or None) if is_new else told, ttl=ttl)

    def _asker(self, request: Request) -> Credentials | None:
        """Whom the account of a request is for; None where it asks for none."""
        if request.sealed is None:
            return None
        asker = self._keys.open(request.sealed, request.database, folded=self._names.folded)
        self._policy.check_user(asker.user, self._engine)
        self._term.check(asker)
        return asker

    def _make(self, request: Request) -> bool:
        """Makes a database that is nobody's; False when it was there after all."""
        self._ownership.check_nobodys(request.database)
        self._ownership.end_sessions(request.database)
        return self._create_database(request)

    def _serve(self, request: Request, asker: Credentials, exists: bool) -> bool:
        """Makes the database and the account, where they are missing; False when all was there."""
        if self._ownership.was_given(asker, exists):
            return False
        if self._ownership.is_owner(asker):
            if not exists:
                self._ownership.end_sessions(request.database, asker.user)
                with self._term.noted(asker):
                    self._create_database(request)
            return not exists
        self._ownership.check_free(asker, exists)
        with self._term.noted(asker):
            self._take(request, asker, exists)
        return True

    def _take(self, request: Request, asker: Credentials, exists: bool) -> None:
        """Makes the name the asker's, who has none, and the database where it does not exist."""
        with self._ownership.claimed(asker):
            self._ownership.end_sessions(request.database)
            if not exists:
                self._create_database(request)
            # Whatever has come to the name meanwhile, by whomever.
            self._ownership.check_free(asker, exists=True)
        self._ownership.hand_over(asker)

    def _exists(self, database: str) -> bool:
        return bool(self._server.execute(sql.database_exists(database)))

    def _create_database(self, request: Request) -> bool:
        """True when this call made it, False when it was there."""
        self._check_quota(request.database)
        try:
            if self._in_group:
                return self._create_once(request)
            self._server.execute(sql.create_database(request.database, request.charset, request.collation))
        except ServerError as error:
            if error.errno == ER_DB_CREATE_EXISTS:
                return False
            if rule := _WRONG_CHARSET.get(error.errno):
                wanted = " / ".join(filter(None, (request.charset, request.collation)))
                raise InvalidRequest(f"{rule}: {shown(wanted)}") from error
            raise
        return True

    def _create_once(self, request: Request) -> bool:
        """As _create_database, without an error where another node was faster: its log would get one, too."""
        self._server.execute(sql.create_missing_database(request.database, request.charset, request.collation))
        return ER_DB_CREATE_EXISTS not in {code for _, code, _ in self._server.execute(sql.warnings())}

    def _check_quota(self, database: str) -> None:
        limit = self._policy.max_databases
        if limit is None:
            return
        names = {str(name) for (name,) in self._server.execute(sql.databases())}
        if database not in names and len(names) >= limit:
            raise Denied(f"this server holds {len(names)} databases and allows {limit} (DBHANDLER_MAX_DATABASES)")

    def _check_not_dropped(self, database: str, seen: Entry | None, ltime: int) -> None:
        """Refuses an event from before the database was dropped: Serf delivers old events again."""
        tombstone = seen.dropped if seen else None
        if not ltime or tombstone is None or ltime > tombstone:
            return
        now = self._event_clock()
        # A clock behind the tombstone began anew with a new cluster, whose events have nothing to do with it.
        if now is None or now >= tombstone:
            raise Denied(f"the database {shown(database)} was dropped after this event was fired")


def refusal(error: Exception, database: str | None = None) -> Outcome:
    """The outcome that tells of an error."""
    status = next((status for kind, status in _REFUSALS if isinstance(error, kind)), Status.FAILED)
    return Outcome(status, database, reason=str(error), server=error.server if isinstance(error, Elsewhere) else None)
