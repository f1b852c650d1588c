"""Which server has a database, or shall get it: asked of all, never guessed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dbhandler.answer import decode
from dbhandler.errors import TryLater, Unavailable
from dbhandler.log import shown
from dbhandler.serf import Member, Serf

ANSWER_TIMEOUT = 4.0
"""Seconds for one query; the server's own handler gives up after two."""


def find_server(serf: Serf, database: str, key: str | None) -> Member:
    """The ready server that has the database, or the one that shall get it.

    key is the public key of the server known to have it. Raises Unavailable where there is no server, TryLater while
    the right one is not ready, or while one that might have the database does not answer.
    """
    servers = distinct_servers(serf.members())
    if not servers:
        raise Unavailable("there is no database server in the Serf cluster")
    if key is not None:
        known = [server for server in servers if server.tags.get("key") == key]
        if not known:
            raise TryLater("the server that has the database is not in the Serf cluster")
        return _ready(known[0])
    if len(servers) == 1:
        return _ready(servers[0])
    holders = _holders(serf, servers, database)
    return max(holders or servers, key=lambda server: _weight(server, database))


def distinct_servers(members: Iterable[Member]) -> list[Member]:
    """The database servers that are or may come back, one member for each: a container that replaced another on the
    same volume has its key, and is the same server."""
    servers: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: member.status == "alive"):
        if member.tags.get("role") == "db" and member.status in ("alive", "failed", "leaving"):
            servers[member.tags.get("key") or member.name] = member
    return list(servers.values())


def _holders(serf: Serf, servers: list[Member], database: str) -> list[Member]:
    """The servers that have the database. Raises TryLater unless every server has said yes or no: a server that is
    away may have it, and a second database of that name would split the application's data."""
    waiting = {server.name: _ready(server) for server in servers}
    holders = []
    for node, answer in serf.query("find_db", database.encode(), ANSWER_TIMEOUT, nodes=list(waiting)):
        status = decode(answer).get("status")
        if node in waiting and status in ("exists", "absent"):
            server = waiting.pop(node)
            holders += [server] if status == "exists" else []
        if not waiting:
            return holders
    raise TryLater(f"waiting for {_names(waiting)}, which might have the database and has not answered")


def _ready(server: Member) -> Member:
    state = server.tags.get("mysql") if server.alive else server.status
    if state != "ready" or "key" not in server.tags:
        raise TryLater(f"waiting for the server {shown(server.name)}, which is {state or 'starting'}")
    return server


def _weight(server: Member, database: str) -> bytes:
    """Rendezvous hashing: every client gives the servers the same order for one name, another for the next name."""
    return hashlib.sha256(f"{server.tags['key']}/{database}".encode()).digest()


def _names(names: Iterable[str]) -> str:
    return ", ".join(shown(name) for name in names)
