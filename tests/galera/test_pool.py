"""A cluster whose nodes have a secret in common: nobody reads what they send each other, and nobody else becomes one of
them."""

from __future__ import annotations

import random
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pymysql
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dbhandler.client.asking import request_database, rotate_password
from dbhandler.client.connection import Connection
from dbhandler.group.engine import GROUP_PORT
from dbhandler.group.volume import PROVIDER
from dbhandler.trust.authority import Authority, chain
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import new_secret, parse
from dbhandler.volume.tls import AUTHORITY, CERTIFICATE, KEY
from tests.support.capture import Capture
from tests.support.containers import RPC_KEY
from tests.support.docker import docker, eventually, together
from tests.support.faults import Container, Server, Site
from tests.support.galera import IMAGE, PASSWORD, PATIENCE, SCALE, SCALES, SERF_IMAGE, Cluster, Node, Proxy, Writer

NAME = "vault"
SECRET, OTHER, NEXT = new_secret(), new_secret(), new_secret()
PLANTED = "what-nobody-beside-the-nodes-may-ever-read-4711"
SHOUTED = "what-is-sent-in-clear-so-that-it-is-found-0815"
DATA = "/var/lib/mysql"
TRANSFER, MISSED = 4444, 4568
"""The ports at which a node takes all data, and what it has missed."""
TLS = f";socket.ssl=YES;socket.ssl_key=/tls/{KEY};socket.ssl_cert=/tls/{CERTIFICATE};socket.ssl_ca=/tls/{AUTHORITY}"
TAKEN_IN = r"Shifting \w+ -> (PRIMARY|JOINER|JOINED|SYNCED)"
IS_SHORT = SCALE is SCALES["short"]
ROUNDS = 1 if IS_SHORT else 5


@pytest.fixture(scope="module")
def capture(site: Site) -> Iterator[Capture]:
    made = Capture(site)
    yield made
    site.remove(made)


@pytest.fixture(scope="module")
def pool(site: Site, capture: Capture) -> Iterator[Cluster]:
    """A cluster with a secret that is ready, its whole life captured; tests leave it ready."""
    made = Cluster(site, name=NAME, DBHANDLER_POOL_SECRET=SECRET)
    try:
        made.start(random.Random(11))
        made.wait_ready()
        first = made.nodes[0]
        first.sql("CREATE DATABASE planted; CREATE TABLE planted.texts (n INT PRIMARY KEY, text TEXT)")
        first.sql(f"INSERT INTO planted.texts VALUES (1, REPEAT('{PLANTED} ', 50))")
        yield made
    finally:
        for node in made.nodes:
            site.remove(node)


def test_they_form_one_cluster_and_say_that_it_is_protected(pool: Cluster) -> None:
    logs = pool.first_logs
    assert len(set(re.findall(r"group UUID = (?!0{8})(\S+)", "\n".join(logs)))) == 1
    assert sum(log.count("beginning with the votes of") for log in logs) == 1
    assert [line for log in logs for line in log.splitlines() if "[ERROR]" in line] == []
    assert not any("no DBHANDLER_POOL_SECRET" in log for log in logs)
    for node in pool.nodes:
        assert f"this server is of the pool {Pool(parse(SECRET)).id}" in node.logs
        assert holds(node.data, PLANTED)
    pool.check_equal()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_nothing_that_they_send_each_other_can_be_read(
    capture: Capture, pool: Cluster, tmp_path: Path, number: int
) -> None:
    first, second, third = pool.nodes
    state = tmp_path / "state.json"
    made = ask(first, f"captured{number}", state)
    with Writer(pool, f"written{number}.numbers") as writer:
        comes_back(second, writer)
        comes_anew(third, writer)
        pool.wait_ready()
        rotated = rotate_password(
            state_file=state, rpc_addr=f"{first.address}:7373", rpc_auth=RPC_KEY, timeout=PATIENCE
        )
        writer.wait_for_more()
    writer.check()
    login = ("-uadmin", f"-p{PASSWORD}", "-h", second.address, "--skip-ssl")
    first.exec("mariadb", *login, "-e", f"SELECT '{SHOUTED}'")
    eventually("what is sent in clear", lambda: capture.ports_with(SHOUTED) == {3306})
    assert capture.lost == 0
    sizes = capture.sizes()
    assert sizes[GROUP_PORT] > 20_000 and sizes[MISSED] > 2_000 and sizes[TRANSFER] > 1_000_000, sizes
    [hashed] = first.sql(f"SELECT authentication_string FROM mysql.user WHERE User = '{made.user}'")
    assert len(hashed) > 40
    texts = (PLANTED, "INSERT INTO written", "IDENTIFIED BY PASSWORD", hashed)
    assert capture.ports_with(*texts, PASSWORD, made.password, rotated.password, SECRET) == set()


