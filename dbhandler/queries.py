"""What the agent answers: a payload or a query in, effects and one line of JSON out, one log line per request."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping

from dbhandler import log, request, sql
from dbhandler.answer import MAX_BYTES, decode, encode
from dbhandler.errors import DbHandlerError, InvalidRequest, ServerError, Unavailable
from dbhandler.last_error import LastError
from dbhandler.lifecycle import DROP, ROTATE, Lifecycle
from dbhandler.observe import Observe, unobserved
from dbhandler.outcome_log import OutcomeLog
from dbhandler.provision import Outcome, Provisioner, refusal
from dbhandler.registry import Memory
from dbhandler.request import Request
from dbhandler.server import Server
from dbhandler.spool import Spool
from dbhandler.watch import READY, ServerWatch

logger = logging.getLogger(__name__)

CREATE = "create_db"
_CARRIED_OUT = frozenset({CREATE, ROTATE, DROP})


class Worker:
    """Carries out payloads and logs what happened: what was asked, what became of it, how long it took.

    observe is told the same, but not of what is unavailable: an event then waits, a query is observed by `Queries`.
    """

    def __init__(
        self,
        provisioner: Provisioner,
        lifecycle: Lifecycle,
        clock: Callable[[], float] = time.monotonic,
        observe: Observe = unobserved,
    ) -> None:
        self._provisioner, self._lifecycle, self._clock = provisioner, lifecycle, clock
        self._log, self._observe = OutcomeLog(clock), observe

    def create(self, payload: bytes, origin: str, ltime: int = 0) -> list[Outcome]:
        """Carries out a create_db payload. ltime is its event's Lamport time, 0 for a query. Raises Unavailable."""
        return self._logged(origin, CREATE, lambda: self._provisioner.create_all(request.parse(payload), ltime))

    def rotate(self, payload: bytes) -> Outcome:
        """Carries out a rotate_db payload. Raises Unavailable."""
        return self._logged("query rotate_db:", ROTATE, lambda: [self._lifecycle.rotate(one_request(payload))])[0]

    def drop(self, payload: bytes) -> Outcome:
        """Carries out a drop_db payload. Raises Unavailable."""
        return self._logged("query drop_db:", DROP, lambda: [self._lifecycle.drop(one_request(payload))])[0]

    def idle(self) -> None:
        """Tells what the log still owes. To be called now and then while there is nothing else to do."""
        self._log.flush()

    def _logged(self, origin: str, operation: str, work: Callable[[], list[Outcome]]) -> list[Outcome]:
        began = self._clock()
        try:
            outcomes = work()
        except Unavailable:
            raise
        except DbHandlerError as error:
            outcomes = [refusal(error)]
        except sqlite3.Error as error:
            raise Unavailable(f"the state folder cannot be written: {error}") from error
        seconds = (self._clock() - began) / len(outcomes)
        for outcome in outcomes:
            self._log.write(origin, outcome, seconds * 1000)
            self._observe(operation, outcome.status, seconds)
        return outcomes


