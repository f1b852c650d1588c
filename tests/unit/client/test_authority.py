"""By what an application verifies the server's certificate: asked of the server, proved, and kept in a file."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dbhandler.client import asking
from dbhandler.client.asking import Client
from dbhandler.client.authority import AuthorityFile
from dbhandler.client.connection import Connection
from dbhandler.client.state import StateFile
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.requests.answer import encode
from dbhandler.requests.box import Keys
from dbhandler.requests.question import question_of
from dbhandler.requests.signer import Signer
from dbhandler.trust.authority import Authority
from dbhandler.trust.pool import Pool
from dbhandler.trust.signature import Purpose
from tests.support.fakes import Clock
from tests.support.handshake import pem
from tests.support.pools import CHANGING, NEXT, OURS, THEIRS, PlayedCluster, PlayedServer, changed

CREATE, AUTHORITY = "create_db", "authority_db"


class Certified(PlayedServer):
    """A server that shows a certificate of its pool's authority, unless its owner has given it another one."""

    has_its_own = False

    @property
    def authority(self) -> Authority:
        assert self.pool
        return Authority(self.pool.secrets[0])

    @property
    def root(self) -> str:
        return base64.b64encode(self.authority.root().public_bytes(Encoding.DER)).decode()

    def answer(self, query: str, payload: bytes) -> bytes:
        if self.pool is None or self.has_its_own:
            return super().answer(query, payload)
        line = encode({"status": "ok", "root": self.root})
        if query != AUTHORITY:
            line = encode(json.loads(PlayedServer(self.name, self.keys, None).answer(query, payload)))
        return Signer(self.pool, self.keys, lambda: self.authority.fingerprint).signed(query, payload, line)


class Application:
    """A client of one server, with a state file and one for the certificate."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.server = Certified("a", Keys(folder / "key-a"))
        self.serf = PlayedCluster(self.server)
        self.file, self.ca = StateFile(folder / "state"), folder / "state.ca.pem"
        self._clock = clock

    def client(self, pools: tuple[str, ...] = (OURS.id,), kept: bool = True) -> Client:
        return Client(
            lambda: self.serf, self.file, 0, [].append, self._clock, self._clock.advance, pools,  # type: ignore[arg-type, return-value]
            AuthorityFile(self.ca if kept else None),
        )  # fmt: skip

    def asks(self, **how: object) -> Connection:
        """Asks for its database."""
        return self.client(**how).create("shop", None, {})  # type: ignore[arg-type]

    def queries(self) -> list[str]:
        """What was asked since the last look."""
        asked = [query for _, query in self.serf.asked()]
        self.serf.heard.clear()
        return asked

    @property
    def fingerprint(self) -> str | None:
        """What the state file says."""
        state = self.file.load()
        assert state
        return state.authority


@pytest.fixture
def application(tmp_path: Path, clock: Clock) -> Application:
    return Application(tmp_path, clock)


def same_authority(text: str, authority: Authority) -> bool:
    """Is it this one's certificate, one certificate in PEM and nothing else?"""
    [certificate] = x509.load_pem_x509_certificates(text.encode())
    return text == pem(certificate) and authority.has_signed(certificate)


@pytest.mark.parametrize("pools", [(), (OURS.id,), (NEXT.id, OURS.id)])
def test_who_signs_is_asked_for_once_and_kept(application: Application, pools: tuple[str, ...]) -> None:
    connection = application.asks(pools=pools)
    assert application.queries() == [CREATE, AUTHORITY]
    assert connection.ca == application.ca.read_text() and connection.ca_file == str(application.ca)
    assert same_authority(connection.ca, application.server.authority)
    # It is no secret, and the application may be another user.
    assert stat.S_IMODE(application.ca.stat().st_mode) == 0o644
    assert application.fingerprint == application.server.authority.fingerprint
    assert application.asks(pools=pools) == connection
    assert application.queries() == [CREATE]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_it_is_asked_again_when_the_file_is_gone_or_empty(application: Application, content: bytes | None) -> None:
    application.asks()
    application.queries()
    if content is None:
        application.ca.unlink()
    else:
        application.ca.write_bytes(content)
    connection = application.asks()
    assert application.queries() == [CREATE, AUTHORITY]
    assert connection.ca and connection.ca == application.ca.read_text()


def test_it_is_asked_again_when_another_one_signs(application: Application) -> None:
    former = application.asks().ca
    application.queries()
    application.server.pool = CHANGING
    connection = application.asks()
    assert application.queries() == [CREATE, AUTHORITY]
    assert connection.ca and connection.ca != former
    assert same_authority(application.ca.read_text(), Authority(NEXT.secrets[0]))
    assert application.fingerprint == Authority(NEXT.secrets[0]).fingerprint


