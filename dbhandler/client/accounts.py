"""Accounts beside a database's own: its owner gives them, for a while or for good, renews them and takes them away.

from dbhandler.client import request_account
connection = request_account("shop", user="reports", owner_state_file="shop.json", state_file="reports.json")
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from dbhandler.client.asker import Asker, Progress
from dbhandler.client.asking import TIMEOUT, Client, client_for, silent
from dbhandler.client.connection import Connection
from dbhandler.client.rotation import ended
from dbhandler.client.state import State, StateFile, chosen
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater
from dbhandler.log import shown
from dbhandler.requests.vocabulary import Query, Role, Status

MOST_PAGES = 1000
"""Answers with a part of the accounts each: more than any server has."""

Place = str | os.PathLike[str]


@dataclass(frozen=True)
class Account:
    """An account that the owner has given: its user name, its role, and in how many seconds it ends (None: not)."""

    user: str
    role: str
    ends_in: int | None


def request_account(
    name: str,
    *,
    user: str,
    role: str = Role.READER,
    owner_state_file: Place,
    state_file: Place | None = None,
    ttl: int | None = None,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    ca_file: Place | None = None,
    progress: Progress = silent,
) -> Connection:
    """Has the server give the database `name` the account `user` beside its owner's; returns how to connect with it.

    role is what it may do: owner, writer or reader. owner_state_file is that of whoever requested the database, and is
    only read. state_file keeps the new account's password, chosen here before anybody is asked: with it
    request_database gets the same account, without the owner; this call, repeated, gives it the end that ttl says
    (seconds from now; None: no end). All else, and what is raised, is as with request_database; Denied is raised, too,
    where the account has another role, or the database as many accounts as the server allows.
    """
    owner, file = StateFile(Path(owner_state_file)), StateFile(Path(state_file) if state_file is not None else None)
    own, wanted = owner_of(owner), _role(role)
    own.check_is_for(name, None)
    account = file.save_first(chosen(name, user, key=own.key, cluster=own.cluster, pool=own.pool, role=wanted))
    account.check_is_for(name, user)
    client = client_for(rpc_addr, rpc_auth, state_file, timeout, progress, ca_file)
    return _given(client, partial(owner_of, owner), _settled(client, file, account), wanted, ttl)


def revoke_account(
    user: str,
    *,
    owner_state_file: Place,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    progress: Progress = silent,
) -> bool:
    """Takes an account away that the owner has given, and ends its sessions; False where there is none of that name.
    Raises as request_account."""
    asker = client_for(rpc_addr, rpc_auth, None, timeout, progress).asker
    made = asker.ask(Query.REVOKE, _asking(owner_state_file), lambda _: {"account": user})
    return made.answer.status == Status.REVOKED


def list_accounts(
    *,
    owner_state_file: Place,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    progress: Progress = silent,
) -> list[Account]:
    """The accounts beside the owner's, by name. Raises as request_account."""
    asker, asking = client_for(rpc_addr, rpc_auth, None, timeout, progress).asker, _asking(owner_state_file)
    found: list[Account] = []
    for _ in range(MOST_PAGES):
        page, is_last = _page(asker, asking, found[-1].user if found else None)
        found += page
        if is_last:
            return found
    raise DbHandlerError("the server lists accounts without an end")


def renew(
    *,
    ttl: int,
    owner_state_file: Place,
    state_file: Place | None = None,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    ca_file: Place | None = None,
    progress: Progress = silent,
) -> int:
    """Gives the account of state_file, which the owner has given, or without it the database itself another end, ttl
    seconds from now; returns in how many seconds that is. An account that has ended already is made again. Raises as
    request_account; Denied, too, for a database that was made without an end."""
    asking = _asking(owner_state_file)
    account = StateFile(Path(state_file)).known() if state_file is not None else asking()
    if account.role is not None:
        given = request_account(
            account.database, user=account.user, role=account.role, owner_state_file=owner_state_file,
            state_file=state_file, ttl=ttl, rpc_addr=rpc_addr, rpc_auth=rpc_auth, timeout=timeout, ca_file=ca_file,
            progress=progress,
        )  # fmt: skip
        return ttl if given.ends_in is None else given.ends_in
    asking().check_is_for(account.database, account.user)
    asker = client_for(rpc_addr, rpc_auth, None, timeout, progress).asker
    answer = asker.ask(Query.RENEW, asking, lambda _: {"ttl": ttl}).answer
    return ttl if answer.ttl is None else answer.ttl


def _asking(owner_state_file: Place) -> Callable[[], State]:
    return partial(owner_of, StateFile(Path(owner_state_file)))


def owner_of(file: StateFile) -> State:
    """Who owns a database, by the state file of whoever requested it. Raises InvalidRequest, TryLater."""
    own = file.known()
    if own.role is not None:
        raise InvalidRequest(f"the account {shown(own.user)} was given by the owner, whose state file is needed here")
    if own.next_password is not None:
        raise TryLater("the owner's password is being changed; where that was cut short, --rotate ends it")
    return own


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise InvalidRequest(f"a role is {', '.join(Role)}, not {shown(role)}") from None


def _settled(client: Client, file: StateFile, account: State) -> State:
    """The account, a change of its password ended that was cut short; as it was where the account is not there."""
    if account.next_password is None:
        return account
    try:
        client.rotate()
    except Denied:
        return account
    return file.known()


def _given(client: Client, asking: Callable[[], State], account: State, role: Role, ttl: int | None) -> Connection:
    # One whose password was being changed when it ended begins with the new one.
    password = account.next_password or account.password
    box = {"account": account.user, "new_password": password, "role": role, "ttl": ttl}
    made = client.asker.ask(Query.GRANT, asking, lambda _: box, account=account)
    return client.keep(account, made, lambda saved: _noted(saved, role, account.next_password))


def _noted(saved: State, role: Role, password: str | None) -> State:
    return ended(replace(saved, role=role), password, time.time())


def _page(asker: Asker, asking: Callable[[], State], after: str | None) -> tuple[list[Account], bool]:
    """As many accounts behind a name as one answer holds, and whether they are the last ones. Raises DbHandlerError for
    an answer that leads no further."""
    made = asker.ask(Query.ACCOUNTS, asking, lambda _: {"account": after})
    accounts, count = made.answer.accounts or (), made.answer.count or 0
    names = [after or "", *(user for user, _, _ in accounts)]
    if any(name >= following for name, following in pairwise(names)) or (count and not accounts):
        raise DbHandlerError(f"the server {shown(made.server.name)} does not list the accounts one behind the other")
    return [Account(*account) for account in accounts], len(accounts) >= count
