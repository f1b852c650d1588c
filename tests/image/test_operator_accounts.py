"""What the operator does about accounts, on real servers: who has which database, a database made by hand that gets an
owner, an account that is taken away, and another password for the administrator."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbhandler.requests.box import LIFETIME, Credentials, seal
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import docker, eventually

PASSWORD, GIVEN = "the password of an application", "the password that was given"
FIRST = "the password of the first day"


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    made = site.database(engine, SERF_RPC_AUTH=RPC_KEY)
    made.wait_healthy().wait_ready()
    yield made
    made.remove()


def admin(server: Database, *arguments: str) -> tuple[int, str, str]:
    """dbhandler-admin by docker exec: its status, what was on stdout, and what it said beside that."""
    script = 'dbhandler-admin "$@" 2>/tmp/said >/tmp/out; s=$?; cat /tmp/out; echo ----; cat /tmp/said; exit $s'
    done = server.run("sh", "-c", script, "-", *arguments)
    out, _, said = done.stdout.partition("----\n")
    return done.returncode, out, said


def listed(server: Database, name: str) -> list[dict[str, Any]]:
    status, out, said = admin(server, "list", name, "--json")
    assert status == 0, said
    return list(json.loads(out))


def ask(server: Database, query: str, box: Credentials) -> dict[str, Any]:
    """The agent's answer, without Serf in between."""
    payload = json.dumps({"database": box.database, "sealed": seal(server.key, box)})
    answer = server.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME=query)
    return dict(json.loads(answer.splitlines()[-1]))


def made(server: Database, name: str) -> None:
    answer = ask(server, "create_db", Credentials(name, name, PASSWORD))
    assert answer["status"] == "created", answer


def given(server: Database, name: str, account: str, role: str = "reader", **more: Any) -> None:
    """An account beside the database's own; more may be its ttl, or another owner with another password."""
    box: dict[str, Any] = {"user": name, "password": PASSWORD, "expires": int(time.time()) + LIFETIME} | more
    wanted = Credentials(name, operation="grant_db", account=account, new_password=GIVEN, role=role, **box)
    answer = ask(server, "grant_db", wanted)
    assert answer["status"] == "created", answer


# --- list ---


def test_the_list_says_who_has_what_and_how_it_is_used(server: Database) -> None:
    made(server, "listed")
    given(server, "listed", "listed_reader", ttl=3600)
    server.sql("CREATE DATABASE listed_by_nobody")
    before = time.time()
    with closing(server.connect("listed", PASSWORD, "listed")) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO t VALUES (1)")
        eventually("the write", lambda: listed(server, "listed")[0]["last_write"])
        own, reader = listed(server, "listed")
    assert (own["account"], own["role"], own["connections"], own["ends"]) == ("listed", "main", 1, None)
    assert own["size"] >= 16384 and 0 <= own["age"] < 600
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before - 5)) <= own["last_write"]
    assert (reader["account"], reader["role"], reader["connections"]) == ("listed_reader", "reader", 0)
    assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before + 3000)) < reader["ends"]
    # MariaDB counts them only where it is told to.
    assert own["logins"] is None if server.engine == "mariadb" else own["logins"] >= 1
    [nobodys] = listed(server, "listed_by_nobody")
    assert (nobodys["account"], nobodys["role"], nobodys["size"]) == (None, None, 0)
    status, out, said = admin(server, "list")
    assert status == 0, said
    lines = {tuple(line.split()[:3]) for line in out.splitlines()}
    assert lines >= {
        ("DATABASE", "ACCOUNT", "ROLE"), ("listed", "listed", "main"), ("listed", "listed_reader", "reader"),
        ("listed_by_nobody", "-", "-"),
    }  # fmt: skip
    assert not {name for name, *_ in lines} & {"mysql", "sys", "information_schema", "performance_schema"}
    assert admin(server, "list", "never")[0] == 64


# --- adopt ---


