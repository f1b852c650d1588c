"""Which server has a database, or shall get it: asked of all, never guessed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from dbhandler.address import join_address
from dbhandler.answer import decode
from dbhandler.cluster_node import CLUSTER_TAG
from dbhandler.errors import NoAnswer, TryLater, Unavailable
from dbhandler.log import shown
from dbhandler.serf import Member, Serf

ANSWER_TIMEOUT = 4.0
"""Seconds for one query; the server's own handler gives up after two."""


def find_server(
    serf: Serf, database: str, key: str | None, cluster: str | None = None, avoid: Collection[str] = ()
) -> Member:
    """The ready server that has the database, or the one that shall get it.

    key is the public key of the server known to have it, cluster the name of its Galera cluster, whose nodes are one
    server. A node that is named in `avoid` is taken only where there is no other. Raises Unavailable where there is no
    server, TryLater while the right one is not ready, or while one that might have the database does not answer.
    """
    members = serf.members()
    servers = distinct_servers(members)
    if not servers:
        raise Unavailable("there is no database server in the Serf cluster")
    if key is not None:
        return _ready_node(members, _known(members, servers, key, cluster), avoid)
    nodes = [_ready_node(members, server, avoid) for server in servers]
    if len(nodes) == 1:
        return nodes[0]
    holders = _holders(serf, nodes, database)
    return max(holders or nodes, key=lambda server: _weight(server, database))


def distinct_servers(members: Iterable[Member]) -> list[Member]:
    """The database servers that are or may come back, one member for each: a container that replaced another on the
    same volume has its key, and is the same server; the nodes of a Galera cluster are one server together."""
    servers: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: member.status == "alive"):
        if member.is_database and member.status in ("alive", "failed", "leaving"):
            servers[_identity(member)] = member
    return list(servers.values())


def hosts_of(serf: Serf, server: Member) -> tuple[str, ...]:
    """`host:port` of every other ready node of the server's Galera cluster."""
    cluster = server.tags.get(CLUSTER_TAG)
    nodes = [node for node in serf.members() if cluster and node.tags.get(CLUSTER_TAG) == cluster]
    ready = sorted((node for node in nodes if _state(node) == "ready"), key=lambda node: node.name)
    return tuple(_address(node) for node in ready if node.name != server.name)


def _known(members: list[Member], servers: list[Member], key: str, cluster: str | None) -> Member:
    """The server with the key, or the cluster that has it by now, or had it when it was asked."""
    named = [member.tags.get(CLUSTER_TAG) for member in members if member.tags.get("key") == key]
    for server in servers:
        if server.tags.get("key") == key or server.tags.get(CLUSTER_TAG, "") in {cluster, *named} - {None}:
            return server
    raise TryLater("the server that has the database is not in the Serf cluster")


def _ready_node(members: Iterable[Member], server: Member, avoid: Collection[str]) -> Member:
    """The server itself where it is ready, or another node of its cluster that is. Raises TryLater."""
    cluster = server.tags.get(CLUSTER_TAG)
    nodes = [node for node in members if cluster and _identity(node) == _identity(server) and _state(node) == "ready"]
    if not nodes:
        return _ready(server)
    return min(nodes, key=lambda node: (node.name in avoid, node.name))


def _identity(server: Member) -> str:
    cluster = server.tags.get(CLUSTER_TAG)
    return f"cluster {cluster}" if cluster else server.tags.get("key") or server.name


def _holders(serf: Serf, servers: list[Member], database: str) -> list[Member]:
    """The servers that have the database. Raises TryLater unless every server has said yes or no: a server that is
    away may have it, and a second database of that name would split the application's data."""
    waiting = {server.name: server for server in servers}
    holders = []
    for node, answer in serf.query("find_db", database.encode(), ANSWER_TIMEOUT, nodes=list(waiting)):
        status = decode(answer).get("status")
        if node in waiting and status in ("exists", "absent"):
            server = waiting.pop(node)
            holders += [server] if status == "exists" else []
        if not waiting:
            return holders
    raise NoAnswer(
        f"waiting for {_names(waiting)}, which might have the database and has not answered", frozenset(waiting)
    )


def _ready(server: Member) -> Member:
    state = _state(server)
    if state != "ready":
        raise TryLater(f"waiting for the server {shown(server.name)}, which is {state}")
    return server


def _state(server: Member) -> str:
    """`ready`, or what it is instead."""
    state = (server.tags.get("mysql") if server.alive else server.status) or "starting"
    return "starting" if state == "ready" and "key" not in server.tags else state


def _address(node: Member) -> str:
    return node.tags.get("address") or join_address(node.host, node.tags.get("port", "3306"))


def _weight(server: Member, database: str) -> bytes:
    """Rendezvous hashing: every client gives the servers the same order for one name, another for the next name."""
    return hashlib.sha256(f"{server.tags.get(CLUSTER_TAG) or server.tags['key']}/{database}".encode()).digest()


def _names(names: Iterable[str]) -> str:
    return ", ".join(shown(name) for name in names)
