"""What this server proves itself with: its tags, its answers and its certificate, by the secret of its pool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbhandler.agent.certificate import CertificateKeeper
from dbhandler.group.trusted import UNPROTECTED
from dbhandler.inventory import InState
from dbhandler.requests.box import Keys
from dbhandler.requests.signer import Signer
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Prover, unproved
from dbhandler.settings.config import Config
from dbhandler.trust.pool import Pool, former_secret, own_secret
from dbhandler.trust.secret import MOST

logger = logging.getLogger(__name__)


def unsigned(_query: str, _payload: bytes, line: bytes) -> bytes:
    """The answer of a server that can prove nothing."""
    return line


@dataclass(frozen=True)
class Proofs:
    """sign adds its proof to the answer to a query (name, payload, line); prove gives the tags that prove the others of
    a member; certificate keeps the server's. Without a pool none of it."""

    sign: Callable[[str, bytes, bytes], bytes] = unsigned
    prove: Callable[[Member], Mapping[str, str]] = unproved
    certificate: CertificateKeeper | None = None


def proofs_of(config: Config, keys: Keys, own: Callable[[], Member | None]) -> Proofs:
    """The proofs of a server; own is its Serf member, as far as that is known. Raises DbHandlerError or OSError."""
    if (pool := server_pool(config)) is None:
        return Proofs()
    # Only here: a cluster's node without a secret needs none of it.
    from dbhandler.volume.certificate import ServerCertificate, server_names

    certificate = ServerCertificate(config.data_dir, pool.secrets)
    names = lambda: server_names(config, member.host if (member := own()) else None)  # noqa: E731
    keeper = CertificateKeeper(certificate, names)
    return Proofs(Signer(pool, keys, keeper.authority).signed, Prover(pool).proofs, keeper)


def server_pool(config: Config) -> Pool | None:
    """The pool that this server proves to be of: that of the secret it was given, beside what it was by itself before;
    without one a pool of its own. None for a cluster's node without a secret: it has none in common with the others.
    Raises DbHandlerError or OSError."""
    path = config.state_dir / InState.POOL_SECRET
    if config.pool_secrets:
        # The start program of a cluster's node proves the same tags, by the given secrets alone.
        former = () if config.group else former_secret(path)
        pool = Pool(tuple(dict.fromkeys((*config.pool_secrets, *former)))[:MOST])
        logger.info("this server is of the pool %s", pool.id)
        return pool
    if config.group:
        logger.warning("no DBHANDLER_POOL_SECRET: %s", UNPROTECTED)
        return None
    pool = Pool(own_secret(path))
    logger.info(
        "this server is of the pool %s, its own: without DBHANDLER_POOL_SECRET applications believe the first server "
        "that they meet", pool.id,
    )  # fmt: skip
    return pool
