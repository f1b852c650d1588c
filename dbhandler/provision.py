"""Request -> effect on the server -> outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dbhandler import sql
from dbhandler.accounts import Accounts
from dbhandler.box import Credentials, Keys
from dbhandler.errors import Denied, InvalidRequest, NotForUs, ServerError
from dbhandler.log import shown
from dbhandler.policy import Policy
from dbhandler.registry import Memory
from dbhandler.request import Request
from dbhandler.server import (
    ER_COLLATION_CHARSET_MISMATCH,
    ER_DB_CREATE_EXISTS,
    ER_UNKNOWN_CHARACTER_SET,
    ER_UNKNOWN_COLLATION,
    Server,
)

_WRONG_CHARSET = {
    ER_UNKNOWN_CHARACTER_SET: "this server does not know the character set",
    ER_UNKNOWN_COLLATION: "this server does not know the collation",
    ER_COLLATION_CHARSET_MISMATCH: "the collation does not belong to the character set",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a request: status is one of answer.STATUSES, reason says which rule refused it."""

    status: str
    database: str | None = None
    user: str | None = None
    reason: str | None = None


class Provisioner:
    """Carries out requests on `server`, within `policy`; `keys` opens sealed boxes, `registry` remembers.

    event_clock says where Serf's event clock stands now, or None when Serf is away. in_cluster: other nodes with the
    same data get the same events at the same time.
    """

    def __init__(
        self,
        server: Server,
        policy: Policy,
        engine: str,
        keys: Keys,
        registry: Memory,
        event_clock: Callable[[], int | None],
        in_cluster: bool = False,
    ) -> None:
        self._in_cluster = in_cluster
        self._server, self._policy, self._engine = server, policy, engine
        self._keys, self._registry, self._event_clock = keys, registry, event_clock
        self._accounts = Accounts(server, policy.max_user_connections)

    def create_all(self, requests: tuple[Request, ...], ltime: int = 0) -> list[Outcome]:
        """Carries out the requests of one payload: none of them where one is refused beforehand.

        ltime is the Lamport time of the event that brought them, 0 for a query or a request by hand. Raises
        Unavailable when the server cannot work now; asking again then finishes the rest.
        """
        try:
            for request in requests:
                self._policy.check(request)
        except (InvalidRequest, Denied) as error:
            return [refusal(error)]
        return [self._outcome(request, ltime) for request in requests]

    def _outcome(self, request: Request, ltime: int) -> Outcome:
        try:
            self._check_not_dropped(request.database, ltime)
            outcome = self._create(request)
        except NotForUs as error:
            if ltime and self._in_cluster:
                # Every node has got the event, and one of them can open the box.
                return Outcome("left to another node", request.database)
            return refusal(error, request.database)
        except (InvalidRequest, Denied, ServerError) as error:
            return refusal(error, request.database)
        self._registry.made(request.database)
        return outcome

    def _create(self, request: Request) -> Outcome:
        if request.sealed is None:
            return Outcome("created" if self._create_database(request) else "exists", request.database)
        asker = self._keys.open(request.sealed, request.database)
        self._policy.check_user(asker.user, self._engine)
        return Outcome("exists" if self._serve(request, asker) else "created", request.database, asker.user)

    def _serve(self, request: Request, asker: Credentials) -> bool:
        """Makes the database and the account, where they are missing; True when all was there."""
        exists = bool(self._server.execute(sql.database_exists(request.database)))
        owned = self._accounts.check_claim(asker, exists)
        if not exists:
            self._create_database(request)
        if not owned:
            self._accounts.hand_over(asker)
        return exists and owned

    def _create_database(self, request: Request) -> bool:
        """True when this call made it, False when it was there."""
        self._check_quota(request.database)
        try:
            if self._in_cluster:
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
        if self._server.execute(sql.database_exists(request.database)):
            return False
        self._server.execute(sql.create_missing_database(request.database, request.charset, request.collation))
        return ER_DB_CREATE_EXISTS not in {code for _, code, _ in self._server.execute(sql.warnings())}

    def _check_quota(self, database: str) -> None:
        limit = self._policy.max_databases
        if limit is None:
            return
        names = {str(name) for (name,) in self._server.execute(sql.databases())}
        if database not in names and len(names) >= limit:
            raise Denied(f"this server holds {len(names)} databases and allows {limit} (DBHANDLER_MAX_DATABASES)")

    def _check_not_dropped(self, database: str, ltime: int) -> None:
        """Refuses an event from before the database was dropped: Serf delivers old events again."""
        tombstone = self._registry.dropped_at(database)
        if not ltime or tombstone is None or ltime > tombstone:
            return
        now = self._event_clock()
        # A clock behind the tombstone began anew with a new cluster, whose events have nothing to do with it.
        if now is None or now >= tombstone:
            raise Denied(f"the database {shown(database)} was dropped after this event was fired")


def refusal(error: Exception, database: str | None = None) -> Outcome:
    """The outcome that tells of an error."""
    status = "invalid" if isinstance(error, InvalidRequest) else "denied" if isinstance(error, Denied) else "failed"
    return Outcome(status, database, reason=str(error))
