"""Pure: everything that the page shows of the cluster at one moment, made of what gossip and answers tell.

Bounded: whoever has the gossip key can make up as many members as he likes, and what is true must stay in sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dbhandler.client.servers import state
from dbhandler.console.doors import Door
from dbhandler.group.node import decode
from dbhandler.requests.backup_state import BackupState
from dbhandler.serf.members import ALIVE, Member
from dbhandler.serf.proof import Believer
from dbhandler.serf.tags import Role, Tag
from dbhandler.status.backups import Backups
from dbhandler.status.servers import NO_AGENT, SILENT, UNPROVEN, ServerStatus, database_members

MOST_SERVERS, MOST_STRANGERS, MOST_OTHERS = 1000, 20, 50
"""How many are shown of those that are believed, of those that prove nothing, and of the other members."""
UNASKED = "not asked yet"


@dataclass(frozen=True)
class ServerView:
    """One database server. state is a word of ServerStatus, or UNASKED; mode what a cluster's node says that it does;
    what is unknown is None."""

    node: str
    state: str
    alive: bool
    group: str | None = None
    mode: str | None = None
    address: str | None = None
    status: ServerStatus | None = None
    backup: BackupState | None = None
    believed: bool = True

    @property
    def is_well(self) -> bool:
        return self.state == "ready"


@dataclass(frozen=True)
class BackupView:
    """One backup's container; believed: it proves to be of the pool, or nobody has to."""

    node: str
    state: str
    believed: bool = True


@dataclass(frozen=True)
class Heard:
    """What is known now. statuses are the last answers by node; members None: no Serf agent has answered yet; trouble
    says why none answers now."""

    members: Sequence[Member] | None = None
    statuses: Mapping[str, ServerStatus] = field(default_factory=dict)
    backups: Backups = field(default_factory=Backups)
    doors: tuple[Door, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Sight:
    """What is shown. left_out counts servers that are not. waits and warnings are sentences."""

    servers: tuple[ServerView, ...] = ()
    left_out: int = 0
    backups: tuple[BackupView, ...] = ()
    recoverable: Backups = field(default_factory=Backups)
    doors: tuple[Door, ...] = ()
    others: tuple[str, ...] = ()
    more_others: int = 0
    waits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trouble: str = ""
    is_first: bool = False

    def named(self, node: str) -> ServerView | None:
        """The server of this name, None where there is none."""
        return next((server for server in self.servers if server.node == node), None)

    @property
    def singles(self) -> list[ServerView]:
        """The servers that are in no cluster."""
        return [server for server in self.servers if server.group is None]

    @property
    def groups(self) -> dict[str, list[ServerView]]:
        """The clusters by their names, each with its nodes."""
        found: dict[str, list[ServerView]] = {}
        for server in self.servers:
            if server.group is not None:
                found.setdefault(server.group, []).append(server)
        return found


def servers(heard: Heard, believer: Believer) -> tuple[list[ServerView], int]:
    """The servers in the order in which they are shown, and how many are not."""
    everybody = heard.members or ()
    believed = [_view(member, heard) for member in database_members(believer.believed(everybody))]
    strangers = [_stranger(member) for member in believer.unproven(everybody)]
    shown = sorted(believed, key=_order)[:MOST_SERVERS] + sorted(strangers, key=_order)[:MOST_STRANGERS]
    return shown, len(believed) + len(strangers) - len(shown)


def backup_members(heard: Heard, believer: Believer) -> list[BackupView]:
    """The backups' containers, those that are believed first."""
    found = [member for member in heard.members or () if member.tags.get(Tag.ROLE) == Role.BACKUP]
    known = [member for member in found if member.status != "left"]
    views = [BackupView(one.name, one.status, not believer.pools or believer.is_proven(one)) for one in known]
    return sorted(views, key=lambda one: (not one.believed, one.state != ALIVE, one.node))[:MOST_STRANGERS]


def others(heard: Heard) -> tuple[list[str], int]:
    """The names of members that are neither servers nor backups and live, and how many more there are."""
    roles = (Role.DATABASE, Role.BACKUP)
    names = sorted(one.name for one in heard.members or () if one.tags.get(Tag.ROLE) not in roles and one.alive)
    return names[:MOST_OTHERS], max(0, len(names) - MOST_OTHERS)


def settled(before: Mapping[str, ServerStatus], now: Iterable[ServerStatus]) -> dict[str, ServerStatus]:
    """The answers by node. One that is missing once may be a datagram that was lost: the last one stands once more,
    marked by nothing but that the next look asks again."""
    found: dict[str, ServerStatus] = {}
    for status in now:
        former = before.get(status.node)
        is_lost = status.state == SILENT and former is not None and former.state not in (SILENT, NO_AGENT)
        found[status.node] = _doubted(former) if is_lost and former and not isinstance(former, Doubted) else status
    return found


class Doubted(ServerStatus):
    """An answer of before, in place of one that has not come."""


def _doubted(status: ServerStatus) -> ServerStatus:
    return Doubted(**vars(status))


def _view(member: Member, heard: Heard) -> ServerView:
    status, node = heard.statuses.get(member.name), decode(member.tags.get(Tag.GALERA, ""))
    return ServerView(
        member.name,
        _state(member, status),
        member.alive,
        group=member.group,
        mode=node.mode if node else None,
        address=member.server_address,
        status=status,
        backup=heard.backups.of_node.get(member.name),
    )


def _stranger(member: Member) -> ServerView:
    return ServerView(member.name, UNPROVEN if member.alive else member.status, member.alive, believed=False)


def _state(member: Member, status: ServerStatus | None) -> str:
    """Gossip knows first who has died or is down; whether a server answers only its answer tells."""
    told = state(member)
    if told != "ready" or status is None:
        return told if told != "ready" else UNASKED
    return status.state if status.alive else told


def _order(server: ServerView) -> tuple[bool, bool, str]:
    return (server.alive and server.is_well, server.state == "left", server.node)
