"""Where another server of the pool is reached."""

from __future__ import annotations

from dataclasses import dataclass

from dbhandler.serf.members import MYSQL_PORT, Member
from dbhandler.serf.tags import Tag


@dataclass(frozen=True)
class Node:
    """One server: its member's name, host and port. lets_restore: its owner lets applications have former states of
    their own databases."""

    name: str
    host: str
    port: int
    lets_restore: bool = False


def node_of(member: Member) -> Node:
    """Where a member's server is reached."""
    return Node(member.name, member.host, member.server_port or MYSQL_PORT, member.tags.get(Tag.OWN) == "1")
