"""The settings about a server among others: its pool by the secret, with its directory, and others' by their public
names; its cluster; its source and replicas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dbhandler.address import is_node_name
from dbhandler.errors import ConfigError, InvalidRequest
from dbhandler.log import shown
from dbhandler.settings.names import official
from dbhandler.settings.setting import Reader
from dbhandler.trust import secret

NAME, LABELS, MAX_BYTES = "DBHANDLER_DIRECTORY", "DBHANDLER_LABELS", "DBHANDLER_MAX_BYTES"

GROUP_MODES = ("multi-primary", "single-primary")
"""How a group of MySQL servers takes writes, the default first."""

LONGEST_HOST = 64
"""Characters of an advertised host that the tags of a cluster's node have room for."""


DEFAULT_GROUP_SIZE = 3


def pool_secrets(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """The secrets of this server's pool, none where it was given none. Raises ConfigError, which quotes none."""
    if (text := Reader(environ).text("DBHANDLER_POOL_SECRET")) is None:
        return ()
    try:
        return secret.parse(text)
    except ValueError as error:
        raise ConfigError(f"DBHANDLER_POOL_SECRET is wrong: {error}") from error


def trusted_pools(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the pools whose servers are believed: those of DBHANDLER_POOL, else those of the secret, where it is
    known here; none where nobody has said whom to believe. Raises ConfigError."""
    if (text := Reader(environ).text("DBHANDLER_POOL")) is not None:
        # One of blanks only names nobody, and is a mistake: without a pool everybody is believed.
        return tuple(_checked(word) for word in text.split() or [text])
    if not (secrets := pool_secrets(environ)):
        return ()
    # Only here: what signs is slow to load.
    from dbhandler.trust.pool import Pool

    return Pool(secrets).ids


def _checked(word: str) -> str:
    from dbhandler.trust.signature import is_pool_id

    if not is_pool_id(word):
        raise ConfigError(
            f"DBHANDLER_POOL has to be the id of a pool, 43 letters, digits, '-' and '_', not {shown(word)} "
            "(a server's log tells it, and dbhandler-pool id)"
        )
    return word


@dataclass(frozen=True)
class DirectorySettings:
    """name is the Serf name of the server, or the name of the cluster, that holds the directory; labels are this
    server's, max_bytes is how much its tables may take before it gets no new database (0: no limit)."""

    name: str
    labels: frozenset[str] = frozenset()
    max_bytes: int = 0


def directory_settings(read: Reader) -> DirectorySettings | None:
    """Where the pool's directory is; None for a pool without one. Raises ConfigError."""
    name = read.text(NAME)
    if name is None:
        if read.is_set(LABELS, MAX_BYTES):
            raise ConfigError(f"{LABELS} and {MAX_BYTES} need {NAME}: without a directory nobody reads them")
        return None
    if not is_node_name(name):
        raise ConfigError(f"{NAME} has to be the name of a server or cluster of the pool, not {shown(name)}")
    if not pool_secrets(read.environ):
        raise ConfigError(f"{NAME} needs DBHANDLER_POOL_SECRET: by it the servers of a pool know each other")
    # Only here: who has no directory needs none of it.
    from dbhandler.requests.where import HERE, labels

    try:
        found = labels(read.text(LABELS) or "", LABELS)
    except InvalidRequest as error:
        raise ConfigError(str(error)) from error
    if HERE in found:
        raise ConfigError(f"{LABELS} cannot be {HERE}: that is the word for whoever is asked")
    return DirectorySettings(name, found, read.number_or(0, MAX_BYTES, 1, 2**60))


@dataclass(frozen=True)
class GroupSettings:
    """The cluster that this server is a node of: its name, and how many empty nodes begin it. single_primary: one node
    of a MySQL group takes writes, instead of all."""

    name: str
    size: int
    single_primary: bool = False


def group_name(environ: Mapping[str, str]) -> str | None:
    """The name of the cluster, None for a server that is in none. Raises ConfigError."""
    name = Reader(environ).text("DBHANDLER_CLUSTER")
    # Galera's own limit is 32 characters, and its options have to survive a shell.
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", name):
        raise ConfigError(f"DBHANDLER_CLUSTER has to be 1 to 32 letters, digits, '_', '.' or '-', not {name!r}")
    return name


def group_settings(read: Reader, engine: str) -> GroupSettings | None:
    """The cluster that this server, of that engine, is a node of; None: of none. Raises ConfigError."""
    name, size = group_name(read.environ), read.number("DBHANDLER_CLUSTER_SIZE", 1, 9)
    if name is None and size is not None:
        raise ConfigError("DBHANDLER_CLUSTER_SIZE needs DBHANDLER_CLUSTER, the cluster's name")
    if name is not None and len(read.text("DBHANDLER_ADVERTISE_HOST") or "") > LONGEST_HOST:
        raise ConfigError(
            f"DBHANDLER_ADVERTISE_HOST has at most {LONGEST_HOST} characters in a cluster: a Serf tag takes no more"
        )
    single_primary = _single_primary(read, name is not None and engine == "mysql")
    return None if name is None else GroupSettings(name, DEFAULT_GROUP_SIZE if size is None else size, single_primary)


def _single_primary(read: Reader, is_group: bool) -> bool:
    if is_group and not pool_secrets(read.environ):
        raise ConfigError("DBHANDLER_CLUSTER needs DBHANDLER_POOL_SECRET on MySQL: by it the nodes know each other")
    if is_group and not binlog(read):
        raise ConfigError("DBHANDLER_CLUSTER needs the binary log on MySQL: DBHANDLER_BINLOG=0 excludes it")
    if not is_group and read.text("DBHANDLER_GROUP_MODE") is not None:
        raise ConfigError("DBHANDLER_GROUP_MODE is for a cluster (DBHANDLER_CLUSTER) of MySQL servers")
    return is_group and read.choice("DBHANDLER_GROUP_MODE", GROUP_MODES) == GROUP_MODES[1]


class Part(Enum):
    """What this server is to others by the official images' variables."""

    SOURCE = "source"
    """Replicas of it begin with its first start."""
    REPLICA = "replica"


def binlog(read: Reader) -> bool | None:
    """Does the server write a binary log? None: as it does by itself. Raises ConfigError."""
    # A pool with a secret may have a backup, which reads it; replicas read it, and may become a source.
    part = part_of(read)
    if part is None and not read.is_set("DBHANDLER_BINLOG", "DBHANDLER_POOL_SECRET"):
        return None
    wanted = read.flag("DBHANDLER_BINLOG", default=True)
    if part is Part.SOURCE and not wanted:
        raise ConfigError("DBHANDLER_BINLOG=0 excludes MARIADB_REPLICATION_USER: replicas read the binary log")
    return wanted


def part_of(read: Reader) -> Part | None:
    """What this server is in a replication of the official images' variables; None: in none. Raises ConfigError."""
    if not read.is_set(*official("MASTER_HOST")):
        return Part.SOURCE if read.is_set(*official("REPLICATION_USER")) else None
    for other in ("DBHANDLER_CLUSTER", "DBHANDLER_RESTORE"):
        if read.is_set(other):
            raise ConfigError(f"MARIADB_MASTER_HOST and {other} exclude each other: a replica has its source's data")
    return Part.REPLICA
