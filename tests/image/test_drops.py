"""Dropping on real servers: nothing is lost, nobody is held up, what was cut short is undone; and the way back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest

from dbhandler.requests.box import Credentials, seal
from tests.support.containers import Database, Site
from tests.support.docker import eventually

PASSWORD = "the password of an application"
TRASH = "/var/lib/dbhandler/trash"
PROGRAM = {"mariadb": "mariadb-dump", "mysql": "mysqldump"}
SLOWLY = '#!/bin/sh\n/usr/bin/{program} "$@"; status=$?\nwhile [ -e /tmp/hold ]; do sleep 0.1; done\nexit $status\n'
"""The dump program, which has done its work and does not end yet."""


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    made = site.database(engine, DBHANDLER_ALLOW_DROP="1")
    made.wait_healthy().wait_ready()
    script = SLOWLY.format(program=PROGRAM[engine])
    path = f"/usr/local/bin/{PROGRAM[engine]}"
    made.exec("sh", "-c", f"cat > {path}; chmod 755 {path}", stdin=script)
    yield made
    made.remove()


@pytest.fixture
def held(server: Database) -> Iterator[None]:
    """Dumps do not end before the test does."""
    server.exec("touch", "/tmp/hold")
    yield
    server.exec("rm", "-f", "/tmp/hold")


def ask(server: Database, name: str, payload: dict[str, object]) -> dict[str, Any]:
    """The agent's answer, without Serf in between."""
    answer = server.exec("dbhandler-query", stdin=json.dumps(payload), SERF_QUERY_NAME=name)
    return dict(json.loads(answer.splitlines()[-1]))


def create(server: Database, name: str) -> dict[str, Any]:
    return ask(server, "create_db", {"database": name, "sealed": seal(server.key, Credentials(name, name, PASSWORD))})


def made(server: Database, name: str, rows: int = 1) -> None:
    assert create(server, name)["status"] == "created"
    fill(server, name, rows)


def fill(server: Database, name: str, rows: int = 1) -> None:
    with closing(server.connect(name, PASSWORD, name)) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, word VARBINARY(20))")
        cursor.execute("CREATE VIEW v AS SELECT id FROM t")
        for _ in range(rows):
            cursor.execute(r"INSERT INTO t (word) VALUES (X'00FF0A27')")


def drop_once(server: Database, name: str) -> dict[str, Any]:
    box = Credentials(name, name, PASSWORD, operation="drop_db", expires=int(time.time()) + 60)
    return ask(server, "drop_db", {"database": name, "sealed": seal(server.key, box)})


def dropped(server: Database, name: str) -> dict[str, Any]:
    """Asks as a client does, until there is a decisive answer."""
    answer: dict[str, Any] = {}

    def decisive() -> bool:
        answer.update({"reason": None} | drop_once(server, name))
        return bool(answer["status"] != "unavailable")

    eventually("an answer", decisive)
    return answer


def trash(server: Database) -> str:
    """The names of the files in the trash."""
    return server.exec("sh", "-c", f"ls {TRASH} 2>/dev/null; true")


def dump(server: Database, answer: dict[str, Any]) -> str:
    return server.exec("gzip", "-dc", f"{TRASH}/{answer['dump']}")


@pytest.mark.usefixtures("held")
def test_what_is_written_while_the_dump_is_written_is_not_lost_and_nobody_waits(server: Database) -> None:
    made(server, "busy")
    acknowledged = 1
    stop = threading.Event()

    def write() -> None:
        nonlocal acknowledged
        link = server.connect("busy", PASSWORD, "busy")
        with suppress(pymysql.err.MySQLError, OSError), closing(link), link.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO t (word) VALUES ('more')")
                acknowledged += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually("some rows", lambda: acknowledged > 20)
        assert drop_once(server, "busy")["status"] == "unavailable"
        eventually("the dump", lambda: ".part" in trash(server))
        assert not server.opens("busy", PASSWORD)
        # Everybody else is served, and the name is nobody's to make.
        for number in range(5):
            began = time.monotonic()
            assert create(server, f"other{number}")["status"] == "created"
            again = drop_once(server, "busy")
            assert again["status"] == "unavailable" and "is being dropped: ask again" in again["reason"]
            assert time.monotonic() - began < 10
        assert "is being dropped" in create(server, "busy")["reason"]
    finally:
        stop.set()
        writer.join()
        server.exec("rm", "-f", "/tmp/hold")
    answer = dropped(server, "busy")
    assert answer["status"] == "dropped", answer
    assert "busy" not in server.databases()
    text = dump(server, answer)
    # The last one may have been done and not told.
    assert text.count("0x6D6F7265") + text.count("0x00FF0A27") - acknowledged in (0, 1)


