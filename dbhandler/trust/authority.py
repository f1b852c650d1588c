"""The certificate authority that comes from a pool's secret: the same on every server, so nothing is handed round.

Sources: RFC 5280 (certificates), SEC 1 and NIST P-256, which every TLS library knows. Of a root only its name and key
count: each server signs one for itself, and who trusts one of them trusts what all of them have signed.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dbhandler.trust import words
from dbhandler.trust.pool import derived
from dbhandler.trust.signature import HINT, Key

LIFE, RENEWED = timedelta(days=90), timedelta(days=60)
"""How long a server's certificate counts, and after what time it is made anew."""
_SLACK = timedelta(hours=1)
"""By which a certificate begins earlier: clocks differ."""
_ROOT_LIFE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
ServerKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
"""What servers have: P-256 where the key is ours, RSA where MySQL has made it."""
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256's group: a private key is less."""


class Authority:
    """The authority of one secret."""

    def __init__(self, secret: bytes) -> None:
        # As many bytes more as leave no number more likely than another (FIPS 186-5, A.2.1).
        number = int.from_bytes(derived(secret, "authority", 48), "big") % (_ORDER - 1) + 1
        self._key = ec.derive_private_key(number, _CURVE)
        self.name = _named(f"dbhandler pool {Key(derived(secret, 'signing')).id[:HINT]}")

    @property
    def fingerprint(self) -> str:
        """What stands for its key in an answer: 43 letters, digits, '-' and '_'."""
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return words.encode(hashlib.sha256(public).digest())

    def root(self) -> x509.Certificate:
        """Its own certificate, signed by itself."""
        return self.vouch_for(self)

    def vouch_for(self, other: Authority) -> x509.Certificate:
        """Another authority's certificate, for those who trust this one alone."""
        builder = _dated(other.name, other._key.public_key(), *_ROOT_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        return self._signed(builder.add_extension(_usage(signs_certificates=True), critical=True))

    def issue(self, key: ServerKey, names: Collection[str], now: datetime) -> x509.Certificate:
        """A certificate for 90 days for the server with this key, as whom all these host names and addresses are."""
        builder = _dated(_named("dbhandler server"), key, now - _SLACK, now + LIFE)
        server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        # Nodes of a cluster are each other's clients.
        builder = builder.add_extension(x509.ExtendedKeyUsage([server, client]), critical=False)
        alternative = x509.SubjectAlternativeName([_general_name(name) for name in sorted(set(names))])
        return self._signed(builder.add_extension(alternative, critical=False))

    def has_signed(self, certificate: x509.Certificate) -> bool:
        """Is it this authority's work?"""
        try:
            self._key.public_key().verify(
                certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256())
            )
        except InvalidSignature:
            return False
        return certificate.issuer == self.name

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return builder.issuer_name(self.name).add_extension(own, critical=False).sign(self._key, hashes.SHA256())


@cache
def pool_roots(secrets: tuple[bytes, ...]) -> str:
    """The certificates (PEM) by which whoever has these secrets verifies the pool's servers. Made once in a process:
    several threads of an agent have ways to others."""
    return "".join(Authority(secret).root().public_bytes(Encoding.PEM).decode() for secret in secrets)


def chain(authorities: Sequence[Authority], leaf: x509.Certificate) -> list[x509.Certificate]:
    """What a server shows: its certificate, which the first authority has signed, up to a root. Of two authorities the
    second one vouches for the first: who trusts either of them believes it, while one takes the other's place."""
    first, *others = authorities
    if not others:
        return [leaf, first.root()]
    return [leaf, others[0].vouch_for(first), others[0].root()]


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """The host names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(map(str, (*found.get_values_for_type(x509.DNSName), *found.get_values_for_type(x509.IPAddress))))


def written(names: Collection[str]) -> frozenset[str]:
    """The names as they stand in a certificate: an address may be written in several ways."""
    return frozenset(str(_general_name(name).value) for name in names)


def _dated(name: x509.Name, key: ServerKey, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).public_key(key).serial_number(x509.random_serial_number())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return builder.not_valid_before(begin).not_valid_after(end).add_extension(identifier, critical=False)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        # Without its zone, which counts on one machine only.
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(name)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
