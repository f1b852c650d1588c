"""The authority of a pool: the same on every server, believed by who trusts it, and by nobody else."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dbhandler.trust.authority import LIFE, RENEWED, Authority, chain, names_in, written
from dbhandler.volume import tls
from tests.support.handshake import Identity, is_believed, pem

OLD, NEW, STRANGER = (bytes([number]) * 32 for number in (1, 2, 3))
NAMES = ("db", "my_db", "db.example.org", "10.0.0.7", "fd00::7")
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def leaf_of(secret: bytes, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    return Authority(secret).issue(key.public_key(), NAMES, NOW)


def public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_secret_is_one_authority_on_every_server() -> None:
    here, there = Authority(OLD), Authority(OLD)
    # A known answer: with another one applications would trust nobody any more after an upgrade.
    assert here.fingerprint == there.fingerprint == "IQqneAj7XacelezDb7JQkl5w2Lch_aPCciHikmAlnPM"
    assert here.name == there.name and here.name.rfc4514_string() == "CN=dbhandler pool i74bKk23"
    assert public(here.root()) == public(there.root())
    assert len({Authority(secret).fingerprint for secret in (OLD, NEW, STRANGER)}) == 3
    assert Authority(NEW).name != here.name


def test_the_secret_is_not_in_what_is_shown() -> None:
    shown = Authority(OLD).root().public_bytes(Encoding.DER)
    assert OLD not in shown and OLD[:8] not in shown


@pytest.mark.parametrize("host", NAMES)
def test_who_trusts_any_server_s_root_believes_every_server(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey, host: str
) -> None:
    shown = Identity(tmp_path, key, chain([Authority(OLD)], leaf_of(OLD, key)))
    for _ in range(2):
        assert is_believed(shown.certificates, shown.key, pem(Authority(OLD).root()), host)


@pytest.mark.parametrize("host", ["db2", "example.org", "a.db.example.org", "10.0.0.8", "fd00::8", "10.0.0.7.example"])
def test_a_certificate_is_for_no_other_host(tmp_path: Path, key: ec.EllipticCurvePrivateKey, host: str) -> None:
    shown = Identity(tmp_path, key, chain([Authority(OLD)], leaf_of(OLD, key)))
    assert not is_believed(shown.certificates, shown.key, pem(Authority(OLD).root()), host)


def test_a_key_of_mysql_s_own_making_is_as_good(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    shown = Identity(tmp_path, rsa_key, chain([Authority(OLD)], leaf_of(OLD, rsa_key)))
    assert is_believed(shown.certificates, shown.key, pem(Authority(OLD).root()), "db")
    assert not is_believed(shown.certificates, shown.key, pem(Authority(NEW).root()), "db")


@pytest.mark.parametrize(
    ("trusted", "believed"), [((OLD,), True), ((NEW,), True), ((OLD, NEW), True), ((STRANGER,), False)]
)
def test_while_one_secret_takes_another_s_place_who_trusts_either_believes(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey, trusted: tuple[bytes, ...], believed: bool
) -> None:
    certificates = chain([Authority(NEW), Authority(OLD)], leaf_of(NEW, key))
    shown = Identity(tmp_path, key, certificates)
    roots = pem(*(Authority(secret).root() for secret in trusted))
    assert is_believed(shown.certificates, shown.key, roots, "db") is believed


def test_one_authority_vouches_for_another_only_while_it_is_told_to(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    shown = Identity(tmp_path, key, chain([Authority(NEW)], leaf_of(NEW, key)))
    assert not is_believed(shown.certificates, shown.key, pem(Authority(OLD).root()), "db")


def test_of_three_secrets_the_second_vouches(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    authorities = [Authority(NEW), Authority(OLD), Authority(STRANGER)]
    shown = Identity(tmp_path, key, chain(authorities, leaf_of(NEW, key)))
    believed = [is_believed(shown.certificates, shown.key, pem(authority.root()), "db") for authority in authorities]
    assert believed == [True, True, False]


def test_a_root_that_has_the_name_alone_makes_nobody_believed(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    forged = Authority(STRANGER)
    forged.name = Authority(OLD).name
    shown = Identity(tmp_path, key, chain([forged], forged.issue(key.public_key(), NAMES, NOW)))
    assert not is_believed(shown.certificates, shown.key, pem(Authority(OLD).root()), "db")
    assert not Authority(OLD).has_signed(forged.root())


def test_a_server_is_no_authority(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Who has stolen a server's key can pass for this server alone."""
    server, other = leaf_of(OLD, key), ec.generate_private_key(ec.SECP256R1())
    basic = server.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = server.extensions.get_extension_for_class(x509.KeyUsage)
    assert basic.critical and not basic.value.ca and usage.critical and not usage.value.key_cert_sign
    alternative = x509.SubjectAlternativeName([x509.DNSName("other")])
    builder = x509.CertificateBuilder().subject_name(server.subject).issuer_name(server.subject)
    builder = builder.public_key(other.public_key()).serial_number(7).add_extension(alternative, critical=False)
    builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=1))
    forged = builder.sign(key, hashes.SHA256())
    shown = Identity(tmp_path, other, [forged, server, Authority(OLD).root()])
    assert not is_believed(shown.certificates, shown.key, pem(Authority(OLD).root()), "other")


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_nodes_of_a_cluster_are_each_other_s_servers_and_clients(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey, purpose: str
) -> None:
    root, leaf = tmp_path / "root.pem", tmp_path / "leaf.pem"
    leaf.write_text(pem(leaf_of(OLD, key)))
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(root), str(leaf)]
    for secret, status in ((OLD, 0), (NEW, 2)):
        root.write_text(pem(Authority(secret).root()))
        assert subprocess.run(command, capture_output=True).returncode == status


