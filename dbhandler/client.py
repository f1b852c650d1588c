"""Asking for a database from an application: find the server, ask it with a sealed account, stop at its answer.

from dbhandler.client import request_database
connection = request_database("shop", state_file="/data/database.json")
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dbhandler import answer as answers
from dbhandler import passwords
from dbhandler.box import LIFETIME, Credentials, seal
from dbhandler.cluster_node import CLUSTER_TAG
from dbhandler.connection import Connection
from dbhandler.discovery import ANSWER_TIMEOUT, find_server, hosts_of
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, NoAnswer, Unavailable
from dbhandler.log import shown
from dbhandler.request import check_name
from dbhandler.serf import Member, Serf
from dbhandler.setting import read_setting
from dbhandler.state import State, StateFile

TIMEOUT = 300.0
"""Seconds to wait for a server."""
PAUSE = 0.5
"""Seconds between two tries."""

Progress = Callable[[str], None]


def silent(_text: str) -> None:
    """Tells nobody what is waited for."""


def request_database(
    name: str,
    *,
    user: str | None = None,
    state_file: str | os.PathLike[str] | None = None,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    charset: str | None = None,
    collation: str | None = None,
    progress: Progress = silent,
) -> Connection:
    """Asks for the database `name` and an account for it; returns how to connect.

    user is the account's name (default: the database's). state_file keeps the password that is chosen here, so that
    the next call gets the same database; without it a second call is denied. rpc_addr is the Serf agent's `host:port`
    (default: `default_rpc_addrs`), rpc_auth its key (default: SERF_RPC_AUTH, or what the file SERF_RPC_AUTH_FILE
    holds). Waits at most `timeout` seconds for a server, telling `progress` what for.

    Raises InvalidRequest, ConfigError, Denied, TryLater (servers are there, but none can give the answer yet) or
    Unavailable.
    """
    client = _client(rpc_addr, rpc_auth, state_file, timeout, progress)
    return client.create(check_name(name), user, {"charset": charset, "collation": collation})


def rotate_password(
    *,
    state_file: str | os.PathLike[str],
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    progress: Progress = silent,
) -> Connection:
    """Gives the account of a state file a new password; its open connections live on. Raises as request_database."""
    return _client(rpc_addr, rpc_auth, state_file, timeout, progress).rotate()


def drop_database(
    *,
    state_file: str | os.PathLike[str],
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    progress: Progress = silent,
) -> None:
    """Drops the database and account of a state file, and the file. Raises as request_database."""
    _client(rpc_addr, rpc_auth, state_file, timeout, progress).drop()


def default_rpc_addrs(environ: Mapping[str, str]) -> tuple[str, ...]:
    """SERF_RPC_ADDR alone if it is set; else the local agent and the linked container serf_agent (`docker run
    --link`), in the order in which they are tried."""
    if chosen := environ.get("SERF_RPC_ADDR"):
        return (chosen,)
    linked, port = environ.get("SERF_AGENT_PORT_7373_TCP_ADDR"), environ.get("SERF_AGENT_PORT_7373_TCP_PORT")
    return ("127.0.0.1:7373", *([f"{linked}:{port or 7373}"] if linked else []))


def connect_first(addresses: Sequence[str], auth_key: str | None) -> Serf:
    """A connection to the first Serf agent that answers. Raises Unavailable, naming all, when none does."""
    complaints = []
    for address in addresses:
        try:
            return Serf(address, auth_key)
        except Unavailable as error:
            complaints.append(str(error))
    raise Unavailable("; ".join(complaints))


def _client(
    rpc_addr: str | None,
    rpc_auth: str | None,
    state_file: str | os.PathLike[str] | None,
    timeout: float,
    progress: Progress,
) -> Client:
    addresses = (rpc_addr,) if rpc_addr else default_rpc_addrs(os.environ)
    state = StateFile(Path(state_file) if state_file is not None else None)
    auth_key = rpc_auth if rpc_auth is not None else read_setting(os.environ, "SERF_RPC_AUTH")
    return Client(lambda: connect_first(addresses, auth_key), state, timeout, progress)


class Client:
    """Asks, and asks again until `timeout` seconds have passed. connect opens a Serf RPC connection."""

    def __init__(
        self,
        connect: Callable[[], Serf],
        state_file: StateFile,
        timeout: float,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect, self._file, self._progress = connect, state_file, progress
        self._clock, self._sleep, self._deadline = clock, sleep, clock() + timeout

    def create(self, name: str, user: str | None, options: Mapping[str, str | None]) -> Connection:
        """The database with its account: the same one as before where the state file knows it."""
        state = self._file.load()
        if state is None:
            # Saved before anybody is asked: a kill after the answer must not lose the password.
            state = self._file.save_first(State(name, user or name, passwords.generate()))
        if state.database != name or (user and state.user != user):
            raise InvalidRequest(f"the state file is for {shown(state.database)} as {shown(state.user)}")
        if state.next_password is not None:
            return self.rotate()
        answer, server, others = self._ask("create_db", state, options)
        return self._keep(_made_by(server, state), answer, others)

    def rotate(self) -> Connection:
        """A new password for the account of the state file."""
        state = self._known()
        if state.next_password is None:
            state = replace(state, next_password=passwords.generate())
            self._file.save(state)
        answer, server, others = self._ask("rotate_db", state)
        rotated = replace(state, password=str(state.next_password), next_password=None)
        return self._keep(_made_by(server, rotated), answer, others)

    def drop(self) -> None:
        """Drops the database and forgets it."""
        self._ask("drop_db", self._known())
        self._file.remove()

    def _known(self) -> State:
        state = self._file.load()
        if state is None or state.key is None:
            raise InvalidRequest("there is no state file of a database that was made: nothing to rotate or drop")
        return state

    def _keep(self, state: State, answer: Mapping[str, object], others: tuple[str, ...]) -> Connection:
        self._file.save(state)
        host, port = str(answer["host"]), int(str(answer["port"]))
        return Connection(state.database, host, port, state.user, state.password, others)

    def _ask(
        self, query: str, state: State, options: Mapping[str, str | None] | None = None
    ) -> tuple[Mapping[str, object], Member, tuple[str, ...]]:
        """Tries until there is a decisive answer; returns it with the server that gave it, and `host:port` of the
        other nodes where that is a Galera cluster."""
        silent: set[str] = set()
        while True:
            try:
                with self._connect() as serf:
                    server = find_server(serf, state.database, state.key, state.cluster, silent)
                    answer = ask_server(serf, server, query, state, options or {})
                    return answer, server, hosts_of(serf, server)
            except Unavailable as error:
                if self._clock() + PAUSE >= self._deadline:
                    raise
                self._progress(str(error))
                # Another node is the next to be asked; who has been silent before may be back by now.
                silent = set(error.nodes) if isinstance(error, NoAnswer) else set()
            self._sleep(PAUSE)


def _made_by(server: Member, state: State) -> State:
    return replace(state, key=server.tags["key"], cluster=server.tags.get(CLUSTER_TAG))


def ask_server(
    serf: Serf, server: Member, query: str, state: State, options: Mapping[str, str | None]
) -> Mapping[str, object]:
    """Sends one request to one server and returns its answer when that is a success.

    Raises InvalidRequest, Denied or TryLater as the server says.
    """
    request = {"database": state.database, "sealed": seal(server.tags["key"], _credentials(query, state))}
    request |= {key: value for key, value in options.items() if value is not None}
    payload = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    for _, answer in serf.query(query, payload, ANSWER_TIMEOUT, nodes=[server.name]):
        return _judged(server, answers.decode(answer))
    raise NoAnswer(f"the server {shown(server.name)} has not answered", frozenset({server.name}))


def _credentials(query: str, state: State) -> Credentials:
    own = Credentials(state.database, state.user, state.password)
    if query == "create_db":
        return own
    expires = int(time.time()) + LIFETIME
    return replace(own, operation=query, new_password=state.next_password, expires=expires)


def _judged(server: Member, answer: Mapping[str, object]) -> Mapping[str, object]:
    status, reason = answer.get("status"), str(answer.get("reason") or "it gave no reason")
    kinds: Mapping[object, type[DbHandlerError]] = {
        "denied": Denied,
        "invalid": InvalidRequest,
    }
    if status in ("created", "exists", "rotated", "dropped"):
        return answer
    if status == "unavailable":
        raise NoAnswer(f"the server {shown(server.name)} says unavailable: {reason}", frozenset({server.name}))
    raise kinds.get(status, DbHandlerError)(f"the server {shown(server.name)} says {status}: {reason}")