def test_a_new_password_comes_with_it_too(application: Application) -> None:
    application.asks()
    application.ca.unlink()
    assert application.client().rotate().ca == application.ca.read_text()


def resigned(line: bytes, payload: bytes, pool: Pool) -> bytes:
    """The answer as another pool would sign it."""
    fields = {key: value for key, value in json.loads(line).items() if key != "signature"}
    content = question_of(AUTHORITY, payload).content(fields, None)
    return json.dumps({**fields, "signature": pool.keys[0].sign(Purpose.ANSWER, content)}).encode()


MITM = Certified("m", None, THEIRS)  # type: ignore[arg-type]
FORGED: Mapping[str, Callable[[bytes, bytes], bytes]] = {
    "nothing": lambda payload, line: b"",
    "unsigned": lambda payload, line: changed(line, signature=None),
    "another root": lambda payload, line: changed(line, root=MITM.root),
    "no root": lambda payload, line: changed(line, root=None),
    "what is no root": lambda payload, line: changed(line, root="-----BEGIN\n"),
    "of a stranger's pool": lambda payload, line: resigned(changed(line, root=MITM.root), payload, THEIRS),
    "a stranger's own": lambda payload, line: MITM.answer(AUTHORITY, payload),
}


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("pools", [(), (OURS.id,)])
def test_a_forged_root_is_refused_and_the_true_one_counts_behind_it(
    application: Application, pools: tuple[str, ...], forged: str
) -> None:
    def only_forged(node: str, query: str, payload: bytes, line: bytes) -> list[bytes]:
        return [FORGED[forged](payload, line)] if query == AUTHORITY else [line]

    application.serf.forge = only_forged
    with pytest.raises(Unavailable, match="the server 'a' has not said who signs its certificate"):
        application.asks(pools=pools)
    assert not application.ca.exists() and application.fingerprint is None
    application.serf.forge = lambda *what: [*only_forged(*what), what[-1]]
    assert same_authority(str(application.asks(pools=pools).ca), application.server.authority)


def test_an_answer_to_another_s_question_is_none(application: Application) -> None:
    application.asks()
    [recorded] = [line for _, query, _, line in application.serf.heard if query == AUTHORITY]
    application.ca.unlink()
    application.serf.forge = lambda node, query, payload, line: [recorded if query == AUTHORITY else line]
    with pytest.raises(Unavailable, match="has not said who signs"):
        application.asks()


def test_what_a_server_says_that_proves_nothing_is_not_trusted(application: Application) -> None:
    application.server.pool = None
    told = {"authority": MITM.authority.fingerprint, "root": MITM.root}
    application.serf.forge = lambda node, query, payload, line: [changed(line, **told)]
    connection = application.asks(pools=())
    assert (connection.ca, connection.ca_file, application.fingerprint) == (None, None, None)
    assert application.queries() == [CREATE] and not application.ca.exists()


def test_of_an_owner_s_certificate_nothing_is_handed_over(application: Application) -> None:
    application.server.has_its_own = True
    connection = application.asks()
    assert (connection.ca, connection.ca_file, application.queries()) == (None, None, [CREATE])
    assert "DB_SSL_CA" not in connection.variables() and not application.ca.exists()


def test_without_a_file_it_is_handed_over_all_the_same(application: Application) -> None:
    connection = application.asks(kept=False)
    assert connection.ca and connection.ca_file is None
    assert not application.ca.exists()
    # Nothing was kept, so it is asked again.
    application.queries()
    application.asks(kept=False)
    assert application.queries() == [CREATE, AUTHORITY]


def test_it_goes_with_the_database(application: Application) -> None:
    application.asks()
    application.client().drop()
    assert not application.ca.exists() and application.file.load() is None


def test_a_place_that_cannot_be_written_is_one_sentence(application: Application, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    application.ca = tmp_path / "file" / "ca.pem"
    with pytest.raises(DbHandlerError, match=f"^the file {application.ca} cannot be written: "):
        application.asks()


@pytest.mark.parametrize(
    ("state", "given", "expected"),
    [
        ("/data/database.json", None, "/data/database.ca.pem"),
        ("/data/database", None, "/data/database.ca.pem"),
        ("/data/database.json", "/tls/ca.pem", "/tls/ca.pem"),
        (None, "/tls/ca.pem", "/tls/ca.pem"),
        (None, None, None),
    ],
)
def test_it_is_kept_beside_the_state_unless_there_is_another_word(
    state: str | None, given: str | None, expected: str | None
) -> None:
    client = asking.client_for("localhost:1", "", state, 0, asking.silent, given)
    assert client._authority.path == (Path(expected) if expected else None)