def ask(node: Node, name: str, state: Path) -> Connection:
    """What an application is told that asks one node."""
    where = f"{node.address}:7373"
    return request_database(name, state_file=state, rpc_addr=where, rpc_auth=RPC_KEY, timeout=PATIENCE)


def comes_back(node: Node, writer: Writer) -> None:
    """A node is killed, and takes what it has missed."""
    before = node.transfers()
    docker("kill", node.name)
    writer.wait_for_more()
    node.start()
    eventually("its return", lambda: node.ready, PATIENCE, 0.5)
    assert node.transfers() == before
    assert "IST" in node.logs


def comes_anew(node: Node, writer: Writer) -> None:
    """A node has lost its data, and takes all."""
    node.wipe()
    node.run_member(next(Cluster._addresses))
    eventually("its data", lambda: node.ready, PATIENCE, 0.5)
    assert node.transfers() == 1
    assert holds(node.data, PLANTED)
    writer.wait_for_more()


def test_a_certificate_that_is_made_anew_is_shown_to_the_others_without_a_restart(pool: Cluster) -> None:
    node = pool.nodes[0]
    before = shown(node)
    assert before == kept(node)
    node.exec("rm", f"{DATA}/{CERTIFICATE}")
    node.crash("agent")
    eventually("another certificate", lambda: kept(node) not in ("", before))
    eventually("the group's port to show it", lambda: shown(node) == kept(node))
    pool.wait_ready()


def shown(node: Node) -> str:
    """The certificate that a node shows at the group's port."""
    return ssl.get_server_certificate((node.address, GROUP_PORT), timeout=10).strip()


def kept(node: Node) -> str:
    """The one in its data directory, empty while there is none."""
    text, end, _ = node.exec("cat", f"{DATA}/{CERTIFICATE}", check=False).partition("-----END CERTIFICATE-----")
    return text + end if end else ""


# --- who is not one of them ---


class Stranger(Server):
    """A server that is told by hand to join the group of a node, with these files for TLS if any. One of this kind
    becomes a member, and gets all data, where nodes have no secret: see test_operator.py."""

    def __init__(self, site: Site, peer: Node, tls: Path | None = None) -> None:
        super().__init__(site.name("stranger"))
        self.data = site.volume()
        options = {
            "on": "ON", "provider": PROVIDER, "cluster-name": NAME, "node-name": "stranger",
            "cluster-address": f"gcomm://{peer.address}", "sst-method": "mariabackup",
            "provider-options": f"pc.wait_prim_timeout=PT5S{TLS if tls else ''}",
        }  # fmt: skip
        server = [f"--wsrep-{option}={value}" for option, value in options.items()]
        volumes = ("-v", f"{self.data}:{DATA}", *(("-v", f"{tls}:/tls:ro") if tls else ()))
        site.run(IMAGE, *server, "--binlog-format=ROW", options=("--tmpfs", "/run", *volumes), name=self.name)


def visitor(site: Site, pool: Cluster, **environ: str) -> Node:
    """A node of the same name, whose Serf agent is in the same cluster."""
    made = Node(site, 0, NAME, [site.name("visitor"), *(node.name for node in pool.nodes)])
    made.environ = environ
    made.run_member(next(Cluster._addresses))
    return made