class Queries:
    """Answers queries: each name has its method. An unknown name is answered as `invalid`.

    whereabouts says under which host and port applications reach the server; errors remembers what went wrong last.
    """

    def __init__(
        self,
        worker: Worker,
        server: Server,
        watch: ServerWatch,
        registry: Memory,
        spool: Spool,
        whereabouts: Callable[[], Mapping[str, object]],
        errors: LastError,
        clock: Callable[[], float] = time.monotonic,
        observe: Observe = unobserved,
    ) -> None:
        self._worker, self._server, self._watch = worker, server, watch
        self._registry, self._spool, self._whereabouts, self._errors = registry, spool, whereabouts, errors
        self._clock, self._observe = clock, observe
        self._known: Mapping[str, Callable[[bytes], bytes]] = {
            "find_db": self._find,
            "list_db": self._list,
            "status_db": self._status,
            CREATE: self._create,
            ROTATE: lambda payload: self._answer(worker.rotate(payload)),
            DROP: lambda payload: self._answer(worker.drop(payload)),
        }

    def answer(self, name: str, payload: bytes) -> bytes:
        """The one-line answer; never raises for what a query says or what the server does."""
        began = self._clock()
        try:
            line = self._handler(name)(payload)
            if name in _CARRIED_OUT:
                # Observed by the worker, which knows the outcome of each name.
                return line
        except Unavailable as error:
            line = self._unavailable(name, str(error))
        except (OSError, sqlite3.Error) as error:
            line = self._unavailable(name, f"the state folder cannot be used: {error}")
        except DbHandlerError as error:
            line = encode({"status": refusal(error).status, "reason": str(error)})
        except Exception as error:
            # A defect of ours must not end the agent, whatever a payload has found.
            logger.error("query %s failed (%s)", log.shown(name), type(error).__name__)
            line = encode({"status": "failed", "reason": "this server could not handle the query; its log says more"})
        operation = name if name in self._known else "unknown"
        self._observe(operation, str(decode(line)["status"]), self._clock() - began)
        return line

    def _handler(self, name: str) -> Callable[[bytes], bytes]:
        handler = self._known.get(name)
        if handler is None:
            raise InvalidRequest(f"unknown query {log.shown(name)}: known are {', '.join(self._known)}")
        return handler

    def _unavailable(self, name: str, reason: str) -> bytes:
        logger.warning("query %s: unavailable: %s", name, reason)
        return encode({"status": "unavailable", "reason": reason})

    def _create(self, payload: bytes) -> bytes:
        outcomes = self._worker.create(payload, "query create_db:")
        return self._answer(next((outcome for outcome in outcomes if outcome.reason), outcomes[0]))

    def _find(self, payload: bytes) -> bytes:
        name = one_request(payload).database
        found = self._server.execute(sql.database_exists(name))
        return self._answer(Outcome("exists" if found else "absent", name))

    def _list(self, payload: bytes) -> bytes:
        if payload.strip():
            raise InvalidRequest("list_db takes no payload")
        present = {str(name) for (name,) in self._server.execute(sql.databases())}
        names = [name for name in self._registry.names() if name in present]
        return fitting_list(names)

    def _status(self, payload: bytes) -> bytes:
        if payload.strip():
            raise InvalidRequest("status_db takes no payload")
        watch = self._watch
        return encode({
            "status": "ok", "mysql": watch.state, "ready": watch.state == READY, "engine": watch.engine,
            "version": watch.version, "spool": len(self._spool.entries()), **self._figures(), **self._whereabouts(),
            **self._errors.fields(watch.reason),
        })  # fmt: skip

    def _figures(self) -> Mapping[str, object]:
        try:
            [(_, uptime)] = self._server.execute(sql.uptime())
            return {"uptime": int(str(uptime)), "databases": len(self._server.execute(sql.databases()))}
        except (Unavailable, ServerError):
            return {}

    def _answer(self, outcome: Outcome) -> bytes:
        return encode({
            "status": outcome.status, "database": outcome.database, **self._whereabouts(),
            "user": outcome.user, "reason": outcome.reason,
        })  # fmt: skip


def one_request(payload: bytes) -> Request:
    """The request of a payload that names one database. Raises InvalidRequest for any other."""
    requests = request.parse(payload)
    if len(requests) != 1:
        raise InvalidRequest(f"one name is wanted here, not {len(requests)}")
    return requests[0]


def fitting_list(names: list[str]) -> bytes:
    """The answer to list_db: the count of all names, and as many of them as fit."""
    fields = {"status": "ok", "count": len(names), "databases": names}
    room = MAX_BYTES - len(encode({**fields, "databases": []}))
    fitting: list[str] = []
    for name in names:
        # Quotes, comma and space; what JSON escapes in a name is counted by encoding it.
        room -= len(encode({"": name})) - len('{"": }\n') + len(", ")
        if room < 0:
            break
        fitting.append(name)
    return encode({**fields, "databases": fitting})
