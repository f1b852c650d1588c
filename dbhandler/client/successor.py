"""The server that has the data of another one, whose key is lost with its state volume (volume/identity.py).

It says so itself, in a tag. Where the application knows the pool, the proof of the tags leads it there; where tags may
be anybody's, it is told, and led there by an explicit word only.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import replace

from dbhandler.client.state import StateFile
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.requests.box import fingerprint
from dbhandler.serf.members import Member, named
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
"""Names that no shell could misread: others stand in no command."""


def named_successor(servers: Iterable[Member], database: str, key: str) -> str | None:
    """What the application that knows the lost key has to be told, None where no server says that it has its data."""
    for server in servers:
        if _has_data_of(server, key) and _PLAIN.fullmatch(server.name):
            return (
                f"the server {shown(server.name)} {_what_it_is(server, database, key)}; if you trust it, run: "
                f"dbhandler-request {shlex.quote(database)} --state FILE --accept-server {server.name}"
            )
    return None


def _what_it_is(server: Member, database: str, key: str) -> str:
    if server.key == key:
        return f"shows the key of the one that made {shown(database)}, and is of another pool by now"
    return f"has the data of the one that made {shown(database)}, but has lost its state volume (/var/lib/dbhandler)"


def successor(servers: Iterable[Member], key: str) -> Member | None:
    """The live server that says that it has the data of the one with the lost key: for whoever has its proof."""
    return next((server for server in servers if server.alive and _has_data_of(server, key)), None)


def accept(serf: Serf, file: StateFile, database: str, name: str, pools: Collection[str] = ()) -> None:
    """Writes the key of the live server `name` into the state file of a database, in place of the lost one; its pool is
    met anew. Raises InvalidRequest for a server that does not say that it has the data, or does not prove to be of one
    of the pools that the owner has named: they are not to be taken for each other by a slip."""
    state = file.known()
    if state.database != database:
        raise InvalidRequest(f"the state file is for {shown(state.database)}")
    found = named(Believer(pools).believed(serf.members()), name)
    if found is None or not (found.is_database and found.alive and found.key):
        of_it = f" that proves to be of the pool {', '.join(pools)}" if pools else ""
        raise InvalidRequest(f"there is no live database server {shown(name)} in the Serf cluster{of_it}")
    if not _has_data_of(found, str(state.key)):
        raise InvalidRequest(f"the server {shown(name)} does not say that it has the data of the one that was asked")
    file.save(replace(state, key=found.key, cluster=found.tags.get(Tag.CLUSTER), pool=None, authority=None))


def _has_data_of(server: Member, key: str) -> bool:
    return server.key == key or fingerprint(key) in server.tags.get(Tag.WAS, "").split(".")