@pytest.mark.usefixtures("held")
def test_an_agent_that_is_killed_in_the_middle_leaves_no_account_locked(server: Database) -> None:
    made(server, "cut", rows=3)
    assert drop_once(server, "cut")["status"] == "unavailable"
    eventually("the dump", lambda: "cut-" in trash(server))
    before = server.pid("agent")
    server.exec("sh", "-c", f"kill -KILL {before}")
    eventually("the next agent", lambda: server.pid("agent") not in (0, before))
    eventually("the account", lambda: server.opens("cut", PASSWORD, "cut"))
    assert server.sql("SELECT COUNT(*) FROM t", "cut", PASSWORD, "cut") == [(3,)]
    server.sql("INSERT INTO t (word) VALUES ('after')", "cut", PASSWORD, "cut")
    eventually("the unfinished dump to go", lambda: "cut-" not in trash(server))
    server.exec("rm", "-f", "/tmp/hold")
    answer = dropped(server, "cut")
    assert "0x6166746572" in dump(server, answer)


def test_a_lock_and_a_flood_of_drops_hold_nobody_up(server: Database) -> None:
    made(server, "locked")
    with closing(server.connect(database="locked")) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM t")
        for number in range(5):
            began = time.monotonic()
            # Failed is what it is when the lock stays for long.
            assert drop_once(server, "locked")["status"] in ("unavailable", "failed")
            assert create(server, f"neighbour{number}")["status"] == "created"
            assert time.monotonic() - began < 10
    eventually("the drop", lambda: dropped(server, "locked")["status"] == "dropped")


def test_what_an_administrator_writes_meanwhile_keeps_the_database(server: Database) -> None:
    made(server, "watched")
    server.exec("touch", "/tmp/hold")
    assert drop_once(server, "watched")["status"] == "unavailable"
    eventually("the dump", lambda: "watched-" in trash(server))
    server.sql("INSERT INTO watched.t (word) VALUES ('late')")
    server.exec("rm", "-f", "/tmp/hold")
    answer = dropped(server, "watched")
    assert answer["status"] == "dropped"
    assert "0x6C617465" in dump(server, answer)


def test_a_dump_that_fails_says_why_and_drops_nothing(server: Database) -> None:
    made(server, "broken")
    server.sql("CREATE VIEW w AS SELECT word FROM t", "broken", PASSWORD, "broken")
    server.sql("ALTER TABLE t RENAME COLUMN word TO term", "broken", PASSWORD, "broken")
    answer = dropped(server, "broken")
    assert answer["status"] == "failed"
    assert "nothing is dropped" in answer["reason"] and "broken.w" in answer["reason"]
    assert server.sql("SELECT COUNT(*) FROM t", "broken", PASSWORD, "broken") == [(1,)]
    server.sql("INSERT INTO t (term) VALUES ('on')", "broken", PASSWORD, "broken")
    assert server.logged("query drop_db: 'broken' failed .*broken.w")
    assert "broken-" not in trash(server)


def admin(server: Database, *arguments: str) -> tuple[int, str, dict[str, str]]:
    """dbhandler-admin by docker exec: its status, what it said, and the state on stdout."""
    done = server.run("sh", "-c", 'dbhandler-admin "$@" 2>/tmp/said; s=$?; cat /tmp/said >&2; exit $s', "-", *arguments)
    lines = done.stdout.splitlines()
    state: dict[str, str] = next((json.loads(line) for line in lines if line.startswith("{")), {})
    return done.returncode, "\n".join(line for line in lines if not line.startswith("{")), state


