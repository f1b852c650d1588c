"""Copies of a database, on real servers: one moment of the original, and nothing more of it for the copy's owner."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

from dbhandler.requests.box import Credentials
from tests.image.test_roles import OWNER, ask, box
from tests.support.containers import Database, Site
from tests.support.docker import eventually

COPIER = "the password of the copy"
OBJECTS = (
    "CREATE TABLE accounts (id INT PRIMARY KEY, amount INT NOT NULL, note VARCHAR(30) CHARACTER SET latin1)",
    "CREATE TABLE entries (id INT AUTO_INCREMENT PRIMARY KEY, account INT NOT NULL, amount INT NOT NULL, blob_ BLOB, "
    "FOREIGN KEY (account) REFERENCES accounts (id))",
    "INSERT INTO accounts VALUES (1, 500, 'caf\N{LATIN SMALL LETTER E WITH ACUTE};\\n--'), (2, 500, NULL)",
    "INSERT INTO entries (account, amount, blob_) VALUES (1, 500, x'00ff3b0a'), (2, 500, NULL)",
    "CREATE TABLE tags (id INT PRIMARY KEY, word VARCHAR(20), UNIQUE KEY u (word, id), KEY w (word), KEY b (id, word))",
    "INSERT INTO tags VALUES (1, 'a'), (2, 'b'), (3, 'b')",
    "CREATE VIEW totals AS SELECT account, SUM(amount) AS amount FROM entries GROUP BY account",
    "CREATE PROCEDURE summed() BEGIN SELECT SUM(amount) FROM entries; END",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM entries WHERE id < 0",
)
TRIGGER = "CREATE TRIGGER noted BEFORE INSERT ON entries FOR EACH ROW SET NEW.amount = NEW.amount + 0"
"""MySQL lets administrators alone make one, where it writes a binary log."""


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    made = site.database(engine, DBHANDLER_ALLOW_DROP="1")
    made.wait_healthy().wait_ready()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def bank(server: Database, engine: str) -> str:
    """A database with everything in it."""
    assert ask(server, "create_db", Credentials("bank", "bank", OWNER))["status"] == "created"
    with closing(server.connect("bank", OWNER, "bank")) as connection, connection.cursor() as cursor:
        for statement in (*OBJECTS, *([TRIGGER] if engine == "mariadb" else [])):
            cursor.execute(statement)
    return "bank"


def new(server: Database, name: str, **more: Any) -> None:
    assert ask(server, "create_db", Credentials(name, name, COPIER, **more))["status"] == "created"


def copy(server: Database, name: str, source: str = "bank", password: str = OWNER, **more: Any) -> dict[str, Any]:
    wanted = box("copy_db", name, COPIER, source=source, source_password=password, **more)
    return ask(server, "copy_db", wanted)


def copied(server: Database, name: str, **more: Any) -> None:
    answers: list[dict[str, Any]] = []

    def is_done() -> bool:
        answers.append(copy(server, name, **more))
        assert answers[-1]["status"] in ("copied", "unavailable"), answers[-1]
        return bool(answers[-1]["status"] == "copied")

    eventually("the copy", is_done, 120, 0.2)


def content(server: Database, name: str, password: str) -> dict[str, Any]:
    """What there is, as its owner sees it."""
    with closing(server.connect(name, password, name)) as connection, connection.cursor() as cursor:
        found: dict[str, Any] = {}
        for table in ("accounts", "entries", "tags", "totals"):
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
        cursor.execute("CALL summed()")
        found["summed"] = cursor.fetchall()
        cursor.nextset()
        for query in (
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s",
            "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
            "SELECT COLUMN_NAME, CHARACTER_SET_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s ORDER BY 1",
            "SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME FROM information_schema.STATISTICS "
            "WHERE TABLE_SCHEMA = %s ORDER BY 1, 2, 3",
            "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s",
        ):
            cursor.execute(query, (name,))
            found[query] = cursor.fetchall()
        return found


def test_a_copy_holds_everything_and_is_its_owners_alone(server: Database, bank: str) -> None:
    new(server, "bank_pr17")
    copied(server, "bank_pr17")
    original = content(server, bank, OWNER)
    assert content(server, "bank_pr17", COPIER) == original
    with closing(server.connect("bank_pr17", COPIER, "bank_pr17")) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO entries (account, amount) VALUES (1, 1)")
        cursor.execute("DROP VIEW totals")
        for statement in ("SELECT * FROM bank.accounts", "USE bank", "SELECT * FROM bank.totals"):
            with pytest.raises(pymysql.err.MySQLError):
                cursor.execute(statement)
    assert content(server, bank, OWNER) == original
    # Asked again it is what it became, not what the original is.
    assert copy(server, "bank_pr17")["status"] == "copied"
    assert server.sql("SELECT COUNT(*) FROM entries", "bank_pr17", COPIER, "bank_pr17") == [(3,)]


def test_nobody_else_gets_one(server: Database, bank: str) -> None:
    new(server, "thief")
    given = box("grant_db", bank, account="clerk", new_password=COPIER, role="reader")
    assert ask(server, "grant_db", given)["status"] == "created"
    before = server.snapshot()
    for answer in (
        copy(server, "thief", password=COPIER),
        copy(server, "thief", source_user="thief", password=COPIER),
        copy(server, "thief", source_user="clerk", password=COPIER),
        copy(server, "bank", password=OWNER),
        ask(server, "copy_db", box("copy_db", "bank_pr17", OWNER, source="bank", source_password=OWNER)),
    ):
        assert answer["status"] in ("denied", "invalid"), answer
    for source in ("mysql", "sys", "information_schema", "no such", "x" * 65):
        assert copy(server, "thief", source)["status"] in ("denied", "invalid")
    assert server.snapshot() == before
    assert server.sql("SHOW TABLES", "thief", COPIER, "thief") == []


def test_what_holds_something_is_no_copy(server: Database, bank: str) -> None:
    new(server, "busy")
    server.sql("CREATE TABLE own (id INT)", "busy", COPIER, "busy")
    answer = copy(server, "busy")
    assert answer["status"] == "denied" and "not empty" in answer["reason"]
    assert server.sql("SHOW TABLES", "busy", COPIER, "busy") == [("own",)]


def test_there_are_not_more_copies_than_the_servers_owner_allows(server: Database, bank: str) -> None:
    if "bank_pr17" not in server.databases():
        new(server, "bank_pr17")
        copied(server, "bank_pr17")
    for name in ("bank_one", "bank_two", "bank_three"):
        new(server, name)
    copied(server, "bank_one")
    answer = copy(server, "bank_two")
    assert answer["status"] == "denied" and "DBHANDLER_MAX_COPIES" in answer["reason"]
    gone = box("drop_db", "bank_one", COPIER)
    eventually("the drop", lambda: ask(server, "drop_db", gone)["status"] == "dropped", 60)
    copied(server, "bank_three")


def test_a_copy_is_one_moment_of_a_database_that_is_written_to(server: Database) -> None:
    """Money moves between two tables all the time; in a copy none is lost and none is made."""
    assert ask(server, "create_db", Credentials("moving", "moving", OWNER))["status"] == "created"
    with closing(server.connect("moving", OWNER, "moving")) as connection, connection.cursor() as cursor:
        for table in ("one", "two"):
            cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, amount INT NOT NULL, filler CHAR(200))")
            rows = ", ".join(f"({number}, 100, REPEAT('x', 200))" for number in range(2000))
            cursor.execute(f"INSERT INTO {table} VALUES {rows}")
    new(server, "moved")
    stop, written = threading.Event(), list[int]()
    writer = threading.Thread(target=move, args=(server, stop, written))
    writer.start()
    try:
        eventually("writes", lambda: len(written) > 50)
        before = len(written)
        copied(server, "moved", source="moving")
        assert len(written) > before
    finally:
        stop.set()
        writer.join()
    total = "SELECT (SELECT SUM(amount) FROM one) + (SELECT SUM(amount) FROM two), (SELECT COUNT(*) FROM one)"
    assert server.sql(total, "moved", COPIER, "moved") == [(400_000, 2000)]
    assert server.sql(total, "moving", OWNER, "moving") == [(400_000, 2000)]


def move(server: Database, stop: threading.Event, written: list[int]) -> None:
    with closing(server.connect("moving", OWNER, "moving")) as connection, connection.cursor() as cursor:
        while not stop.is_set():
            number = len(written) % 2000
            cursor.execute("BEGIN")
            cursor.execute(f"UPDATE one SET amount = amount - 1 WHERE id = {number}")
            cursor.execute(f"UPDATE two SET amount = amount + 1 WHERE id = {1999 - number}")
            cursor.execute("COMMIT")
            written.append(1)


def test_a_copy_that_was_cut_short_is_written_anew(server: Database, engine: str) -> None:
    assert ask(server, "create_db", Credentials("large", "large", OWNER))["status"] == "created"
    with closing(server.connect("large", OWNER, "large")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, filler VARCHAR(500))")
        cursor.execute("INSERT INTO t (filler) VALUES " + ", ".join(["(REPEAT('x', 500))"] * 1000))
        for _ in range(8):
            cursor.execute("INSERT INTO t (filler) SELECT filler FROM t")
        cursor.execute("SELECT COUNT(*) FROM t")
        [(rows,)] = cursor.fetchall()
    new(server, "largest")
    assert copy(server, "largest", source="large")["status"] == "unavailable"
    server.supervisorctl("signal", "KILL", "dbhandler:agent")
    time.sleep(1)
    eventually("the agent", lambda: ask(server, "status_db_", box("x", "x"))["status"] == "invalid", 60, 0.2)
    copied(server, "largest", source="large")
    assert server.sql("SELECT COUNT(*) FROM t", "largest", COPIER, "largest") == [(rows,)]
