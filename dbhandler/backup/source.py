"""What is backed up: the servers of the pool, as their Serf members prove it. A cluster's nodes are one source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dbhandler import files
from dbhandler.distant.node import Node, node_of
from dbhandler.errors import DbHandlerError
from dbhandler.group.node import nodes_of
from dbhandler.log import shown
from dbhandler.requests.restore_box import source_id
from dbhandler.serf.members import Member

_ID = re.compile(r"[A-Za-z0-9_.+-]{1,80}")
_FILE = "source.json"


@dataclass(frozen=True)
class Source:
    """A server, or the servers of a cluster, which hold the same. id is what its folder and snapshots are called by,
    name how people call it, engine `mariadb` or `mysql`."""

    id: str
    name: str
    engine: str
    nodes: tuple[Node, ...] = ()


def sources(members: Iterable[Member]) -> list[Source]:
    """The sources whose servers serve now. members are believed already."""
    members = [member for member in members if member.is_database and member.key and member.alive]
    singles = [_single(member) for member in members if member.group is None and member.is_ready]
    return singles + [_cluster(name, members) for name in sorted({member.group for member in members if member.group})]


def remember(folder: Path, source: Source) -> None:
    """Notes in the source's folder what it is. Raises OSError."""
    present = {name: value for name, value in asdict(source).items() if name != "nodes"}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError, ValueError):
        if files.read_json(folder / _FILE) == present:
            return
    files.write_private(folder / _FILE, json.dumps(present))


def remembered(folder: Path) -> Source:
    """What remember has noted. Raises DbHandlerError."""
    with suppress(OSError, ValueError, KeyError):
        noted = files.read_json(folder / _FILE)
        if isinstance(noted, dict) and _ID.fullmatch(str(noted["id"])):
            return Source(str(noted["id"]), str(noted["name"]), str(noted["engine"]))
    raise DbHandlerError(f"{folder} is no folder of a server's backups")


def chosen(found: Iterable[Source], name: str) -> Source:
    """The one source of this name or id. Raises DbHandlerError, which tells the names there are."""
    found = list(found)
    fitting = [source for source in found if name in (source.name, source.id)]
    if len(fitting) != 1:
        known = ", ".join(sorted(shown(source.name) for source in found)) or "none"
        many = f"several servers are called {shown(name)}: {', '.join(source.id for source in fitting)}"
        raise DbHandlerError(many if fitting else f"there is no backup of a server {shown(name)}: known are {known}")
    return fitting[0]


def _single(member: Member) -> Source:
    return Source(source_id(member.key or "", None), member.name, member.engine, (node_of(member),))


def _cluster(name: str, members: list[Member]) -> Source:
    serving = {node.name for node in nodes_of(members, name) if node.serves}
    nodes = [member for member in members if member.name in serving]
    return Source(source_id("", name), name, "mariadb", tuple(map(node_of, sorted(nodes, key=lambda node: node.name))))
