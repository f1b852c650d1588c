"""An attacker who is a member of the cluster: with the gossip key, a real Serf agent, and any names, tags and answers.

Tries: events with SQL in them and with names of the server's own files and schemas, before a restart with another log
size, and a kill; names of members, events and queries, and tags, that work on a terminal or forge lines of the log;
tags of a server that cannot be; times near the end of Serf's clock; the answers of an impostor to find_db, create_db
and status_db, hostile in each field; one message with thousands of names, and floods, while another member asks;
somebody's sealed box, replayed, for another database, and damaged; drops and rotations without a proof. What a member
can do all the same is shown, too: read gossip, make empty databases, and pretend to be a server.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time

import pytest
from nacl.exceptions import CryptoError
from nacl.public import SealedBox

from dbhandler.requests.box import Credentials, seal
from tests.hostile.names import SCHEMAS, file_names
from tests.support.attackers import Ground, Impostor, Network, clean
from tests.support.containers import ENGINES, Container, Site
from tests.support.docker import docker, eventually, together

PASSWORD = "the password of an application"
FORGED = "2026-01-01 00:00:00+00:00 [Note] [dbhandler]: ready for connections"
SCREEN = "\x1b[2J\x1b]0;owned\x07"
LATEST = str(2**64 - 1)

SQL = (
    "x;DROP\tDATABASE/**/kept", "x`;DROP DATABASE kept;--", "kept';DROP--", '{"database":"x`; DROP DATABASE kept; --"}',
    "../kept", "kept/../mysql", "#mysql50#kept", "%", "kept.t", "x\x00y", "-e", "$(touch /tmp/owned)",
    "`touch /tmp/owned`", ";touch /tmp/owned", '{"database":"x","charset":"utf8mb4; DROP DATABASE kept"}',
    '{"database":"x","collation":"\'"}', "{0.__class__}", "%s%s%n", '{"database":"kept","database":"mysql"}',
)  # fmt: skip


@pytest.fixture(scope="module")
def grounds(site: Site) -> dict[str, Ground]:
    """One of each engine. The attacker's member joins the agent."""
    made = {engine: Ground(site, engine, DBHANDLER_ALLOW_DROP="1") for engine in ENGINES}
    together(*(ground.wait_ready for ground in made.values()))
    for ground in made.values():
        assert ground.ask("create_db", sealed(ground, "kept"))["status"] == "created"
        ground.server.sql("CREATE TABLE t (word VARCHAR(20) PRIMARY KEY)", "kept", PASSWORD, "kept")
        ground.server.sql("INSERT INTO t VALUES ('precious')", "kept", PASSWORD, "kept")
    return made


@pytest.fixture(params=ENGINES)
def ground(request: pytest.FixtureRequest, grounds: dict[str, Ground]) -> Ground:
    return grounds[request.param]


@pytest.fixture
def mariadb(grounds: dict[str, Ground]) -> Ground:
    return grounds["mariadb"]


@pytest.fixture(scope="module")
def member(site: Site, grounds: dict[str, Ground]) -> Container:
    """The attacker's own agent, in the cluster of MariaDB; it writes down what it hears."""
    listening = "-event-handler=user:create_db=cat >> /tmp/heard"
    made = site.agent(listening, options=grounds["mariadb"].on, **grounds["mariadb"].keys)
    made.serf("join", grounds["mariadb"].agent.address)
    return made


def sealed(ground: Ground, database: str, password: str = PASSWORD, **more: object) -> dict[str, object]:
    return {"database": database, "sealed": seal(ground.server.key, Credentials(database, database, password, **more))}  # type: ignore[arg-type]


def kept(ground: Ground) -> bool:
    """Is another tenant's database as it was, and its owner let in?"""
    return ground.server.sql("SELECT word FROM t", "kept", PASSWORD, "kept") == [("precious",)]


# --- what is asked for ---


