"""The trail of who did what, in real containers: whole whatever is killed, and no tampering goes unseen."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from dbhandler.requests.box import Credentials, seal
from tests.support.containers import Database, Site
from tests.support.docker import again_and_again, eventually

PASSWORD = "the password of an application"
FILE = "/audit/folder/trail"
SMALL = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=64k")


def started(site: Site, engine: str, volume: str, **environ: str) -> Database:
    made = site.database(engine, options=("-v", f"{volume}:/audit"), DBHANDLER_ALLOW_DROP="1", **environ)
    made.wait_healthy().wait_ready()
    return made


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    made = started(site, engine, site.volume(), DBHANDLER_AUDIT=FILE)
    yield made
    made.remove()


def ask(server: Database, query: str, payload: dict[str, object]) -> dict[str, Any]:
    """The agent's answer, without Serf in between."""
    answer = server.exec("dbhandler-query", stdin=json.dumps(payload), SERF_QUERY_NAME=query)
    return dict(json.loads(answer.splitlines()[-1]))


def create(server: Database, name: str) -> dict[str, Any]:
    return ask(server, "create_db", {"database": name, "sealed": seal(server.key, Credentials(name, name, PASSWORD))})


def drop(server: Database, name: str) -> None:
    """Asks as a client does, until it is dropped."""

    def is_dropped() -> bool:
        box = Credentials(name, name, PASSWORD, operation="drop_db", expires=int(time.time()) + 60)
        answer = ask(server, "drop_db", {"database": name, "sealed": seal(server.key, box)})
        return bool(answer["status"] == "dropped")

    eventually("the drop", is_dropped)


def trail(server: Database, *files: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.exec("cat", *(files or (FILE,))).splitlines()]


def verify(server: Database, *arguments: str, stdin: str | None = None) -> tuple[int, str]:
    """The exit status and what it says."""
    done = server.run("dbhandler-audit", "verify", *arguments, stdin=stdin)
    return done.returncode, done.stdout


def check_whole(server: Database, *files: str) -> None:
    status, said = verify(server, *files)
    assert status == 0 and " whole, from number 1 (" in said, said


def test_each_change_and_each_refusal_has_its_line_and_no_secret(server: Database) -> None:
    create(server, "shop")
    create(server, "shop")
    server.exec("dbhandler-create", stdin="noted", SERF_USER_LTIME="7")
    eventually("the event", lambda: "noted" in server.databases())
    ask(server, "create_db", {"database": "no;name"})
    other = seal(server.key, Credentials("shop", "shop", PASSWORD + "!", operation="rotate_db",
                                         new_password=PASSWORD + "?", expires=int(time.time()) + 60))  # fmt: skip
    ask(server, "rotate_db", {"database": "shop", "sealed": other})
    drop(server, "shop")
    state = json.loads(server.exec("sh", "-c", "dbhandler-admin restore shop 2>/dev/null"))
    lines = trail(server)
    told = [(line["operation"], line["outcome"], line.get("database"), line.get("origin")) for line in lines]
    assert told == [
        ("create_admin", "created", None, "start"),
        ("create_db", "created", "shop", "query create_db"),
        ("create_db", "created", "noted", "event create_db #7"),
        ("create_db", "invalid", None, "query create_db"),
        ("rotate_db", "denied", "shop", "query rotate_db"),
        ("drop_db", "dropped", "shop", "query drop_db"),
        ("restore", "restored", "shop", "operator"),
    ]
    assert {line["node"] for line in lines} == {server.node}
    assert lines[5]["dump"] == lines[6]["dump"]
    text = server.exec("cat", FILE) + server.exec("cat", "/var/lib/dbhandler/audit-head")
    for secret in (PASSWORD, state["password"], server.admin[1], other):
        assert secret not in text
    assert server.exec("stat", "-c", "%U %a", FILE).strip() == "mysql 600"
    check_whole(server)


def holds_more(server: Database, number: int) -> bool:
    return len(server.databases()) > number


def is_another(server: Database, agent: int) -> bool:
    return server.pid("agent") not in (0, agent)


def test_killed_again_and_again_it_is_whole_and_nothing_was_done_without_a_line(server: Database) -> None:
    numbers, before = count(), server.databases()
    for _ in range(3):
        there = len(server.databases())
        with again_and_again(lambda: server.run("dbhandler-create", stdin=f"killed{next(numbers)}")):
            eventually("some databases", partial(holds_more, server, there + 5))
            server.kill()
        server.start()
        server.wait_healthy().wait_ready()
        check_whole(server)
    waiting = "ls /var/lib/dbhandler/spool | grep create_db; true"
    eventually("the spool to be empty", lambda: not server.exec("sh", "-c", waiting))
    check_whole(server)
    assert server.databases() - before <= {line.get("database") for line in trail(server)}


