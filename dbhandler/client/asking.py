"""Asking for a database from an application: find the server, ask it with a sealed account, stop at its answer.

from dbhandler.client import request_database
connection = request_database("shop", state_file="/data/database.json")
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dbhandler import passwords
from dbhandler.client.authority import AuthorityFile, ask_authority
from dbhandler.client.connection import Connection
from dbhandler.client.discovery import ANSWER_TIMEOUT, find_server, hosts_of
from dbhandler.client.dropped import Dropped, dropped
from dbhandler.client.one_server import MADE, ask_server
from dbhandler.client.state import State, StateFile
from dbhandler.client.successor import accept
from dbhandler.errors import InvalidRequest, NoAnswer, Unavailable
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer
from dbhandler.requests.payload import check_name
from dbhandler.requests.vocabulary import Query
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag
from dbhandler.settings.pool import trusted_pools

TIMEOUT = 300.0
"""Seconds to wait for a server."""
PAUSE = 0.5
"""Seconds between two tries."""

CA_SUFFIX = ".ca.pem"

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
    accept_server: str | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> Connection:
    """Asks for the database `name` and an account for it; returns how to connect.

    user is the account's name (default: the database's). state_file keeps the password that is chosen here, so that
    the next call gets the same database, and a cluster's nodes as they are then; without it a second call is denied.
    ca_file gets the certificate by which the server's is verified (default: beside state_file, with the ending
    .ca.pem). accept_server names one to trust that has the data of state_file's server, not its key. rpc_addr is the
    Serf agent's `host:port`, or several, with commas, of which the first that answers is asked (default: SERF_RPC_ADDR,
    else the local agent, else the linked one), rpc_auth its key (default: SERF_RPC_AUTH, or what stands in the file
    SERF_RPC_AUTH_FILE). Waits at most `timeout` seconds for a server, telling `progress` what for.

    Raises InvalidRequest, ConfigError, Denied, TryLater (servers are there, but none can give the answer yet) or
    Unavailable.
    """
    client = _client(rpc_addr, rpc_auth, state_file, timeout, progress, ca_file)
    return client.create(check_name(name), user, {"charset": charset, "collation": collation}, accept_server)


def rotate_password(
    *,
    state_file: str | os.PathLike[str],
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    ca_file: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> Connection:
    """Gives the account of a state file a new password; its open connections live on. Raises as request_database."""
    return _client(rpc_addr, rpc_auth, state_file, timeout, progress, ca_file).rotate()


def drop_database(
    *,
    state_file: str | os.PathLike[str],
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    progress: Progress = silent,
) -> Dropped:
    """Drops the database and account of a state file, and the file; tells where the dump is. Raises as
    request_database."""
    return _client(rpc_addr, rpc_auth, state_file, timeout, progress).drop()


def _client(
    rpc_addr: str | None,
    rpc_auth: str | None,
    state_file: str | os.PathLike[str] | None,
    timeout: float,
    progress: Progress,
    ca_file: str | os.PathLike[str] | None = None,
) -> Client:
    agents = addresses(rpc_addr, os.environ)
    state = StateFile(Path(state_file) if state_file is not None else None)
    key = rpc_auth if rpc_auth is not None else auth_key(os.environ)
    if ca_file is None and state_file is not None:
        ca_file = Path(state_file).with_suffix(CA_SUFFIX)
    authority = AuthorityFile(Path(ca_file) if ca_file is not None else None)
    pools = trusted_pools(os.environ)
    return Client(lambda: connect_first(agents, key), state, timeout, progress, pools=pools, authority=authority)


@dataclass(frozen=True)
class Done:
    """A decisive answer with the server that gave it, `host:port` of the other nodes where that is a Galera cluster,
    and the certificate (PEM) of who signs the server's."""

    answer: Answer
    server: Member
    others: tuple[str, ...]
    root: str | None


