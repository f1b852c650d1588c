"""One request to one server: sealed for it, its answer proved where it can be, and judged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbhandler.client.discovery import ANSWER_TIMEOUT
from dbhandler.client.state import State
from dbhandler.client.verified import hints, payload_of, verified
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, NoAnswer
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer, parse
from dbhandler.requests.box import LIFETIME, Credentials, seal
from dbhandler.requests.question import new_nonce, question_of
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.serf.members import Member
from dbhandler.serf.proof import shows_proof
from dbhandler.serf.rpc import Serf

MADE = (Status.CREATED, Status.EXISTS, Status.ROTATED)


def ask_server(
    serf: Serf,
    server: Member,
    query: str,
    state: State,
    options: Mapping[str, str | None],
    pools: Sequence[str] = (),
) -> Answer:
    """Sends one request to one server and returns its answer when that is a success. A server that knows of proofs has
    to prove it: by one of the pools, or by that which it names itself where none is given.

    Raises InvalidRequest, Denied or TryLater as the server says; what is no answer counts for none.
    """
    if server.key is None:
        raise NoAnswer(f"the server {shown(server.name)} shows no key", frozenset({server.name}))
    reply = new_nonce() if pools or shows_proof(server) else None
    request = {"database": state.database, "sealed": seal(server.key, _credentials(query, state, reply))}
    request |= {key: value for key, value in options.items() if value is not None}
    request |= hints(pools) if reply else {}
    payload = payload_of(request)
    question, complaint = question_of(query, payload), "has not answered"
    for node, line in serf.query(query, payload, ANSWER_TIMEOUT, nodes=[server.name]):
        if node != server.name:
            continue
        try:
            answer = verified(line, question, reply, pools) if reply else _unsigned(line)
        except ValueError as error:
            complaint = f"has given a wrong answer: {error}"
            continue
        return _judged(server, answer)
    raise NoAnswer(f"the server {shown(server.name)} {complaint}", frozenset({server.name}))


def _unsigned(line: bytes) -> Answer:
    """The answer in a line that nobody has signed: it must not say whom to believe from now on."""
    return replace(parse(line), pool=None, authority=None)


def _credentials(query: str, state: State, reply: str | None) -> Credentials:
    own = Credentials(state.database, state.user, state.password, reply=reply)
    if query == Query.CREATE:
        return own
    expires = int(time.time()) + LIFETIME
    return replace(own, operation=query, new_password=state.next_password, expires=expires)


def _judged(server: Member, answer: Answer) -> Answer:
    status, reason = answer.status, answer.reason or "it gave no reason"
    kinds: Mapping[str, type[DbHandlerError]] = {
        Status.DENIED: Denied,
        Status.INVALID: InvalidRequest,
    }
    if status == Status.DROPPED or (status in MADE and answer.host and answer.port):
        return answer
    if status in MADE:
        raise NoAnswer(f"the server {shown(server.name)} does not say where it is", frozenset({server.name}))
    if status == Status.UNAVAILABLE:
        raise NoAnswer(f"the server {shown(server.name)} says unavailable: {reason}", frozenset({server.name}))
    raise kinds.get(status, DbHandlerError)(f"the server {shown(server.name)} says {status}: {reason}")
