"""The database servers among the members of a cluster: who is the same one, who is ready, and what is told of the
others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from dbhandler.errors import TryLater
from dbhandler.log import shown
from dbhandler.requests.vocabulary import ServerState
from dbhandler.serf.members import FAILED, Member
from dbhandler.serf.proof import shows_proof
from dbhandler.serf.tags import Tag

_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
"""Names that no shell and no program could misread: others stand in no command."""


def distinct_servers(members: Iterable[Member], avoid: Collection[str] = ()) -> list[Member]:
    """The database servers that are or may come back, one member for each: a container that replaced another on the
    same volume has its key, and is the same server; the nodes of a cluster are one server together.

    Whoever copies a key may leave the proof out, and need not prove its answers then: of several members with one key
    the one that lives is taken, that shows a proof, and is not in `avoid`.
    """
    servers: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: (member.alive, shows_proof(member), member.name not in avoid)):
        if member.is_database and member.may_return:
            servers[_identity(member)] = member
    return list(servers.values())


def ready_node(members: Iterable[Member], server: Member, avoid: Collection[str]) -> Member:
    """The server itself where it is ready, or another node of its cluster that is. Raises TryLater."""
    if (node := any_ready(members, server, avoid)) is None:
        raise TryLater(f"waiting for the server {shown(server.name)}, which is {how_it_is(server)}")
    return node


def any_ready(members: Iterable[Member], server: Member, avoid: Collection[str]) -> Member | None:
    """The same, None where none is ready."""
    of_it = [node for node in members if server.group and _identity(node) == _identity(server)] or [server]
    ready = [node for node in of_it if is_ready(node)]
    return min(ready, key=lambda node: (not shows_proof(node), node.name in avoid, node.name), default=None)


def is_ready(server: Member) -> bool:
    """Is it to be asked for a database?"""
    return state(server) == ServerState.READY


def how_it_is(server: Member) -> str:
    """Its state as the end of a sentence, with the operator's way out where it may be gone for good."""
    return state(server) + (way_out([server.name]) if server.status == FAILED else "")


def state(server: Member) -> str:
    """`ready`, or what it is instead. A word that no server says of itself was set by somebody else, and may stand
    there for long where gossip is slow: the server is asked, and its answer counts."""
    if not server.alive:
        return server.status
    told = server.tags.get(Tag.MYSQL) or ServerState.STARTING
    found = told if told in list(ServerState) else ServerState.READY
    return ServerState.STARTING if found == ServerState.READY and server.key is None else found


def way_out(names: Sequence[str]) -> str:
    """What an operator does about servers that never come back, for the end of a sentence that waits for them."""
    first, who = names[0], "it" if len(names) == 1 else shown(names[0])
    word = first if _PLAIN.fullmatch(first) else "NODE"
    return f"; if {who} is gone for good, dbhandler-pool forget {word} gives up what it holds"


def _identity(server: Member) -> str:
    cluster = server.group
    return f"cluster {cluster}" if cluster else server.key or server.name
