"""The server's certificate: of its pool's authority, for all names under which it is reached, renewed in time."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from dbhandler import files
from dbhandler.address import is_host
from dbhandler.errors import DbHandlerError
from dbhandler.settings.config import Config
from dbhandler.settings.serf import SerfSettings
from dbhandler.trust.authority import RENEWED, Authority, ServerKey, chain, names_in, written
from dbhandler.volume.tls import AUTHORITY, CERTIFICATE, KEY

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class ServerCertificate:
    """The certificate in the data directory, by the authorities of the pool's secrets, the present one first."""

    def __init__(self, data_dir: Path, secrets: Sequence[bytes], clock: Callable[[], datetime] = utc_now) -> None:
        self._data_dir, self._clock = data_dir, clock
        self._authorities = [Authority(secret) for secret in secrets]

    @property
    def authority(self) -> Authority:
        """Whose certificate the server shows."""
        return self._authorities[0]

    @property
    def roots(self) -> Path:
        """The file of the own certificates of all these authorities."""
        return self._data_dir / AUTHORITY

    def is_in(self, path: str) -> bool:
        """Is this the file of the certificate, as the server names it: absolute, or in the data directory?"""
        return self._data_dir / path == self._data_dir / CERTIFICATE

    def root(self) -> bytes:
        """The authority's own certificate, in DER."""
        return self.authority.root().public_bytes(Encoding.DER)

    def ensure(self, names: Collection[str]) -> bool:
        """Makes the certificate anew where it is not of this pool, not for all these names, or two thirds of its life
        are over. Returns whether it was. The key stays the server's own. Raises DbHandlerError or OSError."""
        key = self._key()
        if self._counts(self._present(CERTIFICATE), key, names) and self._believes(self._present(AUTHORITY)):
            return False
        leaf = self.authority.issue(key, names, self._clock())
        # Whom this server believes, before what makes it known: the nodes of a cluster check each other.
        _write(self.roots, [authority.root() for authority in self._authorities])
        _write(self._data_dir / CERTIFICATE, chain(self._authorities, leaf))
        logger.info("the server has a new certificate of its pool, until %s", f"{leaf.not_valid_after_utc:%Y-%m-%d}")
        return True

    def _counts(self, shown: list[x509.Certificate], key: ServerKey, names: Collection[str]) -> bool:
        if len(shown) < 2 or shown[0].public_key() != key or not self.authority.has_signed(shown[0]):
            return False
        # A change of secrets, and its end: who vouches is another one.
        if not self._authorities[-1 if len(self._authorities) < 3 else 1].has_signed(shown[-1]):
            return False
        age = self._clock() - shown[0].not_valid_before_utc
        return not age.days < 0 and age < RENEWED and written(names) <= names_in(shown[0])

    def _believes(self, roots: list[x509.Certificate]) -> bool:
        authorities = self._authorities
        return len(roots) == len(authorities) and all(map(Authority.has_signed, authorities, roots))

    def _present(self, name: str) -> list[x509.Certificate]:
        with suppress(OSError, ValueError):
            return x509.load_pem_x509_certificates((self._data_dir / name).read_bytes())
        return []

    def _key(self) -> ServerKey:
        path = self._data_dir / KEY
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise DbHandlerError(f"{path} is damaged, or locked by a password") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise DbHandlerError(
                f"{path} is neither an elliptic-curve nor an RSA key: remove it, and the next start makes one"
            )
        return key.public_key()


def server_names(config: Config, *more: str | None) -> frozenset[str]:
    """All host names and addresses under which this server may be reached, as far as it knows."""
    return host_names(config.serf, config.advertise_host, *config.tls_names, *more)


def host_names(serf: SerfSettings, *more: str | None) -> frozenset[str]:
    """The same of any container with a Serf agent of these settings."""
    given = (serf.advertise, serf.node, *more)
    found = {socket.gethostname(), "localhost", "127.0.0.1", *_addresses(), *filter(None, given)}
    return frozenset(name for name in found if is_host(name) and _is_in_certificates(name))


def _is_in_certificates(name: str) -> bool:
    # A name of a node may be what no host has: X.509 knows ASCII only, and no empty label.
    return ":" in name or (name.isascii() and all(0 < len(label) < 64 for label in name.split(".")))


def _addresses() -> Iterator[str]:
    with suppress(OSError):
        for *_, address in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM):
            yield str(address[0]).partition("%")[0]


def _write(path: Path, certificates: Sequence[x509.Certificate]) -> None:
    text = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
    files.write_private(path, text)