def test_a_database_made_by_hand_gets_an_owner(server: Database, tmp_path: Path) -> None:
    user, _ = server.admin
    for statement in (
        "CREATE DATABASE by_hand",
        "CREATE TABLE by_hand.t (word VARCHAR(20) PRIMARY KEY)",
        "INSERT INTO by_hand.t VALUES ('kept')",
        "CREATE VIEW by_hand.v AS SELECT word FROM by_hand.t",
        "CREATE SQL SECURITY INVOKER VIEW by_hand.w AS SELECT word FROM by_hand.t",
        "CREATE DEFINER = 'gone'@'localhost' PROCEDURE by_hand.p() SELECT COUNT(*) FROM by_hand.t",
        "CREATE DEFINER = 'by_hand'@'%' PROCEDURE by_hand.own() SELECT COUNT(*) FROM by_hand.t",
    ):
        server.sql(statement)
    status, out, said = admin(server, "adopt", "by_hand")
    assert status == 0, said
    state = json.loads(out)
    assert (state["database"], state["user"], state["key"]) == ("by_hand", "by_hand", server.key)
    assert f"the view 'v' runs as '{user}@%'" in said
    assert "the procedure 'p' runs as 'gone@localhost', who does not exist" in said
    assert "'w'" not in said and "'own'" not in said
    assert state["password"] not in server.logs + said
    # For the application it is as if it had asked for it.
    file = tmp_path / "state.json"
    file.write_text(out)
    assert printed_by_request(server, file, "by_hand")["password"] == state["password"]
    assert server.sql("SELECT word FROM v", "by_hand", state["password"], "by_hand") == [("kept",)]
    assert server.sql("CALL own()", "by_hand", state["password"], "by_hand") == [(1,)]
    assert [row["role"] for row in listed(server, "by_hand")] == ["main"]
    before = server.snapshot()
    status, out, said = admin(server, "adopt", "by_hand")
    assert (status, out) == (77, "") and "belongs to the account 'by_hand': reissue" in said
    assert server.snapshot() == before


