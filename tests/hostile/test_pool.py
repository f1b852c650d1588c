"""An attacker who is a member of a cluster whose servers have a secret: `DBHANDLER_POOL_SECRET`.

Tries: impostors with all tags of a server, its proof and its key, too; with a key and proofs of their own, made now,
long ago and in the future; answers that say `exists` and `created`, unsigned, signed by another pool, naming the pool
that is attacked, and true ones to other questions; the same from within a server's network, under its name, while its
own agent is stopped. Asked are applications that know the pool by `DBHANDLER_POOL` or by their state file, and such
that know nothing: what can be done to these is shown, too. All the while the secret is changed, and a server loses its
state volume, applications go on.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from dbhandler.client.verified import hints, verified
from dbhandler.requests.box import Credentials, seal
from dbhandler.requests.question import new_nonce, question_of
from dbhandler.serf.members import named
from dbhandler.serf.proof import LIFETIME, SKEW, Prover
from dbhandler.trust import words
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import new_secret, parse
from tests.support.attackers import FORGED, Forger, Ground, Network, arm, clean, handler, heard
from tests.support.containers import Container, Database, Site
from tests.support.docker import again_and_again, eventually, together

SECRET, NEXT = new_secret(), new_secret()
POOL, NEXT_POOL = (Pool(parse(secret)).id for secret in (SECRET, NEXT))
PASSWORD = "the password of an application"
FALSE = "192.0.2.1"
"""Where the forged answers lead."""
WAYS = ("unsigned", "theirs", "named", "replayed")
"""How they are forged: tests/hostile/forge.py."""


class Servers(Ground):
    """Two servers of one pool, and an application that knows the pool by its state file."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, "mariadb", DBHANDLER_POOL_SECRET=SECRET)
        self.second = site.database(
            options=self.on, SERF_JOIN=self.agent.name, DBHANDLER_POOL_SECRET=SECRET, **self.keys
        )  # fmt: skip

    def wait_ready(self) -> Servers:
        super().wait_ready()
        self.second.wait_healthy()
        eventually("both to be proven", lambda: self.states() == {self.server.node: "ready", self.second.node: "ready"})
        self.remembered = self.asked("--state", "/tmp/remembered.json", name="unsigned_remembered")
        return self

    @property
    def true(self) -> set[str]:
        return {self.server.address, self.second.address}

    def states(self, server: Container | None = None) -> dict[str, str]:
        """How each server is, for whoever knows the pool; asked in a server's container, which knows its secret."""
        inside = server.run("dbhandler-status", "--json") if server else None
        rows = json.loads((inside or self.status("--json", DBHANDLER_POOL=POOL)).stdout)
        return {row["node"]: row["state"] for row in rows}

    def asked(self, *arguments: str, name: str, **environ: str) -> dict[str, object]:
        """What an application is given."""
        done = self.request(name, "--format", "json", *arguments, timeout=20, **environ)
        assert done.returncode == 0, done.stdout
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def goes_on(self, name: str) -> None:
        """Are both applications served as ever: the one that knows the pool, and the one that has met it?"""
        told, met = together(
            lambda: self.asked(name=name, DBHANDLER_POOL=POOL),
            lambda: self.asked("--state", "/tmp/remembered.json", name="unsigned_remembered"),
        )
        assert told["host"] in self.true
        assert {**met, "password": self.remembered["password"]} == self.remembered == met


@pytest.fixture(scope="module")
def servers(site: Site) -> Servers:
    return Servers(site).wait_ready()


@pytest.fixture(scope="module")
def impostors(servers: Servers) -> tuple[Forger, Forger]:
    made = (Forger(servers, POOL), Forger(servers, POOL))
    for forger in made:
        forger.withdraw()
    return made