def forged(folder: Path, peer: Node) -> Path:
    """Files for TLS of an authority that has the name of the pool's, and the pool's own for whom to believe."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), Authority(parse(OTHER)[0])
    authority.name = Authority(parse(SECRET)[0]).name
    shown = chain([authority], authority.issue(key.public_key(), [peer.node, peer.address], datetime.now(UTC)))
    folder.chmod(0o755)
    (folder / KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / CERTIFICATE).write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in shown))
    (folder / AUTHORITY).write_text(peer.exec("cat", f"{DATA}/{AUTHORITY}"))
    return folder


def test_no_foreign_server_becomes_a_node(site: Site, pool: Cluster, tmp_path: Path) -> None:
    pool.wait_ready()
    first = pool.nodes[0]
    plain, impostor = Stranger(site, first), Stranger(site, first, forged(tmp_path, first))
    other, none = visitor(site, pool, DBHANDLER_POOL_SECRET=OTHER), visitor(site, pool)
    everybody: list[Stranger | Node] = [plain, impostor, other, none]
    waits, fails = "waiting for 2 more empty nodes", "failed to reach primary view"
    try:
        with Writer(pool, "foreigners.numbers") as writer:
            for foreign, said in zip(everybody, (fails, fails, waits, fails), strict=True):
                eventually(f"{foreign.name} to fail", partial(has_failed, pool, foreign, said), PATIENCE, 0.5)
            writer.wait_for_more()
        writer.check()
        assert members_of(pool) == {"3"}
        assert impostor.logged("unknown ca") and first.logged("certificate verify failed")
        assert all(node.logged(TAKEN_IN) for node in pool.nodes)
        for foreign in everybody:
            assert not foreign.logged(TAKEN_IN)
            assert holds(foreign.data, PLANTED) == "", f"{foreign.name} has got data"
    finally:
        docker("rm", "-f", "-v", *(foreign.name for foreign in everybody))


def has_failed(pool: Cluster, foreign: Stranger | Node, said: str) -> bool:
    """Has it said so? Nobody has become a member meanwhile."""
    assert members_of(pool) == {"3"}
    return said in foreign.logs


def members_of(pool: Cluster) -> set[str]:
    """How many each node takes for members of the group."""
    return {node.status("wsrep_cluster_size") for node in pool.nodes}


def test_copied_tags_are_worth_nothing(site: Site, pool: Cluster) -> None:
    pool.wait_ready()
    victim, before = pool.nodes[1], complaints(pool)
    guarded, careless = Proxy(site, pool, DBHANDLER_POOL=Pool(parse(SECRET)).id), Proxy(site, pool)
    settings = ("-e", f"SERF_RPC_AUTH={RPC_KEY}", "-e", f"SERF_JOIN={victim.name}")
    impostor = Container(site.run(SERF_IMAGE, options=settings))
    eventually("the tags", lambda: victim.node in impostor.members())
    tags = impostor.members()[victim.node]["tags"]
    assert {"cluster", "galera", "mysql", "key", "proof"} <= set(tags)
    impostor.serf("tags", *(part for name, value in tags.items() for part in ("-set", f"{name}={value}")))
    # Who names no pool takes it for a node.
    eventually("the careless proxy to be taken in", lambda: careless.taken(impostor))
    eventually("the nodes behind the other one", lambda: all(guarded.taken(node) for node in pool.nodes))
    victim.stop()
    victim.start()
    eventually("its return", lambda: victim.ready, PATIENCE, 0.5)
    [joined] = victim.sql("SELECT @@wsrep_cluster_address")
    assert pool.nodes[0].address in joined and impostor.address not in joined
    assert guarded.at() and guarded.taken(impostor) == 0
    # The proxies look at the group's port, twice a second each.
    assert complaints(pool) - before < 5
    for container in (guarded, careless, impostor):
        container.stop()
    pool.wait_ready()


def complaints(pool: Cluster) -> int:
    """How often a node has told of a connection that was none."""
    return sum(node.logs.count("Failed to establish connection") for node in pool.nodes)


# --- another secret ---


def test_the_secret_changes_while_the_cluster_serves(pool: Cluster, tmp_path: Path) -> None:
    """One node after another is made anew, three times. It is the last test: they know another secret then."""
    state = tmp_path / "state.json"
    made = ask(pool.nodes[1], "changing", state)
    # The short form ends where the first node has forgotten the former secret, and the others have not.
    steps = {f"{SECRET} {NEXT}": pool.nodes, f"{NEXT} {SECRET}": pool.nodes, NEXT: pool.nodes[: 1 if IS_SHORT else 3]}
    with serving(pool) as counts, Writer(pool, "changing.numbers") as writer:
        for known, nodes in steps.items():
            for node in nodes:
                node.stop()
                node.environ = {"DBHANDLER_POOL_SECRET": known}
                node.run_member(int(node.address.rpartition(".")[2]))
                eventually("its return", partial(is_back, pool, node), PATIENCE, 0.2)
            writer.wait_for_more()
            # An application keeps the pool that it has met, and is led on to the next one.
            assert ask(pool.nodes[1], "changing", state).password == made.password
    assert min(counts) >= 2, counts
    pool.wait_ready()
    writer.check()
    for node in pool.nodes:
        assert node.transfers() == 0
        assert f"this server is of the pool {Pool(parse(NEXT)).id}" in node.logs
    assert pool.nodes[0].exec("cat", f"{DATA}/{AUTHORITY}").count("BEGIN") == 1


def is_back(pool: Cluster, node: Node) -> bool:
    # The cheapest question first.
    return serves(node) and node.ready and members_of(pool) == {"3"}


@contextmanager
def serving(pool: Cluster) -> Iterator[list[int]]:
    """How many nodes serve, again and again."""
    counts, over = list[int](), threading.Event()

    def count() -> None:
        while not over.wait(0.5):
            counts.append(sum(together(*(partial(serves, node) for node in pool.nodes))))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()


def serves(node: Node) -> bool:
    with suppress(pymysql.err.Error, OSError), closing(node.open()) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW STATUS LIKE 'wsrep_ready'")
        return bool(cursor.fetchone()[1] == "ON")
    return False


def holds(volume: str, text: str) -> str:
    """The files of a volume in which the text can be read."""
    grep = ("--entrypoint", "grep", IMAGE, "-rlaF", "-D", "skip", text, "/volume")
    return docker("run", "--rm", "--user", "0", "-v", f"{volume}:/volume:ro", *grep, check=False).stdout
