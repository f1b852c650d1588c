"""The tags of a database server's Serf member: what it says of itself to all others."""

from __future__ import annotations

from enum import StrEnum


class Tag(StrEnum):
    """The names of all tags. Those of one member have 512 bytes together."""

    ROLE = "role"
    """One of Role."""
    KEY = "key"
    """The server's public key, in base64; a backup's, too."""
    WAS = "was"
    """The fingerprints of the keys that its data were served with before, the newest last."""
    PORT = "port"
    """Where the server listens."""
    ADDRESS = "address"
    """`host:port` under which applications reach it, where the owner has said so."""
    MYSQL = "mysql"
    """Whether it serves: one of dbhandler.agent.watch's words."""
    ENGINE = "engine"
    VERSION = "version"
    CLUSTER = "cluster"
    """The name of the cluster that it is a node of."""
    GALERA = "galera"
    """What it says of itself as a node of that cluster (dbhandler.group.node)."""
    RESTORE = "restore"
    """Of an empty server: SERVER@MOMENT, the backup that it waits for."""
    OWN = "own"
    """`1` where the owner lets applications have former states of their own databases, else `0`."""
    DIRECTORY = "dir"
    """`1` where the pool's directory says which server a new database goes to: any one is asked."""
    PROOF, OLD_PROOF, OLDER_PROOF = "proof", "proof1", "proof2"
    """What proves all that this member says, for each secret of its pool, the present one first (serf/proof.py)."""


PROOFS = (Tag.PROOF, Tag.OLD_PROOF, Tag.OLDER_PROOF)


class Role(StrEnum):
    """What a member is there for."""

    DATABASE = "db"
    REPLICA = "replica"
    """A database server that has another one's data, and no request is for."""
    AGENT = "serf-agent"
    BACKUP = "backup"