@contextmanager
def shown(servers: Servers, tags: Mapping[Forger, Mapping[str, str]]) -> Iterator[None]:
    """The impostors show these tags meanwhile, and everybody has seen it."""
    for forger, wanted in tags.items():
        forger.claim(**wanted)
    try:
        for forger, wanted in tags.items():
            eventually("its tags", partial(shows, servers, forger, wanted))
        yield
    finally:
        for forger in tags:
            forger.withdraw()
            eventually("it to be gone", partial(shows, servers, forger, {"role": "nothing"}))


def shows(servers: Servers, forger: Forger, tags: Mapping[str, str]) -> bool:
    return tags.items() <= servers.tags(forger).items()


def proof(forger: Forger, secret: str, tags: Mapping[str, str], age: float) -> dict[str, str]:
    """The tags with the impostor's own key, and a proof of them for the impostor itself, so many seconds old."""
    with forger.rpc() as serf:
        own = named(serf.members(), forger.node)
    assert own
    said = {name: text for name, text in tags.items() if name != "proof"} | {"key": forger.key}
    return {**said, **Prover(Pool(parse(secret)), lambda: time.time() - age).proofs(replace(own, tags=said))}


# --- beside the servers ---


def test_whoever_copies_a_servers_tags_is_not_asked(servers: Servers, impostors: tuple[Forger, Forger]) -> None:
    first, second = impostors
    true, theirs = servers.server.tags(), words.encode(first.pool.secrets[0])
    states = dict.fromkeys((servers.server.node, servers.second.node), "ready")
    states |= dict.fromkeys((first.node, second.node), "unproven")
    with shown(servers, {first: true, second: true | {"key": second.key}}):
        servers.goes_on("theirs_beside_a_copy")
        eventually("who is who", lambda: servers.states() == states)
    with shown(servers, {first: proof(first, theirs, true, 0), second: proof(second, theirs, true, 2 * LIFETIME)}):
        servers.goes_on("named_beside_another_pool")
        eventually("who is who", lambda: servers.states() == states)
        eventually("a server that knows it, too", lambda: servers.states(servers.server) == states)
    assert first.heard("find_db") == second.heard("find_db") == []
    assert first.heard("create_db") == second.heard("create_db") == []


def test_a_proof_is_believed_for_its_time_only(servers: Servers, impostors: tuple[Forger, Forger]) -> None:
    """Of the pool's own secret, even: a server's of long ago, or one whose clock was set."""
    forger, _ = impostors
    true = servers.server.tags()
    for age, believed in ((0, True), (LIFETIME + 2 * SKEW, False), (-2 * SKEW, False)):
        with shown(servers, {forger: proof(forger, SECRET, true, age)}):
            state = servers.states()[forger.node]
        assert (state != "unproven") is believed, (age, state)


def test_who_knows_nothing_believes_no_copy(servers: Servers, impostors: tuple[Forger, Forger]) -> None:
    """Neither pool nor state file: it asks whoever shows the server's key, and nobody else can open its box."""
    first, second = impostors
    true = servers.server.tags()
    boxes: list[dict[str, object]] = []

    def asks(name: str) -> subprocess.CompletedProcess[str]:
        return servers.request(name, "--format", "json", timeout=5)

    with shown(servers, {first: true, second: true}):
        for number in range(4):
            for done in together(*(partial(asks, f"{way}_fresh_{number}") for way in WAYS[:3])):
                assert done.returncode in (0, 69, 75) and FALSE not in clean(done.stdout), done.stdout
            if boxes := [box for forger in impostors for box in forger.heard("create_db")]:
                break
    assert boxes, "no impostor was asked"
    for box in boxes:
        for forger in impostors:
            assert not opens(forger.private, str(box["sealed"]))


def test_who_knows_nothing_can_be_taken_in(servers: Servers, impostors: tuple[Forger, Forger]) -> None:
    """What the page says that is open; and the impostor's signatures, elsewhere in vain, are good ones."""
    forger, _ = impostors
    with shown(servers, {forger: servers.server.tags() | {"key": forger.key}}):
        given = servers.asked(name="theirs_taken_in")
        assert given["host"] == FALSE
        assert opens(forger.private, str(forger.heard("create_db")[-1]["sealed"]))
        assert servers.asked(name="theirs_taken_in", DBHANDLER_POOL=POOL)["host"] in servers.true


