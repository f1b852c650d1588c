"""The settings about pools: a server's own by its secret, with its directory, others' by their public names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbhandler.address import is_node_name
from dbhandler.errors import ConfigError, InvalidRequest
from dbhandler.log import shown
from dbhandler.settings.setting import Reader
from dbhandler.trust import secret

NAME, LABELS, MAX_BYTES = "DBHANDLER_DIRECTORY", "DBHANDLER_LABELS", "DBHANDLER_MAX_BYTES"


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
