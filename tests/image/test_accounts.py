"""Sealed accounts on real servers: who gets a database, who does not, and that a refusal changes nothing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
import pytest
from nacl.public import PrivateKey, PublicKey, SealedBox

from dbhandler.client.asking import drop_database, request_database, rotate_password
from dbhandler.client.connection import Connection
from dbhandler.client.state import State, StateFile
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.requests.box import Credentials, seal
from tests.support.containers import RPC_KEY, Container, Database, Site
from tests.support.docker import docker, eventually, together

PASSWORD = "the password of an application"
OTHER = "another password altogether"
MAX_USER = {"mariadb": 80, "mysql": 32}
MOST = {"DBHANDLER_REQUIRE_SEALED": "1", "DBHANDLER_MAX_DATABASES": "2", "DBHANDLER_MAX_USER_CONNECTIONS": "2"}
FREE = {"DBHANDLER_ALLOW_DROP": "1", "DBHANDLER_NAME_PATTERN": "[a-z][a-z_%]*"}


@dataclass
class Servers:
    """Three servers of one engine: with the defaults, with every limit, and with what the owner may allow. The
    last is in a cluster with a Serf agent that remembers events; the others are on their own."""

    plain: Database
    strict: Database
    lenient: Database
    agent: Container


@pytest.fixture(scope="module")
def servers(site: Site, engine: str) -> Iterator[Servers]:
    network = site.network()
    agent = site.agent(options=("--network", network))
    key = {"SERF_RPC_AUTH": RPC_KEY}
    made = Servers(
        plain=site.database(engine, **key),
        strict=site.database(engine, **key, **MOST),
        lenient=site.database(engine, options=("--network", network), SERF_JOIN=agent.name, **key, **FREE),
        agent=agent,
    )
    databases = (made.plain, made.strict, made.lenient)
    together(*(lambda server=server: server.wait_healthy().wait_ready() for server in databases))
    yield made
    for container in (*databases, agent):
        container.remove()


@pytest.fixture
def server(servers: Servers) -> Database:
    """The server with the defaults."""
    return servers.plain


def sealed(server: Database, database: str, password: str = PASSWORD, user: str = "", **more: Any) -> dict[str, object]:
    """A request as `dbhandler-request` makes it, for a box made by hand."""
    box = Credentials(database, user or database, password, **more)
    return {"database": database, "sealed": seal(server.key, box)}


def raw_box(server: Database, content: bytes) -> str:
    """A box with any content at all."""
    return base64.b64encode(SealedBox(PublicKey(base64.b64decode(server.key))).encrypt(content)).decode()


def ask(server: Database, name: str, payload: str | Mapping[str, object]) -> Any:
    return server.query(name, payload)


def made(server: Database, database: str, password: str = PASSWORD, user: str = "") -> None:
    """Makes a database with its account, as a precondition."""
    answer = ask(server, "create_db", sealed(server, database, password, user))
    assert answer["status"] == "created", answer


# --- what is given ---


def test_an_account_opens_its_database_and_nothing_else(server: Database, tmp_path: Path) -> None:
    made(server, "neighbour")
    connection = request(server, "mine", tmp_path / "state.json")
    assert (connection.database, connection.user, connection.port) == ("mine", "mine", 3306)
    assert connection.host == server.address
    with closing(server.connect("mine", connection.password, "mine")) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(20))")
        cursor.execute("INSERT INTO t VALUES (1, 'kept')")
        cursor.execute("SHOW DATABASES")
        assert {name for (name,) in cursor.fetchall()} - {"information_schema", "performance_schema"} == {"mine"}
        for forbidden in ("USE neighbour", "USE mysql", "CREATE DATABASE more", "SELECT * FROM mysql.user"):
            with pytest.raises(pymysql.err.MySQLError, match="denied"):
                cursor.execute(forbidden)
    assert not server.opens("neighbour", connection.password)
    # Asked again by whoever has the state, it is the same account; by whoever has not, it is denied.
    assert request(server, "mine", tmp_path / "state.json") == connection
    with pytest.raises(Denied, match="has another password"):
        request(server, "mine", tmp_path / "other.json")
    assert server.sql("SELECT word FROM t", "mine", connection.password, "mine") == [("kept",)]


def request(server: Database, name: str, state: Path, **more: Any) -> Connection:
    """What an application gets through the library."""
    return request_database(name, state_file=state, rpc_addr=server.rpc_address, rpc_auth=RPC_KEY, timeout=30, **more)


def test_the_command_gives_what_the_library_gives(server: Database, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    known = request(server, "bycommand", state)
    state.chmod(0o644)
    network = f"container:{server.name}"
    status, log = client(state, network, "bycommand", "--format", "json")
    assert status == 0, log
    assert json.loads(log.splitlines()[-1])["password"] == known.password
    # Without the state it is another application.
    status, log = client(tmp_path / "none.json", network, "bycommand")
    assert status == 77, log
    assert "has another password" in log


def client(state: Path, network: str, *arguments: str) -> tuple[int, str]:
    """Runs dbhandler-request in a container; its exit status and what it printed."""
    done = docker(
        "run", "--rm", "--network", network, "--user", "0", "-v", f"{state.parent}:/state", "-e",
        f"SERF_RPC_AUTH={RPC_KEY}", "--entrypoint", "dbhandler-request", "dbhandler-serf", *arguments, "--state",
        f"/state/{state.name}", "--timeout", "30", check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_an_event_gives_an_account_too_and_no_secret_shows(server: Database) -> None:
    with server.rpc() as serf:
        serf.event("create_db", json.dumps(sealed(server, "byevent")).encode())
    eventually("the account", lambda: server.opens("byevent", PASSWORD, "byevent"))
    # The account is there before its line is.
    eventually("its line", lambda: server.logged(r"event create_db #\d+: 'byevent' created for account 'byevent'"))
    assert PASSWORD not in server.logs


def test_an_underscore_grants_nothing_beside_it(server: Database) -> None:
    assert ask(server, "create_db", {"database": "axb"})["status"] == "created"
    made(server, "a_b")
    assert server.opens("a_b", PASSWORD, "a_b")
    assert not server.opens("a_b", PASSWORD, "axb")
    assert ("axb",) not in server.sql("SHOW DATABASES", "a_b", PASSWORD)


def test_a_per_cent_sign_grants_nothing_beside_it(servers: Servers) -> None:
    server = servers.lenient
    assert ask(server, "create_db", {"database": "perxcent"})["status"] == "created"
    made(server, "per%cent")
    assert server.opens("per%cent", PASSWORD, "per%cent")
    assert not server.opens("per%cent", PASSWORD, "perxcent")


@pytest.mark.parametrize("half", ["database", "database and account", "account", "empty database of before"])
def test_a_half_done_request_is_finished_by_asking_again(server: Database, half: str) -> None:
    """The states in which a kill between the statements leaves the server."""
    name = "half_" + half.replace(" ", "_")
    if "database" in half:
        server.sql(f"CREATE DATABASE `{name}`")
    if "account" in half:
        server.sql(f"CREATE USER `{name}`@'%' IDENTIFIED BY '{PASSWORD}'")
        before = server.snapshot()
        assert ask(server, "create_db", sealed(server, name, OTHER))["status"] == "denied"
        assert server.snapshot() == before
    assert ask(server, "create_db", sealed(server, name))["status"] == "created"
    assert server.opens(name, PASSWORD, name)
    assert ask(server, "create_db", sealed(server, name))["status"] == "exists"


def test_repeating_a_request_changes_nothing(server: Database) -> None:
    made(server, "repeated")
    before = server.snapshot()
    assert ask(server, "create_db", sealed(server, "repeated"))["status"] == "exists"
    assert ask(server, "create_db", {"database": "repeated"})["status"] == "exists"
    assert server.snapshot() == before


@pytest.mark.parametrize("length", [-1, 0])
def test_a_user_name_may_be_as_long_as_the_engine_allows(server: Database, length: int) -> None:
    user = "u" * (MAX_USER[server.engine] + length)
    made(server, f"long{-length}", user=user)
    assert server.opens(user, PASSWORD, f"long{-length}")


def test_a_password_may_hold_what_sql_and_formats_mind(server: Database) -> None:
    password = "quote' back\\slash %s {0} ; -- \" ünïcödé €"
    made(server, "oddpassword", password)
    assert server.opens("oddpassword", password, "oddpassword")
    assert ask(server, "create_db", sealed(server, "oddpassword", password))["status"] == "exists"


# --- what is refused ---

Make = Callable[[Database], dict[str, object]]
REFUSALS: dict[str, tuple[str, str, Make]] = {
    "a box for another server": (
        "denied",
        "not made for this server, or is damaged",
        lambda server: {
            "database": "refused",
            "sealed": seal(
                base64.b64encode(bytes(PrivateKey.generate().public_key)).decode(),
                Credentials("refused", "refused", PASSWORD),
            ),
        },
    ),
    "a box for another database": (
        "denied",
        "for another database than 'refused'",
        lambda server: sealed(server, "captured") | {"database": "refused"},
    ),
    "a tampered box": ("denied", "is damaged", lambda server: damaged(server, lambda box: flipped(box, 40))),
    "a box with another ephemeral key": (
        "denied",
        "is damaged",
        lambda server: damaged(server, lambda box: flipped(box, 0)),
    ),
    "a truncated box": ("denied", "is damaged", lambda server: damaged(server, lambda box: box[:-1])),
    "half a box": ("denied", "is damaged", lambda server: damaged(server, lambda box: box[: len(box) // 2])),
    "no box": ("denied", "is damaged", lambda server: {"database": "refused", "sealed": ""}),
    "a box that is no base64": ("denied", "is damaged", lambda server: {"database": "refused", "sealed": "öäü"}),
    "a box for another operation": (
        "denied",
        "not for create_db",
        lambda server: sealed(
            server, "refused", operation="rotate_db", new_password=OTHER, expires=int(time.time()) + 60
        ),
    ),
    "a box with an unknown key": (
        "invalid",
        "holds an unknown key",
        lambda server: {
            "database": "refused",
            "sealed": raw_box(server, json.dumps({"database": "refused", "password": PASSWORD, "host": "%"}).encode()),
        },
    ),
    "a box with no JSON": (
        "invalid",
        "is not valid JSON",
        lambda server: {"database": "refused", "sealed": raw_box(server, b"refused " + PASSWORD.encode())},
    ),
    "a box without a password": (
        "invalid",
        "a password in a sealed box has 12 to 128",
        lambda server: {"database": "refused", "sealed": raw_box(server, b'{"database": "refused"}')},
    ),
    "a short password": (
        "invalid",
        "a password in a sealed box has 12 to 128",
        lambda server: sealed(server, "refused", "short"),
    ),
    "a user name that is too long": (
        "invalid",
        "characters here, this one has",
        lambda server: sealed(server, "refused", user="u" * (MAX_USER[server.engine] + 1)),
    ),
    "a user name outside the pattern": (
        "invalid",
        "DBHANDLER_NAME_PATTERN",
        lambda server: sealed(server, "refused", user="o'neil"),
    ),
    **{
        f"the user {user}": (
            "invalid",
            "DBHANDLER_NAME_PATTERN" if "." in user else "the user name is reserved",
            partial(sealed, database="refused", user=user),
        )
        for user in (
            "root",
            "Root",
            "admin",
            "ADMIN",
            "mysql",
            "mariadb.sys",
            "mysql.sys",
            "debian-sys-maint",
            "PUBLIC",
            "dbhandler_move_0",
            "dbhandler_GROUP",
        )
    },
    "a wrong password": ("denied", "has another password", lambda server: sealed(server, "taken", OTHER)),
    "another account for a database that is taken": (
        "denied",
        "belongs to another account",
        lambda server: sealed(server, "taken", user="usurper"),
    ),
    "a database with a table and no account": (
        "denied",
        "is not empty",
        lambda server: sealed(server, "with_table"),
    ),
    "an account that has a database already": (
        "denied",
        "serves something else",
        lambda server: sealed(server, "second", user="taken"),
    ),
    "an account that the owner made for another host": (
        "denied",
        "taken by an account of the server's owner",
        lambda server: sealed(server, "refused", user="localonly"),
    ),
    "a system schema": (
        "invalid",
        "belongs to the server itself",
        lambda server: sealed(server, "MySQL", user="refused"),
    ),
    "a rotation by another password": (
        "denied",
        "does not prove to own",
        lambda server: operation(server, "rotate_db", "taken", OTHER, new_password=PASSWORD + "2"),
    ),
    "a rotation that has expired": (
        "denied",
        "has expired",
        lambda server: operation(
            server, "rotate_db", "taken", PASSWORD, new_password=OTHER, expires=int(time.time()) - 1
        ),
    ),
    "a rotation kept for later": (
        "denied",
        "valid for too long",
        lambda server: operation(
            server, "rotate_db", "taken", PASSWORD, new_password=OTHER, expires=int(time.time()) + 10**6
        ),
    ),
    "a rotation with a box that creates": (
        "denied",
        "not for rotate_db",
        lambda server: {"query": "rotate_db"} | sealed(server, "taken"),
    ),
    "a rotation without a box": (
        "denied",
        "needs a sealed box",
        lambda server: {"query": "rotate_db", "database": "taken"},
    ),
    "a rotation of the admin": (
        "denied",
        "does not prove to own",
        lambda server: operation(server, "rotate_db", "mysql", server.admin[1], user="admin", new_password=OTHER),
    ),
    "a drop where none is allowed": (
        "denied",
        "DBHANDLER_ALLOW_DROP",
        lambda server: operation(server, "drop_db", "taken", PASSWORD),
    ),
}


def damaged(server: Database, damage: Callable[[bytes], bytes]) -> dict[str, object]:
    request = sealed(server, "refused")
    box = base64.b64decode(str(request["sealed"]))
    return request | {"sealed": base64.b64encode(damage(box)).decode()}


def flipped(box: bytes, position: int) -> bytes:
    return box[:position] + bytes([box[position] ^ 1]) + box[position + 1 :]


def operation(
    server: Database, name: str, database: str, password: str, user: str = "", **more: Any
) -> dict[str, object]:
    """A request of the owner's, with the query that carries it."""
    more = {"expires": int(time.time()) + 60} | more
    return {"query": name} | sealed(server, database, password, user, operation=name, **more)


