"""An application's own database as it was once, beside the present one: it asks for a new one, which the backup fills.

from dbhandler.client.restoring import restore_database
connection = restore_database("shop_before", at="2026-11-23 21:04:05", state_file="/data/shop.json")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler.client.asker import Progress
from dbhandler.client.asking import CA_SUFFIX, TIMEOUT, Client, silent
from dbhandler.client.authority import AuthorityFile
from dbhandler.client.backups import Backups
from dbhandler.client.connection import Connection
from dbhandler.client.state import State, StateFile, beside, chosen
from dbhandler.errors import InvalidRequest, Unavailable
from dbhandler.log import shown
from dbhandler.requests.payload import check_name
from dbhandler.requests.restore_box import MAX_MOMENT, Wanted, not_allowed, source_id
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag
from dbhandler.settings.pool import trusted_pools


def restore_database(
    target: str,
    *,
    at: str,
    state_file: str | os.PathLike[str],
    restore_state: str | os.PathLike[str] | None = None,
    database: str | None = None,
    user: str | None = None,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    ca_file: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> Connection:
    """Makes the database `target`, with an account `user` of its own (default: the database's name), and has the pool's
    backup fill it with what the database of state_file held at the moment `at`; returns how to connect to it.

    at is as `dbhandler-backup restore --at` takes it. database is the name of state_file's, for whoever wants to be
    sure. restore_state keeps the new account (default: NAME.json beside state_file): asked again with it this goes on
    where it was. timeout is how many seconds nobody may answer; a restore may take longer. All else, and what is
    raised, is as with request_database.
    """
    own = _own(Path(state_file), database)
    kept = Path(restore_state) if restore_state is not None else beside(Path(state_file), target, "--restore-state")
    agents, key = addresses(rpc_addr, os.environ), rpc_auth if rpc_auth is not None else auth_key(os.environ)
    connect = lambda: connect_first(agents, key)  # noqa: E731
    authority = AuthorityFile(Path(ca_file) if ca_file is not None else kept.with_suffix(CA_SUFFIX))
    pools = trusted_pools(os.environ)
    return restored(own, target, user, at, StateFile(kept), connect, pools, timeout, progress, authority)


def restored(
    own: State,
    target: str,
    user: str | None,
    at: str,
    file: StateFile,
    connect: Callable[[], Serf],
    pools: Sequence[str],
    timeout: float,
    progress: Progress,
    authority: AuthorityFile = AuthorityFile(None),  # noqa: B008 - nothing in it changes
) -> Connection:
    """The same for the account `own`; file keeps the new one, connect opens a Serf RPC connection, pools are those that
    are believed (none: that of the account). Raises as restore_database."""
    moment = _checked_moment(at)
    account = _begun(own, check_name(target), user, file)
    pools = tuple(pools) or tuple(filter(None, [own.pool]))
    _check_allowed(connect, own, pools)
    client = Client(connect, file, timeout, progress, pools=pools, authority=authority)
    made = client.create(target, user, {}, stays=True)
    now = file.known()
    wanted = _wanted(own, account, source_id(str(now.key), now.cluster), moment)
    if left_out := Backups(connect, pools or _met(now), timeout, progress).restore(wanted):
        progress(f"restored {left_out}")
    return made


def _own(state_file: Path, database: str | None) -> State:
    """The account that has the database. Raises InvalidRequest."""
    own = StateFile(state_file).known()
    if database not in (None, own.database):
        raise InvalidRequest(f"the state file is for {shown(own.database)}")
    if own.next_password is not None:
        raise InvalidRequest("its password is being changed: end that first, with --rotate")
    return own


def _wanted(own: State, account: State, source: str, at: str) -> Wanted:
    names = (own.database, own.user, own.password, account.database, account.user, account.password)
    return Wanted(source, *names, at)


def _begun(own: State, target: str, user: str | None, file: StateFile) -> State:
    """The account of the new database, at the server that has the other one. Raises InvalidRequest."""
    if target == own.database:
        raise InvalidRequest(f"{shown(target)} is restored beside the present one: under another name")
    begun = chosen(target, user or target, key=own.key, cluster=own.cluster, pool=own.pool)
    account = file.save_first(begun)
    if account.database != target:
        raise InvalidRequest(f"the state file of what is restored is for {shown(account.database)}")
    return account


def _checked_moment(at: str) -> str:
    if not 1 <= len(at) <= MAX_MOMENT or not at.isprintable():
        raise InvalidRequest(f"a moment has 1 to {MAX_MOMENT} printable characters")
    return at


def _check_allowed(connect: Callable[[], Serf], own: State, pools: tuple[str, ...]) -> None:
    """Raises Denied where the server says already that it will not be done, before a database is made for it."""
    # One that cannot be reached is waited for where the database is asked for.
    with suppress(Unavailable), connect() as serf:
        for member in Believer(pools).believed(serf.members()):
            is_it = member.key == own.key or (own.cluster is not None and member.group == own.cluster)
            if member.is_database and member.alive and is_it and member.tags.get(Tag.OWN) != "1":
                raise not_allowed(shown(member.name))


def _met(state: State) -> tuple[str, ...]:
    if state.pool is None:
        raise Unavailable("the server proves no pool, so no backup can prove to be of it")
    return (state.pool,)