def test_sql_and_shell_in_requests(mariadb: Ground, member: Container) -> None:
    before = mariadb.server.snapshot()
    with mariadb.unharmed():
        for text in SQL:
            answer = member.query("create_db", text, mariadb.server)
            assert answer["status"] in ("invalid", "denied"), (text, answer)
            member.event(text)
        for query in ("create_db", "find_db", "drop_db", "rotate_db", "list_db", "status_db"):
            for payload in (b"", b"\xff\xfe", b"[" * 800, b'{"database": NaN}', b'{"database":"kept","sealed":[]}'):
                clean(json.dumps(member.query(query, payload, mariadb.server)))
        mariadb.ask("find_db", "kept")
        assert mariadb.server.snapshot() == before
    assert mariadb.server.exec("sh", "-c", "ls /tmp") == ""
    assert kept(mariadb)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_servers_own_schemas(mariadb: Ground, member: Container, name: str) -> None:
    assert member.query("create_db", name, mariadb.server)["status"] == "invalid"
    assert member.query("create_db", sealed(mariadb, name), mariadb.server)["status"] == "invalid"


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_are_files(site: Site, engine: str) -> None:
    """With every name that the policy lets through the server starts again: after a stop, with another log size and
    the logs that it did not write before, and after a kill."""
    data, state = site.volume(), site.volume()
    options = ("-v", f"{data}:/var/lib/mysql", "-v", f"{state}:/var/lib/dbhandler")
    first = site.database(engine, options=options, MYSQL_ADMIN_PASSWORD=PASSWORD).wait_healthy()
    first.exec("dbhandler-create", stdin=" kept ")
    names = file_names()
    # One by one: a payload with one name that is refused makes none.
    script = "while read name; do echo $name | dbhandler-create; done"
    first.exec("sh", "-c", script, stdin="\n".join(names) + "\n")
    eventually("all requests to be carried out", lambda: first.exec("ls", "/var/lib/dbhandler/spool") == "")
    first.stop()
    logs = {
        "mariadb": ("--innodb-log-file-size=32M", "--log-bin", "--log-slow-query", "--general-log"),
        "mysql": ("--innodb-redo-log-capacity=64M", "--slow-query-log", "--general-log"),
    }[engine]
    second = site.database(engine, *logs, options=options, MYSQL_ADMIN_PASSWORD=PASSWORD)
    second.wait_healthy()
    second.exec("sh", "-c", f"kill -9 {second.pid('mysqld')}")
    eventually("the server after the kill", lambda: second.run("dbhandler-health").returncode == 0)
    second.kill()
    second.start()
    second.wait_healthy()
    assert ("kept",) in second.sql("SHOW DATABASES", "admin", PASSWORD)


# --- what is shown ---


def test_nothing_that_members_say_works_on_a_terminal(mariadb: Ground, member: Container) -> None:
    evil = f"{SCREEN}\n{FORGED}\r{SCREEN}"
    shouting = mariadb.site.start(
        "dbhandler-serf", f"-node=evil{evil}", f"-tag=role=db{evil}", f"-tag=x=1{evil}", "-retry-join",
        mariadb.agent.address, options=mariadb.on, **mariadb.keys,
    )  # fmt: skip
    with member.rpc() as serf:
        for name in (f"create_db{evil}", evil, "create_db"):
            serf.event(name, f"x{evil}".encode(), coalesce=False)
            list(serf.query(name, evil.encode(), 1.0))
        serf.set_tags({"role": "db", "mysql": evil, "engine": evil, "version": evil, "port": "1", "key": evil})
    eventually("the member to be seen", lambda: any("evil" in name for name in mariadb.server.members()))
    status = mariadb.status()
    listed = mariadb.request("shown", "--state", "/tmp/shown.json", timeout=4)
    with member.rpc() as serf:
        serf.set_tags({"role": "serf-agent"}, ["mysql", "engine", "version", "port", "key"])
    docker("rm", "-f", shouting)
    time.sleep(1)
    for text in (status.stdout, listed.stdout, mariadb.server.logs, mariadb.agent.logs):
        clean(text)
        assert not [line for line in text.splitlines() if line == FORGED]
    assert "Traceback" not in status.stdout + listed.stdout + mariadb.server.logs
    mariadb.served()


