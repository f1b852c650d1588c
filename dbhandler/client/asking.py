"""Asking for a database from an application: find the server, ask it with a sealed account, stop at its answer.

from dbhandler.client import request_database
connection = request_database("shop", state_file="/data/database.json")
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dbhandler.client.asker import Asker, Done, Progress
from dbhandler.client.authority import AuthorityFile
from dbhandler.client.connection import Connection
from dbhandler.client.dropped import Dropped, dropped
from dbhandler.client.lasting import lasting
from dbhandler.client.one_server import Box
from dbhandler.client.rotation import begun, begun_if_older, ended, given_up, unchanged
from dbhandler.client.state import State, StateFile, chosen
from dbhandler.client.successor import accept
from dbhandler.errors import Denied
from dbhandler.log import shown
from dbhandler.requests.payload import check_name
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.requests.where import parse as parse_where
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.serf.rpc import Serf
from dbhandler.settings.pool import trusted_pools

TIMEOUT = 300.0
"""Seconds to wait for a server."""
KEEP_OLD = 600
"""Seconds for which a former password stays valid beside the new one: long enough for whoever knows no other yet."""

CA_SUFFIX = ".ca.pem"


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
    ttl: int | None = None,
    where: str | None = None,
    progress: Progress = silent,
) -> Connection:
    """Asks for the database `name` and an account for it; returns how to connect.

    user is the account's name (default: the database's). state_file keeps the password that is chosen here, so that
    the next call gets the same database, and a cluster's nodes as they are then; without it a second call is denied.
    ca_file gets the certificate by which the server's is verified (default: beside state_file, with the ending
    .ca.pem). accept_server names one to trust that has the data of state_file's server, not its key. ttl is after how
    many seconds a database ends that is made by this call, unless it is renewed (accounts.renew). where is what the
    server of a new one has to be in a pool with a directory: labels, and engine=mariadb or engine=mysql, with commas;
    a server that state_file names is asked whatever it is. rpc_addr is the Serf agent's `host:port`, or several, with
    commas, of which the first that answers is asked (default: SERF_RPC_ADDR, else the local agent, else the linked
    one), rpc_auth its key (default: SERF_RPC_AUTH, or what stands in the file SERF_RPC_AUTH_FILE). Waits at most
    `timeout` seconds for a server, telling `progress` what for, and why a new database is where it is.

    Raises InvalidRequest, ConfigError, Denied, TryLater (servers are there, but none can give the answer yet) or
    Unavailable.
    """
    client = client_for(rpc_addr, rpc_auth, state_file, timeout, progress, ca_file)
    options = {"charset": charset, "collation": collation, "where": where}
    return client.create(check_name(name), user, options, accept_server, ttl)


def rotate_password(
    *,
    state_file: str | os.PathLike[str],
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    ca_file: str | os.PathLike[str] | None = None,
    keep_old: int = KEEP_OLD,
    progress: Progress = silent,
) -> Connection:
    """Gives the account of a state file a new password; its open connections live on. The former one is valid for
    keep_old seconds more; 0 is for one that others know. Raises as request_database."""
    return client_for(rpc_addr, rpc_auth, state_file, timeout, progress, ca_file).rotate(keep_old)


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
    return client_for(rpc_addr, rpc_auth, state_file, timeout, progress).drop()


def client_for(
    rpc_addr: str | None,
    rpc_auth: str | None,
    state_file: str | os.PathLike[str] | None,
    timeout: float,
    progress: Progress,
    ca_file: str | os.PathLike[str] | None = None,
) -> Client:
    """The client that these parameters of request_database mean. Raises ConfigError."""
    agents = addresses(rpc_addr, os.environ)
    state = StateFile(Path(state_file) if state_file is not None else None)
    key = rpc_auth if rpc_auth is not None else auth_key(os.environ)
    if ca_file is None and state_file is not None:
        ca_file = Path(state_file).with_suffix(CA_SUFFIX)
    authority = AuthorityFile(Path(ca_file) if ca_file is not None else None)
    pools = trusted_pools(os.environ)
    return Client(lambda: connect_first(agents, key), state, timeout, progress, pools=pools, authority=authority)


class Client:
    """The account of a state file, from the request for its database to its end. connect opens a Serf RPC connection;
    pools are those whose servers are believed: without one the first that is met, from then on; authority keeps who
    signs the server's certificate; now gives seconds since 1970."""

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
        now: Callable[[], float] = time.time,
    ) -> None:
        self.asker = Asker(connect, timeout, progress, clock, sleep, pools, authority)
        self._connect, self._file, self._pools, self._authority = connect, state_file, tuple(pools), authority
        self._now, self._progress = now, progress

    def create(
        self,
        name: str,
        user: str | None,
        options: Mapping[str, str | None],
        trusted: str | None = None,
        ttl: int | None = None,
        stays: bool = False,
    ) -> Connection:
        """The database with its account: that of the state file, whose server may be `trusted` from now on. One that is
        made now ends after ttl seconds, where that is given. stays: only the server of the state file will do."""
        parse_where(options.get("where") or "")
        if trusted is not None:
            with self._connect() as serf:
                accept(serf, self._file, name, trusted, self._pools)
        state = self._file.load()
        if state is None:
            # Saved before anybody is asked: a kill after the answer must not lose the password.
            state = self._file.save_first(chosen(name, user or name, self._now))
        state.check_is_for(name, user)
        if state.next_password is not None:
            # Denied, too, where the database has ended meanwhile: then it is made anew.
            with suppress(Denied):
                return self._changed(state, KEEP_OLD)
        if state.key is not None:
            options = {**options, "where": None}
        made = self._ask(Query.CREATE, state, lambda _: {"ttl": ttl}, options, stays)
        if made.answer.reason:
            self._progress(f"the server {shown(made.server.name)} says {made.answer.status}: {made.answer.reason}")
        return self.keep(state, made, given_up if made.answer.status == Status.CREATED else unchanged)

    def rotate(self, keep_old: int = KEEP_OLD) -> Connection:
        """A new password for the account of the state file, beside which the former one is valid for keep_old seconds.
        A change that was begun is ended first."""
        state = self._file.known()
        if state.next_password is not None:
            connection = self._changed(state, keep_old)
            # For how long that one has left the former password nobody knows: to be rid of it takes another one.
            if keep_old:
                return connection
        return self._changed(self._file.update(begun, state), keep_old)

    def rotate_if_older(self, age: float, keep_old: int = KEEP_OLD) -> Connection | None:
        """The same where the present password is older than so many seconds, else None."""
        state = self._file.update(lambda saved: begun_if_older(saved, age, self._now()), self._file.known())
        return self._changed(state, keep_old) if state.next_password is not None else None

    def drop(self) -> Dropped:
        """Drops the database and forgets it."""
        state = self._file.known()
        done = self._ask(Query.DROP, state)
        self._authority.remove()
        self._file.remove()
        return dropped(state.database, done.server.name, done.answer.dump)

    def keep(self, account: State, made: Done, change: Callable[[State], State] = unchanged) -> Connection:
        """Notes in the state file of an account who has it, and the change; returns how to connect."""
        answer, server = made.answer, made.server
        if made.root:
            self._authority.save(made.root)
        pool, authority = answer.pool or made.state.pool, answer.authority or made.state.authority
        # Last: what it says is known by now. The password is what stands there: another process may have changed it.
        saved = self._file.update(
            lambda saved: replace(
                change(saved), key=server.key, cluster=server.group, pool=pool, authority=authority
            ), account,
        )  # fmt: skip
        assert answer.host and answer.port  # noqa: S101 - one_server has looked
        host = lasting(server.name, answer.host)
        return Connection(
            saved.database, host, answer.port, saved.user, saved.password, made.others,
            engine=server.engine, ca=made.root,
            ca_file=str(self._authority.path) if made.root and self._authority.path else None, ends_in=answer.ttl,
        )  # fmt: skip

    def _changed(self, state: State, keep_old: int) -> Connection:
        """Ends the change of the password that was begun, be it by another process."""
        # Where that has ended it meanwhile, the new password is the present one, and the server changes nothing.
        box = lambda state: {"new_password": state.next_password or state.password, "keep_old": keep_old}  # noqa: E731
        made = self._ask(Query.ROTATE, state, box)
        return self.keep(state, made, lambda saved: ended(saved, made.state.next_password, self._now()))

    def _ask(
        self,
        query: Query,
        state: State,
        box: Box | None = None,
        options: Mapping[str, str | None] | None = None,
        stays: bool = False,
    ) -> Done:
        # The file may name another server to trust by now.
        return self.asker.ask(query, lambda: self._file.load() or state, box, options, stays=stays)
