"""The server's certificate is of its pool, for its names, and not old; what makes it anew, and what does not."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from dbhandler.errors import DbHandlerError
from dbhandler.settings.config import Config
from dbhandler.trust.authority import Authority
from dbhandler.volume import tls
from dbhandler.volume.certificate import ServerCertificate, server_names
from tests.support.fakes import Clock
from tests.support.handshake import Identity, is_believed, pem

OURS, NEXT, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))
NAMES = ("db", "10.0.0.7")
DAY = 86400.0


class Volume:
    """A data directory with its keys, whose certificate is looked at now and then."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock(time.time())
        tls.ensure_keys("mariadb", folder)

    def of(self, *secrets: bytes) -> ServerCertificate:
        return ServerCertificate(self.folder, secrets, lambda: datetime.fromtimestamp(self.clock.now, UTC))

    def ensure(self, secrets: Sequence[bytes] = (OURS,), names: Sequence[str] = NAMES) -> bool:
        return self.of(*secrets).ensure(names)

    @property
    def certificate(self) -> Path:
        return self.folder / tls.CERTIFICATE

    @property
    def key(self) -> Path:
        return self.folder / tls.KEY

    @property
    def roots(self) -> Path:
        return self.folder / tls.AUTHORITY

    def is_believed(self, secret: bytes = OURS, host: str = "db") -> bool:
        return is_believed(self.certificate, self.key, pem(Authority(secret).root()), host)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


@pytest.fixture
def made(volume: Volume) -> Volume:
    """With a certificate of its pool."""
    assert volume.ensure()
    return volume


def test_a_certificate_of_its_own_making_makes_room_for_the_pool_s(
    volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    key = volume.key.read_bytes()
    assert not volume.is_believed()
    assert volume.ensure()
    assert volume.is_believed() and volume.is_believed(host="10.0.0.7")
    assert not volume.is_believed(host="other") and not volume.is_believed(NEXT)
    until = datetime.fromtimestamp(volume.clock.now + 90 * DAY, UTC)
    assert caplog.messages == [f"the server has a new certificate of its pool, until {until:%Y-%m-%d}"]
    assert volume.key.read_bytes() == key


def test_files_are_private(made: Volume) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made.certificate, made.roots, made.key)} == {0o600}


@pytest.mark.parametrize(
    ("days", "renewed"), [(0, False), (1, False), (59, False), (60, True), (89, True), (91, True), (-1, True)]
)
def test_it_is_made_anew_after_two_thirds_of_its_life(made: Volume, days: int, renewed: bool) -> None:
    before = made.certificate.read_bytes()
    made.clock.advance(days * DAY)
    assert made.ensure() is renewed
    assert (made.certificate.read_bytes() != before) is renewed
    # Once.
    assert not made.ensure()


@pytest.mark.parametrize(
    ("names", "renewed"),
    [(["db"], False), (["10.0.0.7", "db", "db"], False), ([], False), (["db", "db2"], True), (["10.0.0.8"], True)],
)
def test_it_is_made_anew_for_a_new_name(made: Volume, names: list[str], renewed: bool) -> None:
    assert made.ensure(names=names) is renewed
    assert all(made.is_believed(host=name) for name in names)


@pytest.mark.parametrize("name", ["FD00:0:0::0008", "fe80::1%eth0"])
def test_an_address_that_is_written_otherwise_is_no_new_one(made: Volume, name: str) -> None:
    assert made.ensure(names=[name])
    assert not made.ensure(names=[name])


def test_another_pool_s_certificate_is_made_anew(made: Volume) -> None:
    assert made.ensure([OTHER])
    assert made.is_believed(OTHER) and not made.is_believed(OURS)


CHANGE: Sequence[tuple[tuple[bytes, ...], tuple[bytes, ...]]] = (
    ((OURS,), (OURS,)),
    ((NEXT, OURS), (NEXT, OURS)),
    ((NEXT, OURS, OTHER), (NEXT, OURS)),
    ((NEXT, OURS), (NEXT, OURS)),
    ((NEXT,), (NEXT,)),
    ((NEXT, OTHER), (NEXT, OTHER)),
    ((OURS, OTHER), (OURS, OTHER)),
)


def test_a_change_of_secrets_is_followed_at_each_step(volume: Volume) -> None:
    for secrets, believed in CHANGE:
        assert volume.ensure(secrets) and not volume.ensure(secrets)
        assert {secret for secret in (OURS, NEXT, OTHER) if volume.is_believed(secret)} == set(believed)
        # Nodes of a cluster believe all of them.
        roots = x509.load_pem_x509_certificates(volume.roots.read_bytes())
        assert [Authority(secret).has_signed(root) for secret, root in zip(secrets, roots, strict=True)] == [
            True for _ in secrets
        ]


