"""What one node of a Galera cluster says of itself: in its Serf tags `cluster` (the name) and `galera` (all else)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dbhandler.log import shown
from dbhandler.serf import Member

CLUSTER_TAG, NODE_TAG = "cluster", "galera"
"""The Serf tags with the name of the Galera cluster that a server is a node of, and with what it says of itself."""

WAITING, BEGINNING, JOINING = "waiting", "beginning", "joining"
SYNCED, DONOR, NONPRIMARY, UNKNOWN = "synced", "donor", "nonprimary", "unknown"
"""Modes. waiting: its server does not run, and its position stands still; beginning, joining: its server starts;
synced, donor: it serves, or could; nonprimary: its server runs without a quorum; unknown: it has not said."""

EMPTY, DATA, FOREIGN = "empty", "data", "foreign"
"""What a node holds: nothing, a position in a cluster's history, or the data of a server outside any cluster."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[0-9a-f]{1,16}")


@dataclass(frozen=True)
class Ballot:
    """A candidate: the node with this identity, in this run of its start program."""

    id: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.id}/{self.nonce}"


@dataclass(frozen=True)
class Node:
    """One node. uuid and seqno are its position (for data only), view the identities of the nodes in the last primary
    component it was in, or is (empty: not known), vote the node that it lets begin. alive, name and host are Serf's."""

    id: str
    mode: str
    holds: str
    nonce: str = "0"
    uuid: str = ""
    seqno: int = -1
    view: frozenset[str] = frozenset()
    vote: Ballot | None = None
    name: str = ""
    host: str = ""
    alive: bool = True

    @property
    def serves(self) -> bool:
        """Can others join it?"""
        return self.alive and self.mode in (SYNCED, DONOR)

    @property
    def ballot(self) -> Ballot:
        """What others put into their vote for this node."""
        return Ballot(self.id, self.nonce)

    @property
    def is_candidate(self) -> bool:
        return self.vote is not None and self.vote.id == self.id


def encode(node: Node) -> str:
    """The value of the tag `galera`: six words. All tags of a Serf member together have 512 bytes."""
    position = f"{node.uuid}:{node.seqno}" if node.holds == DATA else "-"
    words = (node.mode, node.holds, position, str(node.ballot), str(node.vote or "-"), ".".join(sorted(node.view)))
    return " ".join(word or "-" for word in words)


def decode(text: str) -> Node | None:
    """The node of a tag, None for a text that is none: it comes from the network."""
    try:
        mode, holds, position, own, vote, view = text.split(" ")
        ballot = _ballot(own)
        node = Node(ballot.id, mode, holds, ballot.nonce, vote=None if vote == "-" else _ballot(vote))
        if holds == DATA:
            uuid, seqno = position.rsplit(":", 1)
            node = replace(node, uuid=_matched(_UUID, uuid), seqno=int(seqno))
        members = [] if view == "-" else [_matched(_WORD, word) for word in view.split(".")]
    except ValueError:
        return None
    known = mode in (WAITING, BEGINNING, JOINING, SYNCED, DONOR, NONPRIMARY) and holds in (EMPTY, DATA, FOREIGN)
    return replace(node, view=frozenset(members)) if known else None


def nodes_of(members: Iterable[Member], cluster: str) -> list[Node]:
    """The database nodes of one cluster among the members, dead ones too. One that has not said what it holds has the
    mode `unknown`; a dead member whose node lives on under another name is left out."""
    found = [_node(member) for member in members if member.tags.get(CLUSTER_TAG) == cluster and member.is_database]
    living = {node.id for node in found if node.alive and node.mode != UNKNOWN}
    return [node for node in found if node.alive or node.id not in living]


def names_of(nodes: Iterable[Node]) -> str:
    """Their names, as a sentence quotes them."""
    return ", ".join(shown(node.name) for node in nodes)


def _node(member: Member) -> Node:
    node = decode(member.tags.get(NODE_TAG, ""))
    # Its name stands in for an identity that nobody has heard yet.
    node = node or Node(f"({member.name})", UNKNOWN, FOREIGN)
    return replace(node, name=member.name, host=member.host, alive=member.alive)


def _ballot(text: str) -> Ballot:
    id, nonce = text.split("/")
    return Ballot(_matched(_WORD, id), _matched(_WORD, nonce))


def _matched(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text