def printed_by_request(server: Database, state: Path, name: str) -> dict[str, Any]:
    """What dbhandler-request prints in an application's container that has that state file."""
    state.chmod(0o644)
    done = docker(
        "run", "--rm", "--network", f"container:{server.name}", "--user", "0", "-v", f"{state.parent}:/state", "-e",
        f"SERF_RPC_AUTH={RPC_KEY}", "--entrypoint", "dbhandler-request", "dbhandler-serf", name, "--state",
        f"/state/{state.name}", "--timeout", "30", "--format", "json", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_under_another_name_and_again_when_that_account_is_gone(server: Database) -> None:
    server.sql("CREATE DATABASE twice")
    status, out, said = admin(server, "adopt", "twice", "--user", "first_owner")
    assert (status, json.loads(out)["user"]) == (0, "first_owner"), said
    given(server, "twice", "twice_reader", user="first_owner", password=json.loads(out)["password"])
    server.sql("DROP USER first_owner@'%'")
    # A claim of this minute may be that of somebody who is at it.
    server.sql("UPDATE mysql.dbhandler_registry SET claimed = claimed - INTERVAL 2 MINUTE WHERE name = 'twice'")
    # Whom the former owner let in is not let in by the way.
    status, _, said = admin(server, "adopt", "twice")
    assert status == 77 and "'twice_reader@%'" in said, said
    assert admin(server, "revoke", "twice", "twice_reader")[0] == 0
    status, out, said = admin(server, "adopt", "twice")
    assert (status, json.loads(out)["user"]) == (0, "twice"), said
    assert server.opens("twice", json.loads(out)["password"], "twice")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("never",), 64, "there is no database 'never'"),
        (("mysql",), 64, "belongs to the server itself"),
        (("refused", "--user", "root"), 64, "reserved"),
        (("refused", "--user", "neighbour"), 77, "the user name 'neighbour' is taken"),
        (("held",), 77, "others hold privileges on the database 'held': 'ops@%'"),
    ],
)
def test_a_refused_adoption_changes_nothing(
    refusing: Database, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    before = refusing.snapshot()
    found, out, said = admin(refusing, "adopt", *arguments)
    assert (found, out) == (status, "") and sentence in said, said
    assert refusing.snapshot() == before


@pytest.fixture(scope="module")
def refusing(server: Database) -> Database:
    """The server, where some names are taken."""
    made(server, "neighbour")
    for statement in (
        "CREATE DATABASE refused", "CREATE DATABASE held", "CREATE USER ops@'%' IDENTIFIED BY 'any password at all'",
        "GRANT SELECT ON held.* TO ops@'%'", "GRANT SELECT ON neighbour.* TO ops@'%'",
    ):  # fmt: skip
        server.sql(statement)
    return server


# --- revoke ---


def test_an_account_is_taken_away_with_its_sessions(server: Database) -> None:
    made(server, "open")
    given(server, "open", "guest", "writer")
    with (
        closing(server.connect("guest", GIVEN, "open")) as guest, guest.cursor() as cursor,
        closing(server.connect("open", PASSWORD, "open")) as own, own.cursor() as owner,
    ):  # fmt: skip
        cursor.execute("SELECT 1")
        status, out, said = admin(server, "revoke", "open", "guest")
        assert (status, out) == (0, ""), said
        with pytest.raises(pymysql.err.Error):
            cursor.execute("SELECT 1")
        owner.execute("SELECT 1")
    assert not server.opens("guest", GIVEN)
    assert [row["account"] for row in listed(server, "open")] == ["open"]
    for user, expected, sentence in (("guest", 64, "has given nobody"), ("open", 77, "the own account of 'open'")):
        status, _, said = admin(server, "revoke", "open", user)
        assert status == expected and sentence in said, said
    # The name is free again.
    given(server, "open", "guest")
    assert server.opens("guest", GIVEN, "open")


# --- rotate ---


@pytest.fixture
def rotated(site: Site, engine: str) -> Iterator[Database]:
    """A server whose administrator has a password of its owner's."""
    made = site.database(engine, MYSQL_ADMIN_PASSWORD=FIRST)
    made.wait_healthy().wait_ready()
    yield made
    made.remove()


def rotate(server: Database, *arguments: str) -> str:
    """The new password of the administrator."""
    status, out, said = admin(server, "rotate", *arguments)
    assert status == 0, said
    [line] = [line for line in out.splitlines() if line.startswith("    mysql -uadmin -p")]
    password = line.split()[2].removeprefix("-p")
    assert password not in server.logs + said
    return password


def opening(server: Database, *passwords: str) -> list[bool]:
    return [server.opens("admin", password) for password in passwords]


def test_the_administrator_gets_another_password(rotated: Database) -> None:
    second = rotate(rotated)
    assert opening(rotated, FIRST, second) == [True, True]
    assert rotated.sql("CREATE DATABASE still_may_all", "admin", second) == []
    # Its time comes, and the agent ends it: nothing else.
    soon = "UPDATE mysql.dbhandler_accounts SET old_until = (UNIX_TIMESTAMP() + 1) * 1000 WHERE user = 'admin'"
    rotated.sql(soon, "admin", second)
    eventually("the end of the first password", lambda: opening(rotated, FIRST, second) == [False, True])
    known = "SELECT COUNT(*) FROM mysql.dbhandler_accounts"
    eventually("its row to go", lambda: rotated.sql(known, "admin", second) == [(0,)])
    assert ("still_may_all",) in rotated.sql("SHOW DATABASES", "admin", second)

    third = rotate(rotated, "--keep-old", "1h")
    assert opening(rotated, second, third) == [True, True]
    fourth = rotate(rotated, "--keep-old", "0")
    assert opening(rotated, FIRST, second, third, fourth) == [False, False, False, True]
    # MYSQL_ADMIN_PASSWORD is for an account that is not there yet.
    rotated.restart()
    rotated.wait_healthy()
    assert opening(rotated, FIRST, fourth) == [False, True]