@pytest.fixture(scope="module")
def occupied(servers: Servers) -> Database:
    """The server with the defaults, where some names are taken."""
    server = servers.plain
    made(server, "taken")
    server.sql("CREATE DATABASE with_table")
    server.sql("CREATE TABLE with_table.t (id INT PRIMARY KEY)")
    server.sql("CREATE USER 'localonly'@'localhost' IDENTIFIED BY 'any password at all'")
    return server


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_has_a_reason_and_changes_nothing(occupied: Database, what: str) -> None:
    status, reason, make = REFUSALS[what]
    payload = make(occupied)
    query = str(payload.pop("query", "create_db"))
    before = occupied.snapshot()
    answer = ask(occupied, query, payload)
    assert (answer["status"], occupied.snapshot()) == (status, before), answer
    assert reason in answer["reason"]
    for password in (PASSWORD, OTHER):
        assert password not in json.dumps(answer)
        assert password not in occupied.logs


def test_a_refused_event_changes_nothing_and_is_logged(occupied: Database) -> None:
    before = occupied.snapshot()
    with occupied.rpc() as serf:
        serf.event("create_db", json.dumps(sealed(occupied, "taken", OTHER)).encode())
    eventually("the refusal", lambda: occupied.logged(r"event create_db #\d+: 'taken' denied .*has another password"))
    assert occupied.snapshot() == before