class Client:
    """Asks, and asks again until `timeout` seconds have passed. connect opens a Serf RPC connection; pools are those
    whose servers are believed: without one the first that is met, from then on; authority keeps who signs the server's
    certificate."""

    def __init__(
        self,
        connect: Callable[[], Serf],
        state_file: StateFile,
        timeout: float,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        pools: Sequence[str] = (),
        authority: AuthorityFile = AuthorityFile(None),  # noqa: B008 - nothing in it changes
    ) -> None:
        self._pools, self._authority = tuple(pools), authority
        self._connect, self._file, self._progress = connect, state_file, progress
        self._clock, self._sleep, self._deadline = clock, sleep, clock() + timeout

    def create(
        self, name: str, user: str | None, options: Mapping[str, str | None], trusted: str | None = None
    ) -> Connection:
        """The database with its account: that of the state file, whose server may be `trusted` from now on."""
        if trusted is not None:
            with self._connect() as serf:
                accept(serf, self._file, name, trusted, self._pools)
        state = self._file.load()
        if state is None:
            # Saved before anybody is asked: a kill after the answer must not lose the password.
            state = self._file.save_first(State(name, user or name, passwords.generate()))
        if state.database != name or (user and state.user != user):
            raise InvalidRequest(f"the state file is for {shown(state.database)} as {shown(state.user)}")
        if state.next_password is not None:
            return self.rotate()
        return self._keep(state, self._ask(Query.CREATE, state, options))

    def rotate(self) -> Connection:
        """A new password for the account of the state file."""
        state = self._file.known()
        if state.next_password is None:
            state = replace(state, next_password=passwords.generate())
            self._file.save(state)
        made = self._ask(Query.ROTATE, state)
        return self._keep(replace(state, password=str(state.next_password), next_password=None), made)

    def drop(self) -> Dropped:
        """Drops the database and forgets it."""
        state = self._file.known()
        done = self._ask(Query.DROP, state)
        self._authority.remove()
        self._file.remove()
        return dropped(state.database, done.server.name, done.answer.dump)

    def _keep(self, state: State, made: Done) -> Connection:
        answer, server = made.answer, made.server
        if made.root:
            self._authority.save(made.root)
        # Last: what it says is known by now.
        pool, authority = answer.pool or state.pool, answer.authority or state.authority
        self._file.save(replace(state, key=server.key, cluster=server.group, pool=pool, authority=authority))
        assert answer.host and answer.port  # noqa: S101 - _judged has looked
        return Connection(
            state.database, answer.host, answer.port, state.user, state.password, made.others,
            engine="mysql" if server.tags.get(Tag.ENGINE) == "mysql" else "mariadb", ca=made.root,
            ca_file=str(self._authority.path) if made.root and self._authority.path else None,
        )  # fmt: skip

    def _root(self, serf: Serf, server: Member, answer: Answer, state: State, pools: Sequence[str]) -> str | None:
        """Who signs the server's certificate; None for a server that does not say it."""
        if answer.authority is None or answer.status not in MADE:
            return None
        kept = self._authority.load() if answer.authority == state.authority else None
        return kept or ask_authority(serf, server, pools or [str(answer.pool)], ANSWER_TIMEOUT)

    def _ask(self, query: str, state: State, options: Mapping[str, str | None] | None = None) -> Done:
        """Tries until there is a decisive answer."""
        silent: set[str] = set()
        while True:
            try:
                with self._connect() as serf:
                    pools = self._believed(state)
                    met = not self._pools
                    server = find_server(serf, state.database, state.key, state.cluster, silent, pools, met)
                    answer = ask_server(serf, server, query, state, options or {}, pools)
                    root = self._root(serf, server, answer, state, pools)
                    # Whom it has just met counts for the nodes beside it, too.
                    known = pools or ([answer.pool] if answer.pool else [])
                    return Done(answer, server, hosts_of(serf, server, known), root)
            except Unavailable as error:
                if self._clock() + PAUSE >= self._deadline:
                    raise
                self._progress(str(error))
                # Another node is the next to be asked; who has been silent before may be back by now.
                silent = set(error.nodes) if isinstance(error, NoAnswer) else set()
            self._sleep(PAUSE)
            state = self._file.load() or state  # which may name another server to trust by now

    def _believed(self, state: State) -> Sequence[str]:
        # What the owner says now counts more than what was met once.
        return self._pools or ([state.pool] if state.pool else [])