@pytest.mark.parametrize(
    "tags",
    [
        {"port": "²"}, {"port": "99999"}, {"port": ""}, {"port": "3306 "}, {"key": ""}, {"key": "garbage"},
        {"key": "A" * 44}, {"port": "-1", "key": "ü"},
    ],
    ids=str,
)  # fmt: skip
def test_a_server_that_cannot_be_costs_nobody_else(mariadb: Ground, impostor: Impostor, tags: dict[str, str]) -> None:
    """Its record is wrong, so it is left out: an honest application is not kept waiting for it."""
    impostor.claim(**tags)
    impostor.answers("find_db", {"status": "absent"})
    try:
        eventually("its tags", lambda: tags.items() <= mariadb.tags(impostor).items())
        mariadb.served(15)
        done = mariadb.status()
        assert "Traceback" not in done.stdout and mariadb.server.node in done.stdout
    finally:
        impostor.withdraw()
        eventually("it to be gone", lambda: mariadb.tags(impostor)["role"] == "nothing")


@pytest.fixture(scope="module")
def impostor(grounds: dict[str, Ground]) -> Impostor:
    """A member that seems to be one more server beside the real one; no test leaves it so."""
    made = Impostor(grounds["mariadb"])
    made.withdraw()
    return made


# --- when it answers in a server's place ---


class Masquerade(Network):
    """A cluster whose only server is an impostor."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.impostor = Impostor(self)
        eventually("the impostor", lambda: "key" in self.tags(self.impostor))

    def asked(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of an honest application that asks, and has two seconds."""
        done = self.request("asked", *arguments, timeout=2)
        assert done.returncode in (0, 64, 69, 70, 75, 77), done.stdout
        assert "Traceback" not in done.stdout
        return done.returncode, clean(done.stdout)


@pytest.fixture(scope="module")
def masquerade(site: Site) -> Masquerade:
    return Masquerade(site)


GOOD = {"status": "created", "database": "asked", "host": "192.0.2.1", "port": 3306, "user": "asked"}
HOSTILE: tuple[object, ...] = (
    {"status": "denied", "reason": f"{SCREEN}\n{FORGED}"}, {"status": f"failed{SCREEN}", "reason": SCREEN},
    {"status": ["created"]}, {"status": {}}, {"status": None}, {"status": "created"}, [], "created",
    "\x1b[2J{", "{" * 900,
    GOOD | {"host": 'x"\nplugin-dir=/tmp\ninit-command="'}, GOOD | {"host": "x\nuser=root"}, GOOD | {"host": ["x"]},
    GOOD | {"host": "x" * 600}, GOOD | {"host": "a b"}, GOOD | {"host": ""}, GOOD | {"host": "$(touch /tmp/owned)"},
    GOOD | {"host": f"x{SCREEN}"}, GOOD | {"host": "x?autoDeserialize=true&x="}, GOOD | {"host": "evil/x?user=root#"},
    GOOD | {"host": "a@evil"}, GOOD | {"port": 99999999999}, GOOD | {"port": -1}, GOOD | {"port": "3306\nuser=x"},
    GOOD | {"port": 1.5}, GOOD | {"port": True}, GOOD | {"port": [3306]}, GOOD | {"port": "²"}, GOOD | {"port": 0},
    GOOD | {"port": 10**400},
)  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: ascii(answer)[:50])
def test_a_hostile_answer_ends_in_a_sentence(masquerade: Masquerade, answer: object) -> None:
    masquerade.impostor.answers("create_db", answer)
    status, _ = masquerade.asked()
    assert status != 0, "an address that is none was handed to the application"


