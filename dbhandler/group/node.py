"""What one node of a cluster says of itself: in its Serf tags `cluster` (the name) and `galera` (all else)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from dbhandler.group.transactions import Transactions
from dbhandler.log import shown
from dbhandler.serf.members import MYSQL_PORT, Member
from dbhandler.serf.tags import Tag


class Mode(StrEnum):
    """What a node's server does."""

    WAITING = "waiting"
    """It does not run, and its position stands still."""
    BEGINNING = "beginning"
    JOINING = "joining"
    """It starts, as the two before say how."""
    SYNCED = "synced"
    DONOR = "donor"
    """It serves, or could."""
    SECONDARY = "secondary"
    """It is in the group, and leaves the work to the primary (MySQL)."""
    NONPRIMARY = "nonprimary"
    """It runs without a quorum."""
    UNKNOWN = "unknown"
    """It has not said."""


IN_GROUP = frozenset({Mode.SYNCED, Mode.DONOR, Mode.SECONDARY})


class Holds(StrEnum):
    """What is in a node's data directory."""

    EMPTY = "empty"
    DATA = "data"
    """A position in a cluster's history."""
    FOREIGN = "foreign"
    """The data of a server outside any cluster."""
    LEFT = "left"
    """This cluster's, but used outside of it since: the node can join, and only to get the cluster's in their place."""


MAX_VIEW = 9
"""Nodes of a view that a tag has room for; of a larger one it says nothing, so others wait for the operator."""

MAX_LENGTH = 190
"""Characters of the tag: all tags of a Serf member together have 512 bytes."""

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[0-9a-f]{1,8}")
_NOT_KNOWN = "-1"


@dataclass(frozen=True)
class Ballot:
    """A candidate: the node with this identity, in this run of its start program."""

    id: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.id}/{self.nonce}"


@dataclass(frozen=True)
class Node:
    """One node. uuid is the history that it is in, has what it holds of that one (for data only; None: not known), view
    the identities of the nodes in the last primary component it was in, or is (empty: not known), vote the node that it
    lets begin. alive, name, host, port and engine (the server's; empty: it has not said it yet) are Serf's."""

    id: str
    mode: Mode
    holds: Holds
    nonce: str = "0"
    uuid: str = ""
    has: Transactions | None = None
    view: frozenset[str] = frozenset()
    vote: Ballot | None = None
    name: str = ""
    host: str = ""
    alive: bool = True
    port: int = MYSQL_PORT
    engine: str = ""

    @property
    def serves(self) -> bool:
        """Can others join it?"""
        return self.alive and self.mode in IN_GROUP

    @property
    def ballot(self) -> Ballot:
        """What others put into their vote for this node."""
        return Ballot(self.id, self.nonce)

    def covers(self, other: Node) -> bool:
        """Does it surely hold all that the other one holds?"""
        return self.has is not None and other.has is not None and self.has.holds(other.has)

    @property
    def is_candidate(self) -> bool:
        return self.vote is not None and self.vote.id == self.id


def encode(node: Node) -> str:
    """The value of the tag `galera`: six words, at most MAX_LENGTH characters, or `unknown` for a node that cannot be
    told. Whatever this makes, `decode` understands."""
    position = f"{node.uuid}:{_told(node.has)}" if node.holds == Holds.DATA else "-"
    view = sorted(node.view) if len(node.view) <= MAX_VIEW and all(map(_WORD.fullmatch, node.view)) else []
    words = (node.mode, node.holds, position, str(node.ballot), str(node.vote or "-"), ".".join(view))
    text = " ".join(word or "-" for word in words)
    if len(text) > MAX_LENGTH and node.has is not None:
        # A set with so many holes is not known to others, who wait for the operator then.
        return encode(replace(node, has=None))
    return text if decode(text) else Mode.UNKNOWN


def decode(text: str) -> Node | None:
    """The node of a tag, None for a text that is none: it comes from the network."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        mode, holds, position, own, vote, view = text.split(" ")
        ballot = _ballot(own)
        node = Node(ballot.id, Mode(mode), Holds(holds), ballot.nonce, vote=None if vote == "-" else _ballot(vote))
        if node.holds is Holds.DATA:
            uuid, has = position.rsplit(":", 1)
            node = replace(node, uuid=_matched(UUID, uuid), has=_heard(has))
        members = [] if view == "-" else [_matched(_WORD, word) for word in view.split(".")]
    except ValueError:
        return None
    return None if node.mode is Mode.UNKNOWN else replace(node, view=frozenset(members))


def nodes_of(members: Iterable[Member], cluster: str) -> list[Node]:
    """The database nodes of one cluster among the members, dead ones too. One that has not said what it holds has the
    mode `unknown`; a dead member whose node lives on under another name is left out."""
    found = [_node(member) for member in members if member.tags.get(Tag.CLUSTER) == cluster and member.is_database]
    living = {node.id for node in found if node.alive and node.mode != Mode.UNKNOWN}
    return [node for node in found if node.alive or node.id not in living]


def names_of(nodes: Iterable[Node]) -> str:
    """Their names, as a sentence quotes them."""
    return ", ".join(shown(node.name) for node in nodes)


def _node(member: Member) -> Node:
    node = decode(member.tags.get(Tag.GALERA, ""))
    # Its name stands in for an identity that nobody has heard yet.
    node = node or Node(f"({member.name})", Mode.UNKNOWN, Holds.FOREIGN)
    port = member.server_port or MYSQL_PORT
    engine = member.tags.get(Tag.ENGINE, "")
    return replace(node, name=member.name, host=member.host, alive=member.alive, port=port, engine=engine)


def _told(has: Transactions | None) -> str:
    return _NOT_KNOWN if has is None else str(has)


def _heard(text: str) -> Transactions | None:
    return None if text == _NOT_KNOWN else Transactions.parse(text)


def _ballot(text: str) -> Ballot:
    id, nonce = text.split("/")
    return Ballot(_matched(_WORD, id), _matched(_WORD, nonce))


def _matched(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text
