"""The settings that say whom to trust: a server's own pool by its secret, others' by their public names."""

from __future__ import annotations

from collections.abc import Mapping

from dbhandler.errors import ConfigError
from dbhandler.log import shown
from dbhandler.settings.setting import Reader
from dbhandler.trust import secret


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