def test_answers_of_an_impostor_in_the_table_of_servers(masquerade: Masquerade) -> None:
    evil = f"{SCREEN}\n{FORGED}"
    answer: object
    for answer in (
        {"status": "ok", "mysql": evil, "engine": evil, "version": evil, "host": evil, "port": 10**30},
        {"status": "ok", "mysql": "down", "last_error": evil, "last_error_at": evil},
        {"status": "ok", "mysql": ["ready"], "uptime": 10**300, "databases": -5, "spool": "x", "last_error_at": 5},
        {"status": "ok", "mysql": "ready", "uptime": -1, "host": 5, "port": "x"}, [], "{", '{"status": 1e999}',
    ):  # fmt: skip
        masquerade.impostor.answers("status_db", answer)
        for form in ((), ("--json",)):
            done = masquerade.status(*form)
            assert done.returncode in (0, 1, 69) and "Traceback" not in done.stdout, done
            clean(done.stdout)
            assert not [line for line in done.stdout.splitlines() if line.startswith(FORGED)]


def test_an_impostor_can_take_an_application_in(masquerade: Masquerade) -> None:
    """What the table says that a member can do: tags are anybody's, until servers can prove who they are."""
    state = ("--format", "json", "--state", "/tmp/taken_in.json")
    masquerade.impostor.exec("rm", "-f", "/tmp/create_db")
    status, _ = masquerade.asked(*state)
    assert status in (69, 75)
    masquerade.impostor.answers("create_db", GOOD)
    status, printed = masquerade.asked(*state)
    assert status == 0
    assert json.loads(printed.splitlines()[-1])["host"] == "192.0.2.1"


def test_an_impostor_reads_no_box_that_is_not_for_it(masquerade: Masquerade, mariadb: Ground) -> None:
    box = str(sealed(mariadb, "shop")["sealed"])
    with pytest.raises(CryptoError):
        SealedBox(masquerade.impostor.private).decrypt(base64.b64decode(box))


# --- when there is much of it ---


def test_one_message_with_thousands_of_names(ground: Ground) -> None:
    before = ground.server.databases()
    names = " ".join(f"n{number}" for number in range(9000))
    with ground.unharmed(10):
        threads = [threading.Thread(target=ground.server.exec, args=("dbhandler-create",), kwargs={"stdin": names})]
        threads[0].start()
        for _ in range(8):
            ground.quick()
        threads[0].join()
    made = ground.server.databases() - before
    assert not {name for name in made if re.fullmatch(r"n\d+", name)}


def test_a_time_at_the_end_of_the_clock(mariadb: Ground) -> None:
    late = ("--state", "/tmp/late_member.json")
    with mariadb.unharmed(20):
        assert mariadb.request("late_member", *late, timeout=20).returncode == 0
        for ltime in (LATEST, "-1", "²", "x", ""):
            mariadb.server.exec(
                "dbhandler-create",
                stdin="late_name",
                SERF_USER_LTIME=ltime,
                SERF_EVENT="user",
                SERF_USER_EVENT="create_db",
            )
        eventually("the requests to be done", lambda: mariadb.server.exec("ls", "/var/lib/dbhandler/spool") == "")
        assert mariadb.request("--drop", *late, timeout=20).returncode == 0
    assert "Traceback" not in mariadb.server.logs
    assert mariadb.server.exec("ls", "/var/lib/dbhandler/spool") == ""


# --- what was captured ---


def test_a_captured_box_is_worth_nothing_else(ground: Ground) -> None:
    captured = sealed(ground, "captured")
    assert ground.ask("create_db", captured)["status"] == "created"
    before = ground.server.snapshot()
    assert ground.ask("create_db", captured)["status"] == "exists"
    box = str(captured["sealed"])
    other = "B" if box.startswith("A") else "A"
    for payload in (
        captured | {"database": "kept"}, captured | {"database": "Captured"}, captured | {"database": "fresh"},
        captured | {"sealed": box[:-8]}, captured | {"sealed": box[8:]}, captured | {"sealed": other + box[1:]},
        captured | {"sealed": ""}, captured | {"sealed": box + box},
    ):  # fmt: skip
        for query in ("create_db", "rotate_db", "drop_db"):
            assert ground.ask(query, payload)["status"] in ("denied", "invalid"), (query, payload)
    for query in ("rotate_db", "drop_db"):
        assert ground.ask(query, captured)["status"] == "denied"
    assert ground.server.snapshot() == before