def opens(private: PrivateKey, box: str) -> bool:
    try:
        SealedBox(private).decrypt(base64.b64decode(box))
    except CryptoError:
        return False
    return True


# --- in a server's place ---


def test_answers_in_a_servers_place(servers: Servers) -> None:
    """Its proof holds there, for an hour: so it is asked, and what it says is believed by nobody."""
    server, private = servers.second, PrivateKey.generate()
    stated = [State(servers, way) for way in WAYS]
    captured = {"find_db replayed_found": captured_find(servers, "replayed_found")}
    captured |= {f"create_db {state.name}": state.captured for state in stated}
    tags = server.tags()
    server.supervisorctl("stop", "dbhandler:serf")
    usurper = Container(
        servers.site.start(
            "dbhandler-serf", f"-node={server.node}", f"-event-handler={handler(FORGED)}", "-retry-join",
            servers.agent.address, *(f"-tag={name}={text}" for name, text in tags.items()),
            options=("--network", f"container:{server.name}"), **servers.keys | {"SERF_RPC_AUTH": "the usurper's own"},
        )
    )  # fmt: skip
    try:
        arm(usurper, private, POOL, captured)
        eventually("the usurper", lambda: servers.agent.members()[server.node]["status"] == "alive")
        assert servers.tags(server) == tags
        found = [partial(servers.request, f"{way}_found", timeout=2, DBHANDLER_POOL=POOL) for way in WAYS]
        made = [partial(state.asks, 2) for state in stated]
        *asked, status = together(*found, *made, partial(servers.status, "--json", DBHANDLER_POOL=POOL))
        assert {payload["database"] for payload in heard(usurper, "find_db")} == {f"{way}_found" for way in WAYS}
        assert {payload["database"] for payload in heard(usurper, "create_db")} == {state.name for state in stated}
        assert heard(usurper, "status_db")
        for payload in heard(usurper, "create_db"):
            assert not opens(private, str(payload["sealed"]))
    finally:
        usurper.remove()
        server.supervisorctl("start", "dbhandler:serf")
    for done in asked:
        assert done.returncode == 75 and FALSE not in clean(done.stdout), done.stdout
        assert "has not answered" in done.stdout or "wrong answer" in done.stdout, done.stdout
    [row] = [row for row in json.loads(status.stdout) if row["node"] == server.node]
    assert (row["state"], row["host"], row["databases"]) == ("no answer", server.address, None)
    servers.goes_on("unsigned_afterwards")
    for state in stated:
        assert json.loads(state.asks(30).stdout.splitlines()[-1])["password"] == PASSWORD


class State:
    """An application whose state file says that the second server has its database, and a true answer to it."""

    def __init__(self, servers: Servers, way: str) -> None:
        self.servers, self.name = servers, f"{way}_made"
        box = Credentials(self.name, self.name, PASSWORD, reply=(reply := new_nonce()))
        self.captured = answered(
            servers.agent, servers.second, "create_db",
            {"database": self.name, "sealed": seal(servers.second.key, box), **hints([POOL])}, reply,
        )  # fmt: skip
        state = {"database": self.name, "user": self.name, "password": PASSWORD, "key": servers.second.key}
        servers.agent.exec("sh", "-c", f"cat > /tmp/{self.name}.json", stdin=json.dumps(state | {"pool": POOL}))

    def asks(self, timeout: float) -> subprocess.CompletedProcess[str]:
        arguments = (self.name, "--state", f"/tmp/{self.name}.json", "--format", "json")
        return self.servers.request(*arguments, timeout=timeout)