def test_a_dropped_database_comes_back(server: Database) -> None:
    made(server, "shop", rows=2)
    server.sql("CREATE PROCEDURE p() SQL SECURITY DEFINER SELECT COUNT(*) FROM t", "shop", PASSWORD, "shop")
    name = dropped(server, "shop")["dump"]
    assert name in admin(server, "dumps")[1]
    status, said, state = admin(server, "restore", "shop")
    assert (status, state["database"], state["user"], state["key"]) == (0, "shop", "shop", server.key), said
    assert name in said
    assert server.sql("SELECT word FROM t", "shop", state["password"], "shop") == [(b"\0\xff\n'",)] * 2
    assert server.sql("SELECT COUNT(*) FROM v", "shop", state["password"], "shop") == [(2,)]
    assert server.sql("CALL p()", "shop", state["password"], "shop") == [(2,)]
    # Never over data; beside it, with an account of its own, which runs what it holds.
    status, said, _ = admin(server, "restore", "shop")
    assert status == 77 and "is not empty" in said
    status, said, other = admin(server, "restore", "shop", "--dump", name, "--as", "shop_old")
    assert (status, other["user"]) == (0, "shop_old"), said
    assert server.sql("SELECT COUNT(*) FROM v", "shop_old", other["password"], "shop_old") == [(2,)]
    assert server.sql("CALL p()", "shop_old", other["password"], "shop_old") == [(2,)]
    assert admin(server, "restore", "never")[0] == 64


def test_a_dump_comes_back_into_the_empty_database_that_its_application_has_asked_for_again(server: Database) -> None:
    made(server, "again")
    dropped(server, "again")
    assert create(server, "again")["status"] == "created"
    status, said, state = admin(server, "restore", "again")
    assert (status, state) == (0, {}), said
    assert server.sql("SELECT COUNT(*) FROM t", "again", PASSWORD, "again") == [(1,)]


def test_a_restored_state_takes_the_place_of_the_present_one(server: Database) -> None:
    made(server, "live", rows=3)
    server.sql("CREATE PROCEDURE p() SQL SECURITY DEFINER SELECT COUNT(*) FROM t", "live", PASSWORD, "live")
    made(server, "before", rows=1)
    with closing(server.connect("live", PASSWORD, "live")) as link, link.cursor() as cursor:
        cursor.execute("SELECT 1")
        status, said, state = admin(server, "replace", "live", "--by", "before")
        assert (status, state) == (0, {}), said
        with pytest.raises(pymysql.err.Error):
            cursor.execute("SELECT COUNT(*) FROM t")
    assert server.sql("SELECT COUNT(*) FROM v", "live", PASSWORD, "live") == [(1,)]
    assert server.sql("SELECT COUNT(*) FROM v", "before", PASSWORD, "before") == [(1,)]
    # What there was is in the dump that it names.
    [kept] = re.findall(r"restore live --dump (\S+) --as OTHER", said)
    assert [line for line in trash(server).split() if line.startswith(("live-", "before-"))] == [kept]
    status, said, other = admin(server, "restore", "live", "--dump", kept, "--as", "live_then")
    assert (status, other["user"]) == (0, "live_then"), said
    assert server.sql("CALL p()", "live_then", other["password"], "live_then") == [(3,)]
    for arguments, expected, sentence in (
        (("live", "--by", "never"), 64, "there is no database 'never'"),
        (("live", "--by", "live"), 64, "by another one"),
        (("mysql", "--by", "before"), 64, "belongs to the server itself"),
        (("live",), 64, "--by"),
    ):
        status, said, _ = admin(server, "replace", *arguments)
        assert status == expected and sentence in said, said


def test_what_cannot_be_loaded_in_its_place_changes_nothing(server: Database) -> None:
    made(server, "kept", rows=2)
    made(server, "foreign", rows=1)
    # It runs as somebody else, which its owner may not make.
    server.sql("CREATE DEFINER=CURRENT_USER PROCEDURE foreign.p() SQL SECURITY DEFINER SELECT 1")
    status, said, _ = admin(server, "replace", "kept", "--by", "foreign")
    assert status == 70 and "was not restored" in said, said
    assert server.sql("SELECT COUNT(*) FROM v", "kept", PASSWORD, "kept") == [(2,)]


def test_a_password_is_issued_again(server: Database) -> None:
    made(server, "lost")
    status, said, state = admin(server, "reissue", "lost")
    assert status == 0, said
    assert not server.opens("lost", PASSWORD)
    assert server.sql("SELECT COUNT(*) FROM t", "lost", state["password"], "lost") == [(1,)]
    assert state["password"] not in server.logs
    assert admin(server, "reissue", "nowhere")[0] == 64
    assert admin(server, "reissue", "mysql")[0] == 64
