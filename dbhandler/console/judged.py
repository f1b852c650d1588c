"""Pure: the sentences of the page. Who is waited for, and why, as those who wait say it; what is not protected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dbhandler import __version__
from dbhandler.client.servers import how_it_is
from dbhandler.console.sight import Heard
from dbhandler.group.decision import decide
from dbhandler.group.node import Mode, Node, nodes_of
from dbhandler.group.trusted import UNPROTECTED
from dbhandler.log import shown
from dbhandler.serf.members import FAILED, Member
from dbhandler.serf.proof import Believer, names_of, shows_proof
from dbhandler.serf.tags import Tag
from dbhandler.status.servers import database_members

MOST = 50
"""Sentences of a kind."""
MOST_GROUPS = 100
"""Clusters whose nodes are looked at: names of clusters are anybody's to make up, and so are nodes."""
MOST_NODES = 32
"""Of one cluster: what each of them waits for depends on all others."""


def waits(heard: Heard, believer: Believer, size: int) -> list[str]:
    """Who is waited for. size is how many empty nodes begin a cluster."""
    members = database_members(believer.believed(heard.members or ()))
    found = [*_nodes(members, size), *_servers(members)]
    return _bounded(found)


def warnings(heard: Heard, believer: Believer, encrypted: bool | None) -> list[str]:
    """What is not protected. encrypted says whether gossip is, None: nobody could tell."""
    if heard.members is None:
        return []
    found = [_gossip()] if encrypted is False else []
    members = database_members(believer.believed(heard.members))
    if not believer.pools:
        found.append(
            "no DBHANDLER_POOL: this page believes whoever says that he is a server; `dbhandler-pool id` tells the "
            "name of your pool"
        )
    found += _strangers(believer.unproven(heard.members))
    found += _open_groups(members)
    found += [f"{shown(one.name)}: {trouble}" for one in members if one.alive and (trouble := _bare(one))]
    found += heard.backups.complaints
    return _bounded(found)


def _gossip() -> str:
    return (
        "no gossip key (SERF_ENCRYPT_KEY): whoever reaches the network reads all gossip, and can pass for a member "
        "(`serf keygen` makes one)"
    )


def _nodes(members: Sequence[Member], size: int) -> Iterable[str]:
    for group in sorted({member.group for member in members if member.group})[:MOST_GROUPS]:
        nodes = sorted(nodes_of(members, group), key=lambda one: (not one.alive, one.name))[:MOST_NODES]
        for node in nodes:
            if node.alive and node.mode == Mode.WAITING:
                yield f"{shown(node.name)} of the cluster {shown(group)}: {_reason(node, nodes, size)}"


def _reason(node: Node, nodes: Sequence[Node], size: int) -> str:
    return decide(node, [one for one in nodes if one is not node], size).reason


def _servers(members: Sequence[Member]) -> Iterable[str]:
    """Servers that may have what is asked for, and do not serve."""
    serving = {member.group for member in members if member.group and member.is_ready}
    for one in members:
        is_away = one.status == FAILED and one.group not in serving - {None}
        if is_away or (one.alive and one.group is None and not one.is_ready and one.key):
            yield f"waiting for the server {shown(one.name)}, which is {how_it_is(one)}"
        if one.alive and (backup := one.tags.get(Tag.RESTORE)):
            yield f"the server {shown(one.name)} waits for a backup to fill it with {shown(backup)}"


def _strangers(members: Sequence[Member]) -> list[str]:
    living = [member for member in members if member.alive]
    if not living:
        return []
    more = f" and {len(living) - 3} more" if len(living) > 3 else ""
    return [f"whoever cannot prove to be of the pool is not believed: {names_of(living[:3])}{more}"]


def _open_groups(members: Sequence[Member]) -> list[str]:
    groups = {one.group or "" for one in members if one.alive and one.group and one.key and not shows_proof(one)}
    return [f"the cluster {shown(group)} has no DBHANDLER_POOL_SECRET: {UNPROTECTED}" for group in sorted(groups)]


def _bare(member: Member) -> str | None:
    """What an old image lacks: it shows no proof, which every server of this version does by itself."""
    if member.group or not member.key or shows_proof(member):
        return None
    return f"an image older than {__version__} cannot prove who it is: make its container anew with the present one"


def _bounded(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - MOST
    return [*sentences[:MOST], *([f"and {more} more"] if more > 0 else [])]
