"""What Serf tells of a member, checked once: it is whatever that member likes, and may be meant to do harm."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dbhandler.address import MAX_NODE_NAME, host_and_port, is_backup, is_node_name, join_address, port_number
from dbhandler.log import shown
from dbhandler.requests.vocabulary import ServerState
from dbhandler.serf.tags import PROOFS, Role, Tag

logger = logging.getLogger(__name__)

ALIVE, LEAVING, FAILED = "alive", "leaving", "failed"
STATUSES = (ALIVE, LEAVING, "left", FAILED, "none")
MYSQL_PORT = 3306
KEY_BYTES = 32

MAX_TAG = 512
"""Bytes of all tags of a member together."""

MOST_TOLD = 100
"""Wrong members that are told of in the life of a process: whoever makes them may make as many as he likes."""

_WORD = re.compile(r"[A-Za-z0-9_.+~:-]{1,64}")
_PROOF = re.compile(r"[0-9a-f]{1,10}\.[A-Za-z0-9_-]{86}")


@dataclass(frozen=True)
class Member:
    """One node of the cluster; `host` and `port` are those of its gossip, status is one of STATUSES.

    Whoever makes one from what the network says uses `checked`: what reads it trusts all fields.
    """

    name: str
    host: str
    port: int
    status: str
    tags: Mapping[str, str]

    @property
    def alive(self) -> bool:
        return self.status == ALIVE

    @property
    def may_return(self) -> bool:
        """May it be there, now or later? Whoever has left in order holds nothing that anybody waits for."""
        return self.status in (ALIVE, FAILED, LEAVING)

    @property
    def address(self) -> str:
        """`host:port` of its gossip."""
        return join_address(self.host, self.port)

    @property
    def is_database(self) -> bool:
        """Is it a node with a database server?"""
        return self.tags.get(Tag.ROLE) == Role.DATABASE

    @property
    def engine(self) -> str:
        """Its server's engine: mysql, or else mariadb."""
        return "mysql" if self.tags.get(Tag.ENGINE) == "mysql" else "mariadb"

    @property
    def backup_key(self) -> str | None:
        """The public key of a backup, in base64; None for whoever is none."""
        return self.tags.get(Tag.KEY) if self.tags.get(Tag.ROLE) == Role.BACKUP else None

    @property
    def key(self) -> str | None:
        """The public key of its server, in base64."""
        return self._says(Tag.KEY)

    @property
    def server_port(self) -> int | None:
        """The port of its server, None until the server has said it."""
        return port_number(self._says(Tag.PORT) or "")

    @property
    def group(self) -> str | None:
        """The cluster that its server is a node of."""
        return self._says(Tag.CLUSTER)

    @property
    def identity(self) -> str | None:
        """By what its server stays the same at every address: its cluster's name, or its key; None while it has not
        said who it is. Servers are drawn by it (requests/weight.py)."""
        return self.group or self.key

    @property
    def is_ready(self) -> bool:
        """Does its server serve?"""
        return self.alive and self.tags.get(Tag.MYSQL) == ServerState.READY

    @property
    def server_address(self) -> str:
        """`host:port` under which applications reach its server."""
        return self._says(Tag.ADDRESS) or join_address(self.host, self.server_port or MYSQL_PORT)

    def _says(self, tag: str) -> str | None:
        # What another member means by these tags is its own matter, and unchecked.
        return self.tags.get(tag) if self.is_database else None


def named(members: Iterable[Member], name: str) -> Member | None:
    """The member of this name, None where there is none."""
    return next((member for member in members if member.name == name), None)


def checked(records: object) -> list[Member]:
    """The members of a reply of Serf's. A wrong one is left out and told of once; so is a second one of a name.

    Raises ValueError for a reply that is no list.
    """
    if not isinstance(records, list):
        raise ValueError("no list of members")
    found: dict[str, Member] = {}
    for record in records:
        try:
            member = parsed(record)
            if member.name in found:
                raise ValueError("its name stands twice")
            found[member.name] = member
        except ValueError as error:
            _tell(_name_of(record), error)
    return list(found.values())