def test_a_certificate_counts_for_ninety_days_and_from_an_hour_ago(key: ec.EllipticCurvePrivateKey) -> None:
    leaf = leaf_of(OLD, key)
    assert leaf.not_valid_after_utc == NOW.replace(microsecond=0) + timedelta(days=90)
    # Clocks differ.
    assert leaf.not_valid_before_utc == NOW.replace(microsecond=0) - timedelta(hours=1)
    assert (timedelta(days=90), timedelta(days=60)) == (LIFE, RENEWED)


def test_what_an_authority_has_signed(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    old, new = Authority(OLD), Authority(NEW)
    assert old.has_signed(leaf_of(OLD, key)) and old.has_signed(old.root()) and old.has_signed(old.vouch_for(new))
    assert not old.has_signed(leaf_of(NEW, key)) and not old.has_signed(new.root())
    assert not new.has_signed(old.vouch_for(new))


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_certificate_of_its_own_making_is_nobody_s(tmp_path: Path, rsa_key: rsa.RSAPrivateKey, kind: str) -> None:
    if kind == "rsa":
        Identity(tmp_path, rsa_key, ())
        command = ["openssl", "req", "-x509", "-key", str(tmp_path / "key.pem"), "-subj", "/CN=dbhandler"]
        text = subprocess.check_output(command)
    else:
        tls.ensure_keys("mariadb", tmp_path)
        text = (tmp_path / tls.CERTIFICATE).read_bytes()
    certificate = x509.load_pem_x509_certificate(text)
    assert not Authority(OLD).has_signed(certificate)
    assert names_in(certificate) == frozenset()


def test_names_are_read_back_as_they_are_written(key: ec.EllipticCurvePrivateKey) -> None:
    names = [*NAMES, "FD00:0:0::0008", "fe80::1%eth0", "db"]
    leaf = Authority(OLD).issue(key.public_key(), names, NOW)
    assert names_in(leaf) == written(names) == {*NAMES, "fd00::8", "fe80::1"}
