"""A copy of a database for its owner, in a new one of its own: for a test, a review, a migration that is to be tried.

from dbhandler.client import copy_database
connection = copy_database("shop_pr17", owner_state_file="/data/shop.json", ttl=86400)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbhandler.client.accounts import owner_of
from dbhandler.client.asker import Progress
from dbhandler.client.asking import TIMEOUT, client_for, silent
from dbhandler.client.connection import Connection
from dbhandler.client.state import State, StateFile, beside, chosen
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.requests.payload import check_name
from dbhandler.requests.vocabulary import Query

Place = str | os.PathLike[str]


def copy_database(
    name: str,
    *,
    owner_state_file: Place,
    user: str | None = None,
    state_file: Place | None = None,
    ttl: int | None = None,
    rpc_addr: str | None = None,
    rpc_auth: str | None = None,
    timeout: float = TIMEOUT,
    ca_file: Place | None = None,
    progress: Progress = silent,
) -> Connection:
    """Makes the database `name`, with an account `user` of its own (default: the database's name), of what that of
    owner_state_file holds at one moment from now on; returns how to connect to it.

    Nobody who writes to the original waits. state_file keeps the new account (default: NAME.json beside
    owner_state_file): asked again with it this goes on where it was, and leaves a copy that is whole as it is by then.
    ttl is after how many seconds the copy ends, unless it is renewed. timeout is how many seconds it may take. All
    else, and what is raised, is as with request_database; Denied is raised, too, where the server allows no more copies
    of the database, or where another one of the pool has a database of that name.
    """
    owner = StateFile(Path(owner_state_file))
    kept = Path(state_file) if state_file is not None else copy_state(Path(owner_state_file), name)
    own, file = owner_of(owner), StateFile(kept)
    if name == own.database:
        raise InvalidRequest(f"the copy of {shown(name)} needs a name of its own")
    # At the server that has the original.
    begun = chosen(check_name(name), user or name, key=own.key, cluster=own.cluster, pool=own.pool)
    file.save_first(begun).check_is_for(name, user)
    client = client_for(rpc_addr, rpc_auth, kept, timeout, progress, ca_file)
    made = client.create(name, user, {}, ttl=ttl, stays=True)
    client.asker.ask(Query.COPY, file.known, lambda _: _source(owner_of(owner)))
    return made


def asked(options: argparse.Namespace, ways: Mapping[str, Any]) -> Connection:
    """What --copy-of asks for; its --state is set where nobody has. Raises as copy_database."""
    StateFile(options.owner_state).known().check_is_for(options.copy_of, None)
    options.state = options.state or copy_state(options.owner_state, options.name)
    return copy_database(
        options.name, owner_state_file=options.owner_state, user=options.user, state_file=options.state,
        ttl=options.ttl, ca_file=options.ca_file, **ways,
    )  # fmt: skip


def copy_state(owner_state_file: Path, name: str) -> Path:
    """Where the account of a copy is kept where nobody says it. Raises InvalidRequest."""
    return beside(owner_state_file, name, "--state")


def _source(own: State) -> dict[str, str]:
    return {"source": own.database, "source_user": own.user, "source_password": own.password}