def test_a_change_that_was_cut_between_the_two_files_is_made_up_for(made: Volume) -> None:
    former = made.certificate.read_bytes()
    assert made.ensure([OURS, OTHER])
    made.certificate.write_bytes(former)
    assert made.ensure([OURS, OTHER])
    assert made.is_believed(OURS) and made.is_believed(OTHER)


def test_another_key_has_another_certificate(made: Volume) -> None:
    made.key.unlink()
    tls.ensure_keys("mariadb", made.folder)
    assert made.ensure()
    assert made.is_believed()
    # The certificate of the former key beside the new one.
    made.key.unlink()
    kept = made.certificate.read_bytes()
    tls.ensure_keys("mariadb", made.folder)
    made.certificate.write_bytes(kept)
    assert made.ensure()
    assert made.is_believed()


def cut(path: Path) -> None:
    path.write_text(path.read_text()[:-100])


DAMAGE: dict[str, Callable[[Volume], object]] = {
    "no certificate": lambda volume: volume.certificate.unlink(),
    "an empty one": lambda volume: volume.certificate.write_text(""),
    "one that is none": lambda volume: volume.certificate.write_bytes(b"\xff\x00 half a"),
    "one that is cut": lambda volume: cut(volume.certificate),
    "one without its root": lambda volume: volume.certificate.write_text(
        volume.certificate.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n"
    ),
    "a root alone": lambda volume: volume.certificate.write_text(pem(Authority(OURS).root())),
    "no roots": lambda volume: volume.roots.unlink(),
    "roots that are cut": lambda volume: cut(volume.roots),
    "roots of others": lambda volume: volume.roots.write_text(pem(Authority(OTHER).root())),
    "a root more": lambda volume: volume.roots.write_text(pem(Authority(OURS).root(), Authority(OTHER).root())),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_anew(made: Volume, damage: str) -> None:
    DAMAGE[damage](made)
    assert made.ensure()
    assert made.is_believed()
    assert [made.of(OURS).authority.has_signed(root) for root in x509.load_pem_x509_certificates(
        made.roots.read_bytes())] == [True]  # fmt: skip
    assert not made.ensure()


def test_a_key_of_mysql_s_own_making_stays(volume: Volume) -> None:
    Identity(volume.folder, rsa.generate_private_key(65537, 2048), ())
    (volume.folder / "key.pem").replace(volume.key)
    assert volume.ensure() and not volume.ensure()
    assert volume.is_believed()


def private(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hunter2", "is damaged, or locked by a password$"),
        (private(ec.generate_private_key(ec.SECP256R1()), b"hunter2"), "is damaged, or locked by a password$"),
        (private(ed25519.Ed25519PrivateKey.generate()), "neither an elliptic-curve nor an RSA key: remove it"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_sentence(made: Volume, content: bytes, sentence: str) -> None:
    before = made.certificate.read_bytes()
    made.key.write_bytes(content)
    with pytest.raises(DbHandlerError, match=sentence) as caught:
        made.ensure()
    assert str(made.key) in str(caught.value) and "hunter2" not in str(caught.value)
    assert made.certificate.read_bytes() == before


def test_a_key_that_is_not_there_is_the_system_s_error(made: Volume) -> None:
    made.key.unlink()
    with pytest.raises(FileNotFoundError):
        made.ensure()


def test_whose_file_it_is(volume: Volume) -> None:
    certificate = volume.of(OURS)
    assert certificate.is_in("server-cert.pem") and certificate.is_in(str(volume.certificate))
    for other in ("/etc/mysql/own.pem", "own.pem", "", "/server-cert.pem"):
        assert not certificate.is_in(other)
    assert Authority(OURS).has_signed(x509.load_der_x509_certificate(certificate.root()))


# --- names ---


def names(*more: str | None, **environ: str) -> frozenset[str]:
    return server_names(Config.from_environ({"DBHANDLER_ENGINE": "mariadb", **environ}), *more)


def test_a_server_is_all_that_it_is_called() -> None:
    own = names(
        "10.0.0.9", None, DBHANDLER_ADVERTISE_HOST="db.example.org", SERF_ADVERTISE="10.0.0.8",
        SERF_NODE="a-node", DBHANDLER_TLS_NAMES="balancer, fd00::7",
    )  # fmt: skip
    expected = {"db.example.org", "10.0.0.8", "10.0.0.9", "a-node", "balancer", "fd00::7"}
    assert own >= expected | {"localhost", "127.0.0.1", socket.gethostname()}


@pytest.mark.parametrize("odd", ["a node", "n\u00f6de", "a/b", "", "a..b", "-", "x" * 64, "db."])
def test_what_no_host_is_called_is_in_no_certificate(volume: Volume, odd: str) -> None:
    """A Serf node may have any name."""
    plain = names()
    assert names(odd) == plain
    assert volume.ensure(names=list(plain))
