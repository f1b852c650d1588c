"""Which server has a database, or shall get it: asked of all, never guessed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from dbhandler.client.successor import named_successor, successor
from dbhandler.client.verified import question, read
from dbhandler.errors import InvalidRequest, NoAnswer, TryLater, Unavailable
from dbhandler.log import shown
from dbhandler.requests.question import Question
from dbhandler.requests.vocabulary import Query, ServerState, Status
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer, names_of, shows_proof
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag

ANSWER_TIMEOUT = 4.0
"""Seconds for one query; the server's own handler gives up after two."""


def find_server(
    serf: Serf,
    database: str,
    key: str | None,
    cluster: str | None = None,
    avoid: Collection[str] = (),
    pools: Collection[str] = (),
    only_met: bool = False,
) -> Member:
    """The ready server that has the database, or the one that shall get it.

    key is the public key of the server known to have it, cluster the name of its Galera cluster, whose nodes are one
    server. A node that is named in `avoid` is taken only where there is no other. Only servers that prove to be of one
    of the pools are believed, all where none is named. only_met: nobody has named the pool, so where none of it is left
    the owner may be told of a server outside of it. Raises Unavailable where there is no server, TryLater while the
    right one is not ready, or while one that might have the database does not answer, InvalidRequest where every server
    refuses the name.
    """
    everybody, believer = serf.members(), Believer(pools)
    members, unproven = believer.believed(everybody), believer.unproven(everybody)
    servers = distinct_servers(members, avoid)
    if not servers:
        # A pool of one, that had made its secret itself, is lost with the state volume.
        advice = named_successor(unproven, database, key) if only_met and key else None
        raise TryLater(advice) if advice else _none_there(unproven, pools)
    if key is not None:
        return _ready_node(members, _known(members, servers, database, key, cluster, bool(pools)), avoid)
    nodes = [_ready_node(members, server, avoid) for server in servers]
    if len(nodes) == 1:
        return nodes[0]
    holders, free = _holders(serf, nodes, database, pools)
    return max(holders or free, key=lambda server: _weight(server, database))


def distinct_servers(members: Iterable[Member], avoid: Collection[str] = ()) -> list[Member]:
    """The database servers that are or may come back, one member for each: a container that replaced another on the
    same volume has its key, and is the same server; the nodes of a Galera cluster are one server together.

    Whoever copies a key may leave the proof out, and need not prove its answers then: of several members with one key
    the one that lives is taken, that shows a proof, and is not in `avoid`.
    """
    servers: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: (member.alive, shows_proof(member), member.name not in avoid)):
        if member.is_database and member.status in ("alive", "failed", "leaving"):
            servers[_identity(member)] = member
    return list(servers.values())


def hosts_of(serf: Serf, server: Member, pools: Collection[str] = ()) -> tuple[str, ...]:
    """`host:port` of every other live node of the server's Galera cluster that proves to be of one of the pools (of any
    where none is named), those that are ready first: the others are about to be. A node that has not said yet who it is
    may not have said either where it is reached."""
    cluster = server.group
    nodes = [node for node in Believer(pools).believed(serf.members()) if cluster and node.group == cluster]
    told = [node for node in nodes if node.alive and node.key and node.name != server.name]
    ordered = sorted(told, key=lambda node: (_state(node) != ServerState.READY, node.name))
    return tuple(node.server_address for node in ordered)


def _none_there(unproven: list[Member], pools: Collection[str]) -> Unavailable:
    if not unproven:
        return Unavailable("there is no database server in the Serf cluster")
    return TryLater(
        f"waiting for a server of the pool {', '.join(pools)}: {names_of(unproven)} cannot prove to be of it"
    )


def _known(
    members: list[Member], servers: list[Member], database: str, key: str, cluster: str | None, proven: bool
) -> Member:
    """The server with the key, or the cluster that has it by now, or had it when it was asked, or, where they
    are proven, who has its data."""
    named = [member.group for member in members if member.key == key]
    for server in servers:
        if server.key == key or server.group in {cluster, *named} - {None}:
            return server
    if proven and (heir := successor(servers, key)):
        return heir
    if (found := named_successor(servers, database, key)) is not None:
        raise TryLater(found)
    raise TryLater("the server that has the database is not in the Serf cluster")


def _ready_node(members: Iterable[Member], server: Member, avoid: Collection[str]) -> Member:
    """The server itself where it is ready, or another node of its cluster that is. Raises TryLater."""
    cluster = server.group
    of_it = [node for node in members if cluster and _identity(node) == _identity(server)]
    nodes = [node for node in of_it if _state(node) == ServerState.READY]
    if not nodes:
        return _ready(server)
    return min(nodes, key=lambda node: (not shows_proof(node), node.name in avoid, node.name))


def _identity(server: Member) -> str:
    cluster = server.group
    return f"cluster {cluster}" if cluster else server.key or server.name


def _holders(
    serf: Serf, servers: list[Member], database: str, pools: Collection[str]
) -> tuple[list[Member], list[Member]]:
    """The servers that have the database, and those that have not but take its name. Raises TryLater unless every
    server has said yes or no: a server that is away may have it, and a second database of that name would split the
    application's data. Raises InvalidRequest where no server takes the name."""
    waiting = {server.name: server for server in servers}
    said: dict[str, list[Member]] = {Status.EXISTS: [], Status.ABSENT: [], Status.INVALID: []}
    reason, asked = "", _whether_there(database, pools)
    for node, line in serf.query(Query.FIND, asked.payload, ANSWER_TIMEOUT, nodes=list(waiting)):
        answer = read(line, asked, pools)
        if node in waiting and answer and answer.status in said:
            said[answer.status].append(waiting.pop(node))
            reason = f"the server {shown(node)} says {answer.status}: {answer.reason}"
        if not waiting:
            break
    if waiting:
        raise NoAnswer(
            f"waiting for {_names(waiting)}, which might have the database and has not answered", frozenset(waiting)
        )
    if not (said[Status.EXISTS] or said[Status.ABSENT]):
        raise InvalidRequest(reason)
    return said[Status.EXISTS], said[Status.ABSENT]


def _whether_there(database: str, pools: Collection[str]) -> Question:
    """The question to all servers: a bare name is one that every version understands."""
    return question(Query.FIND, {"database": database}, pools) if pools else Question(Query.FIND, database.encode())


def _ready(server: Member) -> Member:
    state = _state(server)
    if state != ServerState.READY:
        raise TryLater(f"waiting for the server {shown(server.name)}, which is {state}")
    return server


def _state(server: Member) -> str:
    """`ready`, or what it is instead. A word that no server says of itself was set by somebody else, and may stand
    there for long where gossip is slow: the server is asked, and its answer counts."""
    if not server.alive:
        return server.status
    told = server.tags.get(Tag.MYSQL) or ServerState.STARTING
    state = told if told in list(ServerState) else ServerState.READY
    return ServerState.STARTING if state == ServerState.READY and server.key is None else state


def _weight(server: Member, database: str) -> bytes:
    """Rendezvous hashing: every client gives the servers the same order for one name, another for the next name."""
    return hashlib.sha256(f"{server.group or server.key}/{database}".encode()).digest()


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(shown, names))
