"""Requests carried out, whether an event or a query has brought them, with one log line each."""

from __future__ import annotations

import time
from collections.abc import Callable

from dbhandler.agent.audited import Audited
from dbhandler.agent.backoff import Backoff
from dbhandler.agent.observe import Observe, unobserved
from dbhandler.agent.outcome_log import OutcomeLog
from dbhandler.audit.record import Audit, unaudited
from dbhandler.audit.under_way import UnderWay
from dbhandler.errors import Busy, DbHandlerError, Unavailable
from dbhandler.provisioning.copying import Copying
from dbhandler.provisioning.granting import Granting
from dbhandler.provisioning.lifecycle import Lifecycle
from dbhandler.provisioning.provision import Outcome, Provisioner, refusal
from dbhandler.requests import payload as request
from dbhandler.requests.payload import Request
from dbhandler.requests.vocabulary import Query, Status


def always_free(_name: str) -> None:
    """Keeps no name waiting."""


class Worker:
    """Carries out payloads and logs what happened: what was asked, what became of it, how long it took.

    observe is told the same, but not of what is unavailable: an event then waits, a query is observed by `Queries`.
    serves says whether the server could work for others, when it cannot for one request: that request then raises
    Busy, and is not tried again before its time. check_free raises Busy for a name that has to wait. leaves says
    whether databases are another server's to make. audit is told what has changed or was refused, under_way what is
    carried out at this moment.
    """

    def __init__(
        self,
        provisioner: Provisioner,
        lifecycle: Lifecycle,
        granting: Granting,
        copying: Copying,
        clock: Callable[[], float] = time.monotonic,
        observe: Observe = unobserved,
        serves: Callable[[], bool] = lambda: False,
        check_free: Callable[[str], None] = always_free,
        audit: Audit = unaudited,
        under_way: UnderWay | None = None,
        leaves: Callable[[], bool] = lambda: False,
    ) -> None:
        self._provisioner, self._lifecycle = provisioner, lifecycle
        self._granting, self._copying = granting, copying
        self._clock, self._leaves = clock, leaves
        self._audited = Audited(audit, under_way or UnderWay())
        self._log, self._observe, self._serves = OutcomeLog(clock, self._audited.left_out), observe, serves
        self._backoff, self._check_free = Backoff(clock), check_free

    def create(self, payload: bytes, origin: str) -> list[Outcome]:
        """Carries out the payload of a create_db query. Raises Unavailable."""
        requests = self.requests(payload, origin)
        if isinstance(requests, Outcome):
            return [requests]
        return [self.carry_out(wanted, origin) for wanted in requests]

    def requests(self, payload: bytes, origin: str) -> tuple[Request, ...] | Outcome:
        """The requests of a create_db payload, or the refusal of them all, which is logged."""
        began = self._clock()
        try:
            requests = request.parse(payload)
            refused = self._provisioner.refused(requests)
        except DbHandlerError as error:
            refused = refusal(error)
        return self._told(origin, Query.CREATE, refused, began) if refused else requests

    def carry_out(self, wanted: Request, origin: str, ltime: int = 0) -> Outcome:
        """Carries out one create_db request. ltime is its event's Lamport time, 0 for a query.

        Raises Busy where this one request cannot be carried out now, Unavailable where none can.
        """
        return self._logged(origin, Query.CREATE, wanted.database, lambda: self._create(wanted, ltime))

    def _create(self, wanted: Request, ltime: int) -> Outcome:
        if self._leaves():
            return Outcome(Status.ELSEWHERE, wanted.database)
        self._check_free(wanted.database)
        return self._provisioner.create_all((wanted,), ltime)[0]

    def rotate(self, payload: bytes) -> Outcome:
        """Carries out a rotate_db payload. Raises Unavailable."""
        return self._on_one(Query.ROTATE, payload, self._lifecycle.rotate)

    def grant(self, payload: bytes) -> Outcome:
        """Carries out a grant_db payload. Raises Unavailable."""
        return self._on_one(Query.GRANT, payload, self._granting.grant)

    def revoke(self, payload: bytes) -> Outcome:
        """Carries out a revoke_db payload. Raises Unavailable."""
        return self._on_one(Query.REVOKE, payload, self._granting.revoke)

    def renew(self, payload: bytes) -> Outcome:
        """Carries out a renew_db payload. Raises Unavailable."""
        return self._on_one(Query.RENEW, payload, self._granting.renew)

    def copy(self, payload: bytes) -> Outcome:
        """Carries out a copy_db payload. Raises Unavailable."""
        return self._on_one(Query.COPY, payload, self._copying.copy)

    def accounts(self, payload: bytes) -> list[tuple[str, str, int | None]]:
        """The accounts of the database in an accounts_db payload, beside its owner's. Raises DbHandlerError."""
        return self._granting.accounts(request.parse_one(payload))

    def drop(self, payload: bytes) -> Outcome:
        """Carries out a drop_db payload. Raises Unavailable."""
        return self._on_one(Query.DROP, payload, self._lifecycle.drop)

    def tell_delay(self, origin: str, wanted: Request, error: Busy) -> None:
        """Logs that a request waits for its next try."""
        self._log.write_delay(origin, wanted.database, str(error))

    def idle(self) -> None:
        """Tells what the log still owes. To be called now and then while there is nothing else to do."""
        self._log.flush()

    def _on_one(self, operation: str, payload: bytes, work: Callable[[Request], Outcome]) -> Outcome:
        origin, began = f"query {operation}:", self._clock()
        try:
            wanted = request.parse_one(payload)
        except DbHandlerError as error:
            return self._told(origin, operation, refusal(error), began)
        return self._logged(origin, operation, wanted.database, lambda: work(wanted))

    def _logged(self, origin: str, operation: str, name: str, work: Callable[[], Outcome]) -> Outcome:
        self._backoff.check(name)
        with self._audited.begun(origin, operation, name):
            return self._worked(origin, operation, name, work)

    def _worked(self, origin: str, operation: str, name: str, work: Callable[[], Outcome]) -> Outcome:
        began = self._clock()
        try:
            outcome = work()
        except Busy:
            # It says itself when the next try may be.
            raise
        except Unavailable as error:
            seconds = self._clock() - began
            self._audited.cut_short(name)
            if not self._serves():
                raise
            raise self._backoff.failed(name, str(error), seconds) from error
        except DbHandlerError as error:
            outcome = refusal(error, name)
        self._backoff.succeeded(name)
        return self._told(origin, operation, outcome, began)

    def _told(self, origin: str, operation: str, outcome: Outcome, began: float) -> Outcome:
        seconds = self._clock() - began
        if self._log.write(origin, outcome, seconds * 1000):
            self._audited.told(origin, operation, outcome)
        self._observe(operation, outcome.status, seconds)
        return outcome