def test_a_captured_rotation_dies_and_a_captured_drop_works_once(ground: Ground) -> None:
    soon = int(time.time()) + 30
    assert ground.ask("create_db", sealed(ground, "brief"))["status"] == "created"
    late = sealed(ground, "brief", operation="rotate_db", new_password=PASSWORD + "2", expires=int(time.time()) - 1)
    assert ground.ask("rotate_db", late)["status"] == "denied"
    drop = sealed(ground, "brief", operation="drop_db", expires=soon)
    assert ground.decided("drop_db", drop)["status"] == "dropped"
    assert ground.ask("create_db", sealed(ground, "brief"))["status"] == "created"
    ground.ask("drop_db", drop)
    assert ground.server.holds("brief")
    assert ground.server.opens("brief", PASSWORD, "brief")


def test_no_drop_and_no_rotation_without_a_proof(ground: Ground) -> None:
    before, soon = ground.server.snapshot(), int(time.time()) + 30
    for query in ("drop_db", "rotate_db"):
        more = {"operation": query, "expires": soon, "new_password": PASSWORD + "2"}
        for payload in (
            {"database": "kept"},
            sealed(ground, "kept"),
            sealed(ground, "kept", PASSWORD + "x", **more),
            sealed(ground, "mysql", PASSWORD, **more),
            {"database": "kept", "sealed": seal(ground.server.key, Credentials("kept", "admin", PASSWORD, **more))},  # type: ignore[arg-type]
            {"database": "kept", "sealed": seal(ground.server.key, Credentials("kept", "root", PASSWORD, **more))},  # type: ignore[arg-type]
        ):
            assert ground.ask(query, payload)["status"] in ("denied", "invalid"), (query, payload)
    assert ground.server.snapshot() == before
    assert kept(ground)


def test_it_hears_all_gossip_and_no_password(mariadb: Ground, member: Container) -> None:
    request = sealed(mariadb, "overheard")
    mariadb.agent.event(request)
    heard = eventually("the event", lambda: member.run("grep", "-as", str(request["sealed"]), "/tmp/heard").stdout)
    assert '"database": "overheard"' in heard
    assert PASSWORD not in member.exec("cat", "/tmp/heard")


def test_a_bare_request_makes_an_empty_database_and_takes_none(ground: Ground) -> None:
    before = ground.server.snapshot()
    assert ground.ask("create_db", "kept")["status"] == "exists"
    assert ground.ask("create_db", sealed(ground, "kept", PASSWORD + "x"))["status"] == "denied"
    usurper = {"database": "kept", "sealed": seal(ground.server.key, Credentials("kept", "usurper", PASSWORD))}
    assert ground.ask("create_db", usurper)["status"] == "denied"
    assert ground.server.snapshot() == before
    assert ground.ask("create_db", "bare")["status"] == "created"
    assert ground.server.sql("SHOW TABLES FROM bare") == []
    # It is nobody's, so the first one that asks with a box has it, and only that one.
    assert ground.ask("create_db", sealed(ground, "bare"))["status"] == "created"
    assert ground.ask("create_db", sealed(ground, "bare", PASSWORD + "x"))["status"] == "denied"


# Last: Serf gives the flood to the others for long on a busy machine, and tests that look whether anything has changed
# would find its databases.
def test_a_flood_ends_nothing_and_passes(mariadb: Ground, member: Container) -> None:
    def flood() -> None:
        with member.rpc() as serf:
            for number in range(200):
                serf.event(
                    "create_db", (f"f{number} " * 60).encode()[:400] if number % 2 else b"mysql;", coalesce=False
                )

    with mariadb.unharmed():
        flood()
        mariadb.passed_on(member)
