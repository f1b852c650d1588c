"""Applications verify the server with what they are handed and nothing else; who stands in between learns nothing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dbhandler.client.asking import request_database
from dbhandler.client.connection import Connection
from dbhandler.trust.authority import Authority, chain
from dbhandler.trust.secret import new_secret, parse
from tests.support.containers import ENGINES, RPC_KEY, Container, Database, Site
from tests.support.docker import eventually, together
from tests.support.handshake import Identity, pem
from tests.support.man_in_the_middle import ManInTheMiddle

PRESENT, FORMER = new_secret(), new_secret()
"""A pool whose owner is just changing its secret: both kinds of applications are there."""

OWN = "[mysqld]\nssl-cert = /etc/mysql/conf.d/own.pem\nssl-key = /etc/mysql/conf.d/own.key\n"
QUESTION = "SHOW STATUS LIKE 'Ssl_cipher'"
PACKAGES = "/usr/local/lib/python3/dist-packages"
AGED = """\
import os
from datetime import timedelta
from cryptography import x509
from dbhandler.agent.certificate import CertificateKeeper
from dbhandler.engine.server import agent_server
from dbhandler.settings.config import Config
from dbhandler.trust.authority import names_in
from dbhandler.volume.certificate import ServerCertificate, utc_now

config = Config.from_environ(os.environ)
names = names_in(x509.load_pem_x509_certificate((config.data_dir / "server-cert.pem").read_bytes()))
(config.data_dir / "server-cert.pem").unlink()
certificate = ServerCertificate(config.data_dir, config.pool_secrets, lambda: utc_now() - timedelta(days=61))
CertificateKeeper(certificate, lambda: names).look(agent_server(config))
"""
"""Run inside: the server shows a certificate from then on that is 61 days old."""


class Pool:
    """A server of each engine; one of each with a certificate of its owner's own; and containers with the clients of
    each, beside an application on this machine."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.folder = folder
        network = ("--network", site.network())
        given = {"SERF_RPC_AUTH": RPC_KEY, "DBHANDLER_POOL_SECRET": f"{PRESENT} {FORMER}"}
        self.servers = {
            engine: site.database(engine, options=network, DBHANDLER_REQUIRE_TLS="1", **given) for engine in ENGINES
        }
        self_signed(folder / "own.pem", folder / "own.key", "db")
        (folder / "own.cnf").write_text(OWN)
        options = (*network, "-v", f"{folder}:/etc/mysql/conf.d:ro")
        self.owned = {engine: site.database(engine, options=options, **given) for engine in ENGINES}
        # Nothing runs there but the clients.
        idle = partial(site.start, options=("--entrypoint", "sleep", *network))
        self.tools = {engine: Container(idle(f"dbhandler:{engine}", "infinity")) for engine in ENGINES}
        together(*(partial(ready, server) for server in (*self.servers.values(), *self.owned.values())))
        self.applications = {engine: self._application(self.servers[engine], folder / engine) for engine in ENGINES}
        self.opened = {engine: eventually("an old certificate", partial(self._aged, engine)) for engine in ENGINES}
        self.passwords = {(tool, engine): self._option_file(tool, engine) for tool in ENGINES for engine in ENGINES}

    def _application(self, server: Database, folder: Path) -> Connection:
        return request_database(
            "shop", state_file=folder / "shop.json", rpc_addr=server.rpc_address, rpc_auth=RPC_KEY, timeout=60
        )

    def of_the_owned(self, engine: str) -> Connection:
        """What an application gets from the server with a certificate of its owner's own."""
        return self._application(self.owned[engine], self.folder / f"owned-{engine}")

    def connect(self, engine: str, **options: Any) -> Any:
        """As an application on this machine does, with the file that it was handed, unless told otherwise."""
        handed = self.applications[engine]
        account = {"host": handed.host, "port": handed.port, "user": handed.user, "password": handed.password}
        verifying = {"ssl_ca": handed.ca_file, "ssl_verify_cert": True, "ssl_verify_identity": True}
        given: dict[str, Any] = {"connect_timeout": 20, "read_timeout": 30, **account, **verifying, **options}
        return pymysql.connect(**given)

    def _aged(self, engine: str) -> Any:
        """A connection to the server with a certificate that is due; none where the agent came first."""
        self.servers[engine].exec("python3", "-c", AGED, user="mysql", PYTHONPATH=PACKAGES)
        opened = self.connect(engine)
        return opened if age(opened) > 60 else opened.close()

    def _option_file(self, tool: str, engine: str) -> str:
        """Asks for a database from a container with clients, and leaves the option file there; returns the password."""
        ask = f"dbhandler-request tool_{tool} --rpc-addr {self.servers[engine].address}:7373 --state /tmp/{engine}.json"
        command = f"{ask} --format my.cnf >/tmp/{engine}.cnf; cat /tmp/{engine}.cnf"
        told = self.tools[tool].exec("sh", "-c", command, SERF_RPC_AUTH=RPC_KEY)
        [password] = re.findall(r'^password = "(\w+)"$', told, re.MULTILINE)
        # The authority of a server that has not yet heard of the change.
        former = pem(Authority(parse(FORMER)[0]).root())
        self.tools[tool].exec("sh", "-c", f"cat >/tmp/{engine}.former.pem", stdin=former)
        without = f"grep -v -e ^ssl- -e ^loose-ssl- /tmp/{engine}.cnf >/tmp/{engine}.plain.cnf"
        self.tools[tool].exec("sh", "-c", without)
        return str(password)

    def command(self, tool: str, engine: str, *options: str, file: str = "") -> tuple[bool, str]:
        """Whether a command-line client logs in and has its answer, and what it says."""
        done = self.tools[tool].run(tool, f"--defaults-file=/tmp/{engine}{file}.cnf", *options, "-e", QUESTION)
        return done.returncode == 0, done.stdout


