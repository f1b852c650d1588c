"""One request to one server: sealed for it, its answer proved where it can be, and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dbhandler.client.discovery import ANSWER_TIMEOUT
from dbhandler.client.state import State
from dbhandler.client.verified import hints, payload_of, verified
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, NoAnswer, Placed
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer, parse
from dbhandler.requests.box import LIFETIME, Credentials, seal
from dbhandler.requests.question import new_nonce, question_of
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.serf.members import Member
from dbhandler.serf.proof import shows_proof
from dbhandler.serf.rpc import Serf

MADE = (Status.CREATED, Status.EXISTS, Status.ROTATED, Status.COPIED)
"""Answers that say where the server is."""
CREATE_AGAIN = 1.0
"""Seconds after which a request for a database is sent anew: more often, and a server in a flood would have more of it
to do. Other boxes are good for one time."""
MOST_BYTES = 900
"""Of a payload and the name of the member that it is for: what Serf carries in a query."""

Box = Callable[[State], Mapping[str, Any]]
"""What a sealed box holds beside whose database it is about: the fields of Credentials, from the state that asks."""

_SUCCESSES: Mapping[str, tuple[Status, ...]] = {
    Query.CREATE: (Status.CREATED, Status.EXISTS),
    Query.ROTATE: (Status.ROTATED,),
    Query.DROP: (Status.DROPPED,),
    Query.GRANT: (Status.CREATED, Status.EXISTS),
    Query.REVOKE: (Status.REVOKED, Status.ABSENT),
    Query.RENEW: (Status.RENEWED,),
    Query.ACCOUNTS: (Status.OK,),
    Query.COPY: (Status.COPIED,),
}


def ask_server(
    serf: Serf,
    server: Member,
    query: str,
    state: State,
    options: Mapping[str, str | None],
    pools: Sequence[str] = (),
    box: Box | None = None,
) -> Answer:
    """Sends one request to one server and returns its answer when that is a success. A server that knows of proofs has
    to prove it: by one of the pools, or by that which it names itself where none is given. Each call seals a box anew:
    of what changes something a server opens none twice.

    Raises InvalidRequest, Denied or TryLater as the server says, Placed where it names another one; what is no answer
    counts for none.
    """
    if server.key is None:
        raise NoAnswer(f"the server {shown(server.name)} shows no key", frozenset({server.name}))
    reply = new_nonce() if pools or shows_proof(server) else None
    request = {"database": state.database, "sealed": seal(server.key, _credentials(query, state, reply, box))}
    request |= {key: value for key, value in options.items() if value is not None}
    request |= hints(pools) if reply else {}
    payload = _checked(payload_of(request), query, server)
    question, complaint = question_of(query, payload), "has not answered"
    # It opens a box twice where nothing is changed by that.
    again = CREATE_AGAIN if query == Query.CREATE else None
    for node, line in serf.query(query, payload, ANSWER_TIMEOUT, nodes=[server.name], again=again):
        if node != server.name:
            continue
        try:
            answer = verified(line, question, reply, pools) if reply else _unsigned(line)
        except ValueError as error:
            complaint = f"has given a wrong answer: {error}"
            continue
        return _judged(query, server, answer)
    raise NoAnswer(f"the server {shown(server.name)} {complaint}", frozenset({server.name}))


def _unsigned(line: bytes) -> Answer:
    """The answer in a line that nobody has signed: it must not say whom to believe from now on."""
    return replace(parse(line), pool=None, authority=None)


def _credentials(query: str, state: State, reply: str | None, box: Box | None) -> Credentials:
    more = box(state) if box else {}
    own = Credentials(state.database, state.user, state.password, reply=reply, **more)
    return own if query == Query.CREATE else replace(own, operation=query, expires=int(time.time()) + LIFETIME)


def _checked(payload: bytes, query: str, server: Member) -> bytes:
    """The payload, where Serf carries it. A request for a database is left to Serf, which takes a little more."""
    if query != Query.CREATE and len(payload) + len(server.name.encode()) > MOST_BYTES:
        raise InvalidRequest("names and passwords are too long together: Serf carries no such query")
    return payload


def _judged(query: str, server: Member, answer: Answer) -> Answer:
    status, reason = answer.status, answer.reason or "it gave no reason"
    kinds: Mapping[str, type[DbHandlerError]] = {
        Status.DENIED: Denied,
        Status.INVALID: InvalidRequest,
    }
    if status in _SUCCESSES[query] and (status not in MADE or (answer.host and answer.port)):
        return answer
    if status in _SUCCESSES[query]:
        raise NoAnswer(f"the server {shown(server.name)} does not say where it is", frozenset({server.name}))
    if status == Status.PLACED:
        raise _placed(server, answer)
    if status == Status.UNAVAILABLE:
        raise NoAnswer(f"the server {shown(server.name)} says unavailable: {reason}", frozenset({server.name}))
    raise kinds.get(status, DbHandlerError)(f"the server {shown(server.name)} says {status}: {reason}")


def _placed(server: Member, answer: Answer) -> DbHandlerError:
    if answer.server is None:
        complaint = f"the server {shown(server.name)} does not say which one has the database"
        return NoAnswer(complaint, frozenset({server.name}))
    why = f": {answer.reason}" if answer.reason else ""
    told = f"the server {shown(server.name)} says that {shown(answer.server)} has the database{why}"
    return Placed(told, answer.server, answer.pool)
