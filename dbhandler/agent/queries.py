"""Queries: a payload in, one line of JSON out."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from dbhandler import log
from dbhandler.agent.last_error import LastError
from dbhandler.agent.observe import Observe, unobserved
from dbhandler.agent.proofs import Proofs
from dbhandler.agent.recent import nobody
from dbhandler.agent.watch import ServerWatch
from dbhandler.agent.worker import Worker
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, InvalidRequest, ServerError, Unavailable
from dbhandler.provisioning.provision import ANYWHERE, Outcome, refusal
from dbhandler.provisioning.quota import Reading
from dbhandler.provisioning.registry import Memory
from dbhandler.provisioning.settling import Places
from dbhandler.requests import payload as request
from dbhandler.requests.answer import MAX_BYTES, decode, encode
from dbhandler.requests.question import question_of
from dbhandler.requests.vocabulary import Query, ServerState, Status
from dbhandler.spool import Spool

logger = logging.getLogger(__name__)

_CARRIED_OUT = frozenset({Query.CREATE, Query.ROTATE, Query.DROP, Query.GRANT, Query.REVOKE, Query.RENEW, Query.COPY})


UNPROVED = Proofs()
PROOF = 300
"""Bytes that a proof takes in an answer, with the names of its fields (requests/signer.py)."""


def at_rest(_name: str) -> bool:
    """No database moves."""
    return False


class Queries:
    """Answers queries: each name has its method. An unknown name is answered as `invalid`.

    whereabouts says under which host and port applications reach the server; errors remembers what went wrong last;
    proofs are added for whoever asks for them; places says where databases are that are not here, quota how large
    those are that are; moving says of one that is this server's whether nobody is let in now, for it goes or has come.
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
        proofs: Proofs = UNPROVED,
        places: Places = ANYWHERE,
        quota: Callable[[], Reading | None] = lambda: None,
        moving: Callable[[str], bool] = at_rest,
        recent: Callable[[bytes], bytes] = nobody,
    ) -> None:
        self._proofs, self._places, self._quota, self._moving = proofs, places, quota, moving
        self._worker, self._server, self._watch = worker, server, watch
        self._registry, self._spool, self._whereabouts, self._errors = registry, spool, whereabouts, errors
        self._clock, self._observe = clock, observe
        self._known: Mapping[str, Callable[[bytes], bytes]] = {
            Query.FIND: self._find,
            Query.WHERE: self._where,
            Query.LIST: self._list,
            Query.STATUS: self._status,
            Query.CREATE: self._create,
            Query.ROTATE: lambda payload: self._answer(worker.rotate(payload)),
            Query.DROP: lambda payload: self._answer(worker.drop(payload)),
            Query.AUTHORITY: self._authority,
            Query.GRANT: lambda payload: self._answer(worker.grant(payload)),
            Query.REVOKE: lambda payload: self._answer(worker.revoke(payload)),
            Query.RENEW: lambda payload: self._answer(worker.renew(payload)),
            Query.ACCOUNTS: self._accounts,
            Query.COPY: lambda payload: self._answer(worker.copy(payload)),
            Query.RECENT: recent,
        }

    def answer(self, name: str, payload: bytes) -> bytes:
        """The one-line answer; never raises for what a query says or what the server does."""
        return self._proofs.sign(name, payload, self._answered(name, payload))

    def _answered(self, name: str, payload: bytes) -> bytes:
        began = self._clock()
        try:
            line = self._handler(name)(payload)
            if name in _CARRIED_OUT:
                # Observed by the worker, which knows the outcome of each name.
                return line
        except Unavailable as error:
            line = self._unavailable(name, str(error))
        except OSError as error:
            line = self._unavailable(name, f"the state folder cannot be used: {error}")
        except DbHandlerError as error:
            line = encode({"status": refusal(error).status, "reason": str(error)})
        except Exception as error:
            # A defect of ours must not end the agent, whatever a payload has found.
            logger.error("query %s failed (%s)", log.shown(name), type(error).__name__)
            reason = "this server could not handle the query; its log says more"
            line = encode({"status": Status.FAILED, "reason": reason})
        operation = name if name in self._known else "unknown"
        self._observe(operation, str(decode(line)["status"]), self._clock() - began)
        return line

    def _handler(self, name: str) -> Callable[[bytes], bytes]:
        handler = self._known.get(name)
        if handler is None:
            raise InvalidRequest(f"unknown query {log.shown(name)}: known are {', '.join(self._known)}")
        if name in _CARRIED_OUT and self._watch.is_replica:
            raise Unavailable(self._watch.reason or "")
        return handler

    def _unavailable(self, name: str, reason: str) -> bytes:
        logger.warning("query %s: unavailable: %s", name, reason)
        return encode({"status": Status.UNAVAILABLE, "reason": reason})

    def _create(self, payload: bytes) -> bytes:
        outcomes = self._worker.create(payload, "query create_db:")
        done = (Status.CREATED, Status.EXISTS)
        return self._answer(next((outcome for outcome in outcomes if outcome.status not in done), outcomes[0]))

    def _find(self, payload: bytes) -> bytes:
        name = request.parse_one(payload).database
        there = bool(self._server.execute(sql.database_exists(name)))
        # What moves is here, and perhaps another server's already.
        if there and not self._moving(name):
            return self._answer(Outcome(Status.EXISTS, name))
        server, status = self._places.holder(name), Status.EXISTS if there else Status.ABSENT
        return self._answer(Outcome(Status.PLACED if server else status, name, server=server))

    def _where(self, payload: bytes) -> bytes:
        """As find_db, but by the directory alone: what is here may be another server's, on its way here or gone."""
        name = request.parse_one(payload).database
        # First: a switch that comes between the two must not look as if it were over.
        moving = self._moving(name)
        if server := self._places.holder(name):
            return encode({"status": Status.PLACED, "database": name, "server": server})
        there = self._server.execute(sql.database_exists(name))
        status = Status.EXISTS if there else Status.ABSENT
        return encode({"status": status, "database": name, "moving": moving or None})

    def _list(self, payload: bytes) -> bytes:
        if payload.strip():
            raise InvalidRequest("list_db takes no payload")
        present = {str(name) for (name,) in self._server.execute(sql.databases())}
        names = [name for name in self._registry.names() if name in present]
        return fitting("databases", names)

    def _accounts(self, payload: bytes) -> bytes:
        accounts = [list(account) for account in self._worker.accounts(payload)]
        return fitting("accounts", accounts, MAX_BYTES - PROOF)

    def _status(self, payload: bytes) -> bytes:
        if payload.strip() and question_of(Query.STATUS, payload).nonce is None:
            raise InvalidRequest("status_db takes no payload, or a nonce")
        watch = self._watch
        return encode({
            "status": Status.OK, "mysql": watch.state, "ready": watch.state == ServerState.READY,
            "engine": watch.engine, "version": watch.version, "spool": len(self._spool.entries()),
            **self._figures(), **self._over(), **self._whereabouts(), **self._errors.fields(watch.reason),
        })  # fmt: skip

    def _authority(self, payload: bytes) -> bytes:
        if self._proofs.certificate is None or self._proofs.certificate.authority() is None:
            raise InvalidRequest("this server shows no certificate of a pool")
        if payload.strip() and question_of(Query.AUTHORITY, payload).nonce is None:
            raise InvalidRequest("authority_db takes no payload, or a nonce")
        return encode({"status": Status.OK, "root": base64.b64encode(self._proofs.certificate.root()).decode()})

    def _figures(self) -> Mapping[str, object]:
        try:
            [(_, uptime)] = self._server.execute(sql.uptime())
            return {"uptime": int(str(uptime)), "databases": len(self._server.execute(sql.databases()))}
        except (Unavailable, ServerError):
            return {}

    def _over(self) -> Mapping[str, object]:
        reading = self._quota()
        return {"over_quota": len(reading.over)} if reading and reading.over else {}

    def _answer(self, outcome: Outcome) -> bytes:
        return encode({
            "status": outcome.status, "database": outcome.database,
            **({"server": outcome.server} if outcome.server else self._whereabouts()),
            "user": outcome.user, "dump": outcome.dump, "ttl": outcome.ttl, "reason": outcome.reason,
        })  # fmt: skip


def fitting(key: str, values: Sequence[object], most: int = MAX_BYTES) -> bytes:
    """An answer with a list under a key: the count of all values, and as many of them as fit into `most` bytes."""
    fields = {"status": Status.OK, "count": len(values)}
    room = most - len(encode({**fields, key: []}))
    shown: list[object] = []
    for value in values:
        # Quotes, comma and space; what JSON escapes in a name is counted by encoding it.
        room -= len(encode({"": value})) - len('{"": }\n') + len(", ")
        if room < 0:
            break
        shown.append(value)
    return encode({**fields, key: shown})
