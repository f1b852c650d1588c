"""What a server says of itself in the directory: what it is, what it carries, whether it takes more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dbhandler.serf.members import Member


@dataclass(frozen=True)
class Standing:
    """One server. server is its public key, or the name of its cluster, by which it stays the same at every address;
    node is the Serf name by which people know it. names is how many databases are its, and most how
    many it takes (0: no limit); bytes is what its tables take, connections how many are open. full says why it takes no
    new database, beside that limit; age is how many seconds ago it said this."""

    server: str
    node: str
    engine: str
    version: str = ""
    labels: frozenset[str] = frozenset()
    names: int = 0
    most: int = 0
    bytes: int = 0
    connections: int = 0
    full: str = ""
    age: int = 0

    @property
    def refuses(self) -> str:
        """Why it takes no new database; nothing where it does."""
        is_most = self.most and self.names >= self.most
        return self.full or (f"holds {self.names} databases and allows {self.most}" if is_most else "")


def by_identity(members: Iterable[Member]) -> Mapping[str, Member]:
    """The databases among these members, of a cluster one that is ready if any is, or one that lives."""
    found: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: (member.is_ready, member.alive, member.name)):
        if member.is_database and (known := member.identity):
            found[known] = member
    return found