def test_a_refused_client_keeps_its_exit_statuses_apart(occupied: Database, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="reserved"):
        request(occupied, "refused", tmp_path / "a.json", user="root")
    with pytest.raises(Denied, match="not empty"):
        request(occupied, "with_table", tmp_path / "b.json")


# --- the owner's policy ---


def test_bare_names_are_refused_where_a_box_is_required(servers: Servers) -> None:
    server = servers.strict
    answer = ask(server, "create_db", {"database": "bare"})
    assert answer["status"] == "denied"
    assert "DBHANDLER_REQUIRE_SEALED" in answer["reason"]
    server.serf("event", "-coalesce=false", "create_db", "bare")
    eventually("the refusal", lambda: server.logged(r"event create_db #\d+: denied in .*DBHANDLER_REQUIRE_SEALED"))
    assert "bare" not in server.databases()


def test_quotas_hold(servers: Servers) -> None:
    server = servers.strict
    made(server, "first")
    made(server, "second")
    before = server.snapshot()
    answer = ask(server, "create_db", sealed(server, "third"))
    assert answer["status"] == "denied"
    assert "DBHANDLER_MAX_DATABASES" in answer["reason"]
    assert server.snapshot() == before
    assert ask(server, "create_db", sealed(server, "first"))["status"] == "exists"

    with closing(server.connect("first", PASSWORD)), closing(server.connect("first", PASSWORD)):
        with pytest.raises(pymysql.err.OperationalError) as error:
            server.connect("first", PASSWORD)
        assert error.value.args[0] == 1226, "max_user_connections"
        # Full of its own connections, an application still proves who it is.
        assert ask(server, "create_db", sealed(server, "first"))["status"] == "exists"
        assert ask(server, "create_db", sealed(server, "first", OTHER))["status"] == "denied"
    assert server.opens("second", PASSWORD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DBHANDLER_NAME_PATTERN", "["),
        ("DBHANDLER_MAX_DATABASES", "many"),
        ("DBHANDLER_MAX_USER_CONNECTIONS", "-1"),
        ("DBHANDLER_REQUIRE_SEALED", "yes"),
        ("DBHANDLER_ALLOW_DROP", "2"),
        ("DBHANDLER_TRASH_DAYS", "-1"),
        ("MYSQL_ADMIN_USER", "root"),
        ("MYSQL_ADMIN_PASSWORD_FILE", "/no/such/file"),
        ("SERF_JOIN", "host:port"),
        ("SERF_ENCRYPT_KEY", "c2hvcnQ="),
        ("SERF_RPC_BIND", "0.0.0.0:7373"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(site: Site, name: str, value: str) -> None:
    status, log = site.once("dbhandler:mariadb", **{name: value})
    assert status == 78
    [line] = log.splitlines()
    assert "[ERROR] [dbhandler]: " in line
    assert name in line


def test_a_setting_is_given_in_one_way_only(site: Site) -> None:
    both = {"MYSQL_ADMIN_PASSWORD": PASSWORD, "MYSQL_ADMIN_PASSWORD_FILE": "/run/secret"}
    status, log = site.once("dbhandler:mariadb", **both)
    assert status == 78
    assert "Both MYSQL_ADMIN_PASSWORD and MYSQL_ADMIN_PASSWORD_FILE are set" in log
    assert PASSWORD not in log


# --- rotate and drop ---


def test_rotating_keeps_open_connections_and_nothing_else(server: Database, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    old = request(server, "rotated", state)
    with closing(server.connect("rotated", old.password, "rotated")) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        new = rotate_password(state_file=state, rpc_addr=server.rpc_address, rpc_auth=RPC_KEY, timeout=30, keep_old=0)
        assert new.password != old.password
        cursor.execute("INSERT INTO t VALUES (1)")
        assert not server.opens("rotated", old.password)
        assert server.sql("SELECT id FROM t", "rotated", new.password, "rotated") == [(1,)]
    assert request(server, "rotated", state) == new
    assert not {old.password, new.password} & set(server.logs.split())


def test_a_rotation_asked_for_twice_is_done_once(server: Database) -> None:
    """As when the answer was lost, or somebody sends again what he captured."""
    made(server, "twice")
    payload = operation(server, "rotate_db", "twice", PASSWORD, new_password=OTHER)
    query = str(payload.pop("query"))
    assert ask(server, query, payload)["status"] == "rotated"
    before = server.snapshot()
    assert ask(server, query, payload)["status"] == "rotated"
    assert server.snapshot() == before
    assert server.opens("twice", OTHER, "twice")


def test_no_drop_unless_the_owner_of_the_server_allows_it(server: Database, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    connection = request(server, "undroppable", state)
    before = server.snapshot()
    with pytest.raises(Denied, match="DBHANDLER_ALLOW_DROP"):
        drop_database(state_file=state, rpc_addr=server.rpc_address, rpc_auth=RPC_KEY, timeout=30)
    assert server.snapshot() == before
    assert StateFile(state).load() is not None, "what was not dropped is not forgotten"
    assert server.opens("undroppable", connection.password, "undroppable")


def test_a_dropped_database_leaves_a_dump_and_does_not_come_back(servers: Servers, tmp_path: Path) -> None:
    server, agent = servers.lenient, servers.agent
    # Made by an event, which the agent remembers and will deliver again.
    with agent.rpc() as serf:
        serf.event("create_db", json.dumps(sealed(server, "doomed")).encode())
        serf.event("create_db", b"survivor")
    eventually("both", lambda: server.holds("doomed", "survivor"))
    eventually("the account", lambda: server.opens("doomed", PASSWORD, "doomed"))
    server.sql("CREATE TABLE t (word VARCHAR(20) PRIMARY KEY)", "doomed", PASSWORD, "doomed")
    server.sql("INSERT INTO t VALUES ('precious')", "doomed", PASSWORD, "doomed")

    # The box of another does not do it.
    wrong = operation(server, "drop_db", "doomed", OTHER)
    before = server.snapshot()
    assert ask(server, str(wrong.pop("query")), wrong)["status"] == "denied"
    assert (server.snapshot(), dumps(server)) == (before, [])

    state = tmp_path / "state.json"
    StateFile(state).save(State("doomed", "doomed", PASSWORD, server.key))
    drop_database(state_file=state, rpc_addr=server.rpc_address, rpc_auth=RPC_KEY, timeout=30)
    assert "doomed" not in server.databases()
    assert server.sql("SELECT 1 FROM mysql.user WHERE User = 'doomed'") == []
    assert server.sql("SELECT 1 FROM mysql.db WHERE User = 'doomed'") == []
    assert not state.exists()
    [dump] = dumps(server)
    text = server.exec("gzip", "-dc", dump)
    assert "CREATE DATABASE" in text
    assert "precious" in text
    assert server.exec("stat", "-c", "%a", dump) == "600\n"

    replay(servers)
    assert "doomed" not in server.databases()
    assert not server.opens("doomed", PASSWORD)

    # A new wish is no old event.
    with agent.rpc() as serf:
        serf.event("create_db", json.dumps(sealed(server, "doomed", OTHER)).encode())
    eventually("the database made anew", lambda: server.opens("doomed", OTHER, "doomed"))
    assert server.sql("SHOW TABLES FROM doomed") == []


def replay(servers: Servers) -> None:
    """Restarts the server, and waits until it has seen all old events again."""
    server, agent = servers.lenient, servers.agent
    refused = r"event create_db #\d+: 'doomed' denied in .*was dropped after this event was fired"
    assert not server.logged(refused)
    server.stop()
    agent.serf("event", "-coalesce=false", "create_db", "while_away")
    server.start()
    server.wait_healthy().wait_ready()
    eventually("what was fired meanwhile", lambda: server.holds("while_away"))
    eventually("the old event to come again", lambda: server.logged(refused))


def dumps(server: Database) -> list[str]:
    """The files in the trash."""
    return server.exec("sh", "-c", "ls /var/lib/dbhandler/trash/* 2>/dev/null; true").split()


def test_a_captured_drop_does_not_drop_the_next_database(servers: Servers) -> None:
    server = servers.lenient
    made(server, "again")
    captured = operation(server, "drop_db", "again", PASSWORD)
    query = str(captured.pop("query"))
    eventually("the drop", lambda: ask(server, query, captured)["status"] == "dropped")
    made(server, "again")
    answer = ask(server, query, captured)
    assert server.holds("again"), answer
    assert server.opens("again", PASSWORD, "again")