def captured_find(servers: Servers, name: str) -> str:
    """A true answer that there is a database of this name, to somebody else's question."""
    servers.agent.query("create_db", name, servers.second)
    payload = {"database": name, "nonce": new_nonce(), **hints([POOL])}
    line = answered(servers.agent, servers.second, "find_db", payload, None)
    assert json.loads(line)["status"] == "exists"
    return line


def answered(agent: Container, server: Database, query: str, payload: Mapping[str, str], reply: str | None) -> str:
    """The line with which a server answers, which its asker believes."""
    asked = json.dumps(payload).encode()
    with agent.rpc() as serf:
        [line] = [line for _, line in serf.query(query, asked, 1.5, nodes=[server.node])]
    verified(line, question_of(query, asked), reply, [POOL])
    return line.decode()


# --- while the secret is changed ---


class Changing(Network):
    """A server whose container is replaced, again and again, while one application keeps asking."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.data, self.state = site.volume(), site.volume()
        self.server: Database | None = None
        self.told: list[subprocess.CompletedProcess[str]] = []

    def serve(self, *secrets: str) -> None:
        if self.server:
            self.server.stop()
            self.site.forget(self.server)
        volumes = ("-v", f"{self.data}:/var/lib/mysql", "-v", f"{self.state}:/var/lib/dbhandler")
        self.server = self.site.database(
            options=(*self.on, *volumes, "-h", "db"), SERF_JOIN=self.agent.name,
            DBHANDLER_POOL_SECRET=" ".join(secrets), **self.keys,
        )  # fmt: skip

    def asks(self, state: str, timeout: float = 60.0, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.request("kept", "--state", f"/tmp/{state}.json", "--format", "json", timeout=timeout, **environ)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """One application asks all the while."""
        with again_and_again(lambda: self.told.append(self.asks("busy"))):
            yield


def password(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout
    return str(json.loads(done.stdout.splitlines()[-1])["password"])


def test_the_secret_is_changed_and_nobody_stands_outside(site: Site) -> None:
    """In steps, once with a new state volume; a state file of the beginning is good until the old secret goes."""
    cluster = Changing(site)
    cluster.serve(SECRET)
    kept = password(cluster.asks("calm"))
    for other in ("busy", "absent"):
        cluster.agent.exec("cp", "/tmp/calm.json", f"/tmp/{other}.json")
    key = cluster.agent.exec("cat", "/tmp/calm.json")
    assert POOL in key
    with cluster.asking():
        cluster.serve(SECRET, NEXT)
        assert password(cluster.asks("calm")) == kept
        # By now applications may be told the new one.
        assert password(cluster.asks("calm", DBHANDLER_POOL=NEXT_POOL)) == kept
        cluster.agent.exec("sh", "-c", "cat > /tmp/calm.json", stdin=key)
        cluster.state = site.volume()
        cluster.serve(NEXT, SECRET)
        assert password(cluster.asks("calm")) == kept
        assert password(cluster.asks("calm", DBHANDLER_POOL=POOL)) == kept
        count = len(cluster.told)
        eventually("the busy one to have met the new one", lambda: len(cluster.told) > count + 1)
        cluster.serve(NEXT)
        assert password(cluster.asks("calm")) == kept
        count = len(cluster.told)
        eventually("the busy one to have gone on", lambda: len(cluster.told) > count + 1)
    assert {password(done) for done in cluster.told} == {kept}
    assert NEXT_POOL in cluster.agent.exec("cat", "/tmp/calm.json")
    assert cluster.server and cluster.server.opens("kept", kept, "kept")
    assert "has lost its state volume" not in cluster.server.exec("dbhandler-health")
    # Who was away all the time knows the old one only: it waits, and its owner is told of a way on.
    left_behind = cluster.asks("absent", 1)
    assert left_behind.returncode == 75 and "if you trust it" in left_behind.stdout, left_behind.stdout
    assert password(cluster.asks("absent", DBHANDLER_POOL=NEXT_POOL)) == kept
