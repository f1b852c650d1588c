"""The way to the servers: passwords in order, private files, and what a refusal means."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest

from dbhandler.distant.access import Access
from dbhandler.distant.node import Node
from dbhandler.engine.driver import pymysql
from dbhandler.errors import Denied, Unavailable

NEW, OLD = bytes([1]) * 32, bytes([2]) * 32
NODE = Node("db 1", "10.0.0.1", 3307)


class Server:
    """In place of the driver: takes some passwords."""

    def __init__(self, *passwords: str, refusal: Exception | None = None) -> None:
        self._passwords = passwords
        self._refusal = refusal or pymysql.err.OperationalError(1045, "Access denied")
        self.asked: list[Mapping[str, object]] = []
        self.closed = 0

    def connect(self, **options: object) -> Server:
        self.asked.append(options)
        if options["password"] not in [password.encode() for password in self._passwords]:
            raise self._refusal
        return self

    def close(self) -> None:
        self.closed += 1


def reached(monkeypatch: pytest.MonkeyPatch, *passwords: str, refusal: Exception | None = None) -> Server:
    server = Server(*passwords, refusal=refusal)
    monkeypatch.setattr(pymysql, "connect", server.connect)
    return server


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access([NEW, OLD], tmp_path / "backup", "dbhandler_backup", lambda secret: f"password-{secret[0]}")


def test_it_reaches_a_server_over_tls_that_is_verified(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    server = reached(monkeypatch, "password-1")
    assert access.connect(NODE, 7.0) is server  # type: ignore[comparison-overlap]
    [asked] = server.asked
    context = asked["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    # Those of both secrets, and none that this machine trusts.
    assert len(context.get_ca_certs()) == 2
    assert (asked["host"], asked["port"], asked["user"]) == ("10.0.0.1", 3307, "dbhandler_backup")
    assert (asked["read_timeout"], asked["connect_timeout"], asked["autocommit"]) == (7.0, 5.0, True)


def test_the_password_of_a_former_secret_is_tried_last(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    server = reached(monkeypatch, "password-2")
    access.connect(NODE, 7.0)
    assert [asked["password"] for asked in server.asked] == [b"password-1", b"password-2"]


@pytest.mark.parametrize("code", [1045, 1698, 3118])
def test_a_server_that_knows_none_refuses(code: int, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    server = reached(monkeypatch, refusal=pymysql.err.OperationalError(code, "no"))
    with pytest.raises(Denied, match="'db 1' does not know the account dbhandler_backup of this pool"):
        access.connect(NODE, 7.0)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        pymysql.err.OperationalError(2003, "Can't connect to\nit"),
        pymysql.err.OperationalError(1040, "Too many connections"),
        pymysql.err.InternalError("Packet sequence number wrong"),
    ],
)
def test_any_other_failure_may_be_over_later(
    refusal: Exception, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = reached(monkeypatch, refusal=refusal)
    with pytest.raises(Unavailable, match=r"^'db 1' does not answer: ") as caught:
        access.connect(NODE, 7.0)
    # The other password is not tried, and nobody forges a line.
    assert len(server.asked) == 1 and str(caught.value).isprintable()


def test_another_s_account_is_tried_as_it_is(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    server = reached(monkeypatch, "hunter2-hunter2")
    assert access.lets_in(NODE, "clerk", "hunter2-hunter2", "shop")
    [asked] = server.asked
    assert (asked["user"], asked["database"], server.closed) == ("clerk", "shop", 1)
    assert isinstance(asked["ssl"], ssl.SSLContext)
    assert access.roots.read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("code", [1044, 1045, 1049, 1130, 1698, 1862, 3118, 3955, 4151])
def test_an_account_that_is_not_let_in(code: int, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    server = reached(monkeypatch, refusal=pymysql.err.OperationalError(code, "no"))
    assert not access.lets_in(NODE, "clerk", "hunter2-hunter2", "shop")
    # The passwords of the pool are nobody else's.
    assert [asked["password"] for asked in server.asked] == [b"hunter2-hunter2"]


def test_a_server_that_does_not_say_says_neither(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    reached(monkeypatch, refusal=pymysql.err.OperationalError(1040, "Too many connections"))
    with pytest.raises(Unavailable, match=r"^'db 1' does not answer now \(error 1040\)$"):
        access.lets_in(NODE, "clerk", "hunter2-hunter2", "shop")


def test_its_files_are_private(access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached(monkeypatch, "password-1")
    access.option_file(NODE, "mysql")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    written = list((tmp_path / "backup").iterdir())
    assert len(written) == 2 and {file.stat().st_mode & 0o777 for file in written} == {0o600}
    assert (tmp_path / "backup" / "pool-ca.pem").read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("engine", "verified"), [("mysql", "ssl-mode=VERIFY_IDENTITY"), ("mariadb", "ssl-verify-server-cert")]
)
def test_the_option_file_of_an_engine_s_tools(
    engine: str, verified: str, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = reached(monkeypatch, "password-2")
    file = access.option_file(NODE, engine)
    assert server.closed == 1
    # What Serf calls a member is no path.
    assert file.name == "dbhandler_backup-6462203 1.cnf".replace(" ", "")
    assert file.read_text().splitlines() == [
        "[client]", "host=10.0.0.1", "port=3307", "user=dbhandler_backup", "password=password-2", "protocol=tcp",
        f"ssl-ca={tmp_path}/backup/pool-ca.pem", verified,
    ]  # fmt: skip


def test_no_option_file_without_a_server(access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached(monkeypatch)
    with pytest.raises(Denied):
        access.option_file(NODE, "mysql")
    assert [file.name for file in (tmp_path / "backup").iterdir()] == ["pool-ca.pem"]


def test_what_makes_the_account_anew(access: Access) -> None:
    made, granted = access.account("mariadb")
    assert "REQUIRE SSL" in made.text and made.values[:2] == ("dbhandler_backup", "%")
    assert "password-2" not in repr(made.values)
    assert granted.text.startswith("GRANT ALL PRIVILEGES ON *.*")