def test_an_agent_that_is_killed_leaves_it_whole(server: Database) -> None:
    numbers = count()
    with again_and_again(lambda: server.run("dbhandler-create", stdin=f"agent{next(numbers)}")):
        for _ in range(3):
            before = server.pid("agent")
            server.exec("sh", "-c", f"kill -KILL {before}")
            eventually("the next agent", partial(is_another, server, before))
    eventually("the next request", lambda: create(server, f"agent{next(numbers)}")["status"] == "created")
    check_whole(server)


def test_a_file_that_is_renamed_is_followed_by_another(server: Database) -> None:
    server.exec("mv", FILE, f"{FILE}.1")
    create(server, "rotated")
    check_whole(server, f"{FILE}.1", FILE)
    first = trail(server)[0]["number"]
    status, said = verify(server)
    assert status == os.EX_DATAERR and f"begins with number {first}" in said
    assert verify(server, "--from", str(first))[0] == 0
    server.exec("sh", "-c", f"cat {FILE} >> {FILE}.1 && mv {FILE}.1 {FILE} && chown mysql {FILE}")
    create(server, "on")
    check_whole(server)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("3d", "number 3 is missing, removed between line 2 and line 3"),
        ("2,4d", "the numbers 2 to 4 are missing, removed between line 1 and line 2"),
        ("$d", "missing at the end, which was cut off"),
        ("2s/created/dropped/", "number 2 (line 2) was altered"),
        ("2{h;d};3G", "number 2 (line 3) stands behind number 3: their order was changed"),
        ("2p;2s/created/dropped/", "number 2 (line 3) was altered"),
        ('5i{"audit": 1, "number": 5}', "line 5 begins like a line of the trail and is none"),
    ],
)
def test_tampering_shows(server: Database, command: str, sentence: str) -> None:
    for number in range(4):
        create(server, f"line{number}")
    server.exec("cp", "-p", FILE, "/tmp/kept")
    server.exec("sed", "-i", command, FILE)
    status, said = verify(server)
    server.exec("cp", "-p", "/tmp/kept", FILE)
    assert status == os.EX_DATAERR and sentence in said, said
    check_whole(server)


def test_without_room_requests_go_on_and_the_trail_says_what_is_missing(site: Site, engine: str) -> None:
    server = started(site, engine, site.volume(*SMALL), DBHANDLER_AUDIT=FILE)
    server.exec("sh", "-c", "dd if=/dev/zero of=/audit/full bs=4k 2>/dev/null; true")
    made = 0
    # The file's own page has room for some lines.
    while made < 100 and not server.logged("the audit trail cannot be written"):
        assert create(server, f"full{made}")["status"] == "created"
        made += 1
    assert create(server, "more")["status"] == create(server, "still_more")["status"] == "created"
    assert server.logs.count("the audit trail cannot be written, requests go on: /audit/folder/trail: No space") == 1
    server.exec("rm", "/audit/full")
    create(server, "roomy")
    lines = trail(server)
    assert lines[-1]["database"] == "roomy" and lines[-1]["lost"] >= 2
    assert len(lines) + lines[-1]["lost"] == len(("admin", "more", "still_more", "roomy")) + made
    assert server.logged("the audit trail is written again")
    check_whole(server)
    server.remove()


def test_in_the_containers_log(site: Site, engine: str) -> None:
    server = started(site, engine, site.volume(), DBHANDLER_AUDIT="stdout")
    create(server, "shop")
    drop(server, "shop")
    server.exec("sh", "-c", "dbhandler-admin restore shop 2>/dev/null")
    server.kill()
    server.start()
    server.wait_healthy().wait_ready()
    create(server, "blog")
    status, said = verify(server, "-", stdin=server.logs)
    assert status == 0 and said.startswith("5 lines, whole, from number 1 ("), said
    one, *others = [line for line in server.logs.splitlines() if line.startswith('{"audit"')]
    assert verify(server, "-", stdin="\n".join([one, *others[1:]]))[0] == os.EX_DATAERR
    assert "docker logs db | docker exec -i db dbhandler-audit verify -" in verify(server)[1]
    # Whatever of the container prints it.
    forged = one.replace("created", "dropped")
    status, said = verify(server, "-", stdin=f"{server.logs}\n{forged}\n")
    assert status == os.EX_DATAERR and "number 1 " in said and "was altered" in said
    server.remove()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("trail", "DBHANDLER_AUDIT has to be stdout or the whole path of a file on a volume"),
        ("/var/lib/mysql/trail", "is in /var/lib/mysql, where all is the server's own"),
        ("/var/lib/dbhandler/key", "is a file of ours already"),
        ("/etc/passwd", "/etc/passwd is another user's"),
        ("/nowhere/trail", "/nowhere: Permission denied"),
    ],
)
def test_a_place_that_cannot_be_stops_the_start(site: Site, engine: str, value: str, sentence: str) -> None:
    status, log = site.once(f"dbhandler:{engine}", DBHANDLER_AUDIT=value)
    assert status == os.EX_CONFIG and sentence in log, log
