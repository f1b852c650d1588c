"""A handshake of TLS of which both sides are here, without a socket; and the files that a side has."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
MOST_TURNS = 10


def pem(*certificates: x509.Certificate) -> str:
    """The certificates as a file of a server or a client has them."""
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


class Identity:
    """What a server shows: a file of certificates, and one with its key."""

    def __init__(self, folder: Path, key: Key, certificates: Sequence[x509.Certificate]) -> None:
        self.certificates, self.key = folder / "chain.pem", folder / "key.pem"
        self.certificates.write_text(pem(*certificates))
        form = PrivateFormat.PKCS8
        self.key.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))


def shake_hands(certificates: Path, key: Path, trusted: str, host: str) -> None:
    """Connects a client, which trusts these certificates alone, to the host that shows that. Raises
    ssl.SSLCertVerificationError where it is not the host."""
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As Python 3.13 does by itself: to the letter of RFC 5280.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(cadata=trusted)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates, key)
    sides = [client.wrap_bio(here, there, server_hostname=host), server.wrap_bio(there, here, server_side=True)]
    for _ in range(MOST_TURNS):
        if not (sides := [side for side in sides if not _is_done(side)]):
            return
    raise AssertionError("the handshake comes to no end")


def is_believed(certificates: Path, key: Path, trusted: str, host: str) -> bool:
    """Does such a client connect?"""
    try:
        shake_hands(certificates, key, trusted, host)
    except ssl.SSLCertVerificationError:
        return False
    return True


def _is_done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