def parsed(record: object) -> Member:
    """One member as Serf's RPC sends it. Raises ValueError, whose text says what is wrong with it."""
    if not isinstance(record, Mapping):
        raise ValueError("it is no record")
    port = record.get("Port")
    if type(port) is not int or not 1 <= port <= 65535:
        raise ValueError(f"its port is {_quoted(port)}")
    if record.get("Status") not in STATUSES:
        raise ValueError(f"its status is {_quoted(record.get('Status'))}")
    return Member(
        name=_name(record.get("Name")),
        host=_host(record.get("Addr")),
        port=port,
        status=record["Status"],
        tags=_tags(record.get("Tags")),
    )


def is_key(text: str) -> bool:
    """Is it a public key: 32 bytes in base64?"""
    try:
        return len(base64.b64decode(text.encode("ascii"), validate=True)) == KEY_BYTES
    except (UnicodeEncodeError, binascii.Error):
        return False


def _name(value: object) -> str:
    if not is_node_name(value):
        raise ValueError(f"a name has 1 to {MAX_NODE_NAME} printable characters")
    return str(value)


def _host(raw: object) -> str:
    # Serf 0.8's msgpack has one type for text and bytes, so what is not UTF-8 has survived as text.
    packed = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else raw
    if not isinstance(packed, bytes) or len(packed) not in (4, 16):
        raise ValueError(f"its address has to be 4 or 16 bytes, not {_quoted(raw)}")
    address = ipaddress.ip_address(packed)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _tags(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("its tags are no table")
    # Not a set: what has come may be a list.
    rules = _RULES if value.get(Tag.ROLE) in (Role.DATABASE, Role.BACKUP) else {}
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or len(name) + len(text) > MAX_TAG:
            raise ValueError(f"the tag {_quoted(name)} is {_quoted(text)}")
        if not rules.get(name, str.isprintable)(text):
            raise ValueError(f"its tag {name} is {_quoted(text)}")
    return dict(value)


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None


def _is_port(text: str) -> bool:
    return port_number(text) is not None


def _is_address(text: str) -> bool:
    return ":" in text and host_and_port(text, MYSQL_PORT) is not None


def _is_proof(text: str) -> bool:
    return _PROOF.fullmatch(text) is not None


_RULES: Mapping[str, Callable[[str], bool]] = {
    Tag.PORT: _is_port,
    Tag.KEY: is_key,
    Tag.ADDRESS: _is_address,
    Tag.MYSQL: _is_word,
    Tag.ENGINE: _is_word,
    Tag.VERSION: _is_word,
    Tag.CLUSTER: _is_word,
    Tag.RESTORE: is_backup,
    Tag.DIRECTORY: "1".__eq__,
    **dict.fromkeys(PROOFS, _is_proof),
}
"""What the tags of a database and of a backup have to be; all others, and other members', are only printable."""
DATABASE_TAGS = frozenset(_RULES)


def _name_of(record: object) -> str:
    return _quoted(record.get("Name") if isinstance(record, Mapping) else record)


def _quoted(value: object) -> str:
    # Of a deep value no more is told than what it is.
    if isinstance(value, bytes):
        return shown(value.decode("latin-1"))
    if isinstance(value, str | int | float | None):
        return shown(value) if isinstance(value, str) else shown(str(value)).strip("'")
    return f"a {type(value).__name__}"


_told: set[str] = set()


def _tell(name: str, error: ValueError) -> None:
    # By name: of a member with several faults Serf tells now this one first, now that one.
    if name in _told or len(_told) > MOST_TOLD:
        return
    _told.add(name)
    if len(_told) <= MOST_TOLD:
        logger.warning("a member of the Serf cluster is left out, %s: %s", name, error)
    else:
        logger.warning("more members are left out, and not told of any more")
