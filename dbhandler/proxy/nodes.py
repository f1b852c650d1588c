"""Which servers get connections, of the members that are believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbhandler.client.servers import distinct_servers
from dbhandler.group.node import Mode, nodes_of
from dbhandler.serf.members import Member

Addresses = Mapping[str, tuple[str, int]]
"""Name -> (host, port)."""


def ready_nodes(members: Sequence[Member], cluster: str) -> Addresses:
    """The nodes of the cluster that serve, or could.

    A node that sends its data to another one is not `mysql=ready` while others are; but it still takes reads and
    writes, and to leave it would end every connection that it has. A secondary takes no writes.
    """
    ports = {member.name: member.server_port for member in members}
    serving = [node for node in nodes_of(members, cluster) if node.serves and node.mode != Mode.SECONDARY]
    return {node.name: (node.host, port) for node in serving if (port := ports[node.name])}


def server_alone(members: Sequence[Member], identity: str) -> Addresses:
    """The server of this identity that is in no cluster, as long as it lives: one whose agent starts anew is not ready
    for a moment, and goes on serving."""
    found = [member for member in distinct_servers(members) if member.identity == identity and member.alive]
    return {member.name: (member.host, port) for member in found if (port := member.server_port)}