def ready(server: Database) -> None:
    server.wait_healthy().wait_ready()


def self_signed(certificate: Path, key: Path, *names: str) -> None:
    """A certificate that nobody else has signed."""
    alternative = ",".join(f"{'DNS' if re.search('[a-z]', name) else 'IP'}:{name}" for name in names)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=own", "-addext", f"subjectAltName={alternative}", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True)
    # For the user in the container.
    key.chmod(0o644)


def certificate_of(connection: Any) -> Mapping[str, str]:
    """What the server has shown."""
    return dict(connection._sock.getpeercert())


def age(connection: Any) -> int:
    """The days for which the server's certificate has counted."""
    begun = datetime.strptime(certificate_of(connection)["notBefore"], "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    return (datetime.now(UTC) - begun).days


@pytest.fixture(scope="module")
def pool(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("tls")
    for path in (folder, folder.parent):
        path.chmod(0o755)
    return Pool(site, folder)


# --- with what they are handed ---


def test_a_driver_verifies_with_the_file_that_it_is_handed(pool: Pool, engine: str) -> None:
    handed = pool.applications[engine]
    assert handed.variables()["DB_SSL_CA"] == str(pool.folder / engine / "shop.ca.pem")
    with closing(pool.connect(engine)) as connection:
        assert handed.host in str(certificate_of(connection)["subjectAltName"])
        assert cipher(connection)


@pytest.mark.parametrize("tool", ENGINES)
def test_the_command_line_verifies_with_the_option_file_that_it_is_handed(pool: Pool, engine: str, tool: str) -> None:
    logged_in, said = pool.command(tool, engine)
    foreign = {("mysql", "mariadb"): "Warning: mariadb: unknown variable 'loose-ssl-mode=VERIFY_IDENTITY'\n"}
    warning = foreign.get((engine, tool), "")
    assert logged_in and re.fullmatch(re.escape(warning) + r"Variable_name\tValue\nSsl_cipher\tTLS_\w+\n", said), said


@pytest.mark.parametrize("tool", [*ENGINES, "PyMySQL"])
def test_who_knows_the_former_authority_alone_believes_the_present_one(pool: Pool, engine: str, tool: str) -> None:
    if tool == "PyMySQL":
        former = pool.folder / "former.pem"
        former.write_text(pem(Authority(parse(FORMER)[0]).root()))
        pool.connect(engine, ssl_ca=str(former)).close()
    else:
        logged_in, said = pool.command(tool, engine, f"--ssl-ca=/tmp/{engine}.former.pem")
        assert logged_in, said


def test_mariadb_s_command_line_needs_no_file_for_a_server_of_its_own_kind(pool: Pool) -> None:
    """By the password both sides prove that they see the same certificate."""
    assert pool.command("mariadb", "mariadb", file=".plain")[0]


# --- somebody in the middle ---


@dataclass(frozen=True)
class Client:
    """One way to connect: `tries` says whether it was let in, and what it said."""

    name: str
    tries: Callable[[Pool, str, ManInTheMiddle], tuple[bool, str]]

    def __str__(self) -> str:
        return self.name


def by_driver(pool: Pool, engine: str, middle: ManInTheMiddle, **options: Any) -> tuple[bool, str]:
    try:
        pool.connect(engine, host="127.0.0.1", port=middle.port, **options).close()
    except pymysql.err.Error as error:
        return False, str(error)
    return True, ""


def by_command(
    pool: Pool, engine: str, middle: ManInTheMiddle, *options: str, tool: str, file: str = ""
) -> tuple[bool, str]:
    place = ("-h", pool.tools[tool].gateway, "-P", str(middle.port))
    return pool.command(tool, engine, *place, *options, file=file)


def by_mysql(pool: Pool, engine: str, middle: ManInTheMiddle) -> tuple[bool, str]:
    # The file of a MariaDB server cannot say it, for the sake of MariaDB's own clients.
    options = ["--ssl-mode=VERIFY_IDENTITY"] if engine == "mariadb" else []
    return by_command(pool, engine, middle, *options, tool="mysql")


VERIFYING = [
    Client("PyMySQL", by_driver),
    Client("mariadb", partial(by_command, tool="mariadb")),
    Client("mysql", by_mysql),
]
TRUSTING: dict[str, Any] = {"ssl_ca": None, "ssl_verify_cert": None, "ssl_verify_identity": None}
CREDULOUS = [
    Client("PyMySQL", partial(by_driver, **TRUSTING, ssl={"check_hostname": False, "verify_mode": "none"})),
    Client("mariadb", lambda *what: by_command(*what, "--skip-ssl-verify-server-cert", tool="mariadb", file=".plain")),
    Client("mysql", lambda *what: by_command(*what, "--enable-cleartext-plugin", tool="mysql", file=".plain")),
]


def shown_by(who: str, folder: Path, *names: str) -> Identity:
    """What somebody in between has to show; these are the names at which he is asked."""
    key = ec.generate_private_key(ec.SECP256R1())
    if who == "himself":
        shown = Identity(folder, key, ())
        self_signed(shown.certificates, shown.key, *names)
        return shown
    authority = Authority(parse(new_secret() if who == "a stranger's pool" else PRESENT)[0])
    names = ("other",) if who == "another server of the pool" else names
    return Identity(folder, key, chain([authority], authority.issue(key.public_key(), names, datetime.now(UTC))))


@contextmanager
def middle_of(pool: Pool, engine: str, who: str, folder: Path) -> Iterator[ManInTheMiddle]:
    names = ("127.0.0.1", *(tool.gateway for tool in pool.tools.values()))
    middle = ManInTheMiddle(engine, shown_by(who, folder, *dict.fromkeys(names)))
    try:
        yield middle
    finally:
        middle.close()


@pytest.mark.parametrize("who", ["himself", "a stranger's pool", "another server of the pool"])
@pytest.mark.parametrize("client", VERIFYING, ids=str)
def test_nobody_in_the_middle_is_told_anything(
    pool: Pool, engine: str, client: Client, who: str, tmp_path: Path
) -> None:
    with middle_of(pool, engine, who, tmp_path) as middle:
        let_in, said = client.tries(pool, engine, middle)
    assert not let_in and re.search("certificate|[Hh]ostname", said), said
    assert (middle.met, middle.heard) == (1, [])


@pytest.mark.parametrize("client", CREDULOUS, ids=str)
def test_who_verifies_nobody_tells_the_password(pool: Pool, engine: str, client: Client, tmp_path: Path) -> None:
    """What the test above is worth."""
    with middle_of(pool, engine, "himself", tmp_path) as middle:
        client.tries(pool, engine, middle)
    password = pool.passwords[client.name, engine] if client.name in ENGINES else pool.applications[engine].password
    assert any(password.encode() in said for said in middle.heard), middle.heard


def test_by_the_password_alone_the_server_is_proven_before_anything_is_asked(pool: Pool, tmp_path: Path) -> None:
    with middle_of(pool, "mariadb", "himself", tmp_path) as middle:
        let_in, said = by_command(pool, "mariadb", middle, tool="mariadb", file=".plain")
    assert not let_in and "Failed to verify the server certificate" in said
    # He is told who asks, and a proof of the password, not the password.
    [told] = middle.heard
    assert pool.passwords["mariadb", "mariadb"].encode() not in told and b"tool_mariadb" in told


# --- the owner's settings ---


def cipher(connection: Any) -> str:
    """How the connection is encrypted, empty where it is not."""
    with connection.cursor() as cursor:
        cursor.execute(QUESTION)
        return str(cursor.fetchall()[0][1])


def test_an_account_that_needs_tls_is_refused_without(pool: Pool, engine: str) -> None:
    plain = {**TRUSTING, "ssl_disabled": True}
    with pytest.raises(pymysql.err.OperationalError) as caught:
        pool.connect(engine, **plain)
    assert caught.value.args[0] == 1045
    # It is the account that needs it: the server lets others in.
    server = pool.servers[engine]
    user, password = server.admin
    with closing(pool.connect(engine, **plain, user=user, password=password)) as connection:
        assert cipher(connection) == ""


def test_an_owner_s_certificate_is_the_owner_s_to_hand_over(pool: Pool, engine: str) -> None:
    server, handed = pool.owned[engine], pool.of_the_owned(engine)
    assert handed.ca_file is None and "DB_SSL_CA" not in handed.variables()
    assert not list((pool.folder / f"owned-{engine}").glob("*.pem"))
    reason = "nobody can verify this server by its pool: its owner has given it another certificate"
    assert server.logs.count(f"{reason} (ssl-cert = /etc/mysql/conf.d/own.pem)") == 1
    assert server.query("authority_db", "") == {
        "status": "invalid", "reason": "this server shows no certificate of a pool",
    }  # fmt: skip
    pymysql.connect(
        host="127.0.0.1", port=server.published(3306), user=handed.user, password=handed.password,
        ssl_ca=str(pool.folder / "own.pem"), ssl_verify_cert=True,
    ).close()  # fmt: skip


# --- renewal ---


def test_a_certificate_is_renewed_while_connections_live_on(pool: Pool, engine: str) -> None:
    server, opened = pool.servers[engine], pool.opened[engine]
    former, began = certificate_of(opened), server.pid("mysqld")

    def renewed() -> bool:
        with closing(pool.connect(engine)) as connection:
            return certificate_of(connection)["serialNumber"] != former["serialNumber"] and age(connection) == 0

    eventually("the agent to look at the certificate", renewed)
    assert cipher(opened) and certificate_of(opened) == former
    assert server.pid("mysqld") == began
    assert server.logs.count("the server has a new certificate of its pool") == 2
