"""A quota for each database, on real servers: over it nobody writes and everybody reads, whatever is killed; with room
again each account has what it had."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest

from dbhandler.requests.box import Credentials
from tests.support import operations
from tests.support.containers import Database, Site
from tests.support.docker import eventually
from tests.support.operations import ENDED, is_ended

OWNER, GIVEN = "the password of an owner", "the password that was given"
MIB = 2**20
QUOTA = 12 * MIB
WITHIN = 60
"""Seconds in which the agent has seen it, on a busy machine."""
DENIED = 1142


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    """With databases that are too large, each for a test of its own."""
    made = site.database(engine, DBHANDLER_QUOTA_BYTES=str(QUOTA))
    made.wait_healthy().wait_ready()
    new(made, "shop", clerk="owner", writer="writer", reader="reader")
    new(made, "killed", another="writer")
    for name in ("late", "old", "young", "scattered", "sly", "hidden"):
        new(made, name)
    for name in ("late", "old", "young"):
        fill(made, name)
    hide(made, "hidden")
    fill_with_small_rows(made, "scattered")
    yield made
    made.remove()


def ask(server: Database, query: str, box: Credentials) -> dict[str, Any]:
    """The agent's answer, without Serf in between."""
    return sent(server, query, operations.payload_text(server.key, box))


def sent(server: Database, query: str, payload: str) -> dict[str, Any]:
    answer = server.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME=query)
    return dict(json.loads(answer.splitlines()[-1]))


def new(server: Database, name: str, **accounts: str) -> None:
    """A database, and accounts of these roles that its owner gives."""
    box = Credentials(name, name, OWNER)
    eventually("the database", lambda: ask(server, "create_db", box)["status"] in ("created", "exists"), 60, 0.5)
    server.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB)", name, OWNER, name)
    for account, role in accounts.items():
        give(server, name, account, role)


def give(server: Database, name: str, account: str, role: str) -> None:
    """Has the owner give an account; an agent that is busy is asked again, each time with a box of its own."""
    answers: list[dict[str, Any]] = []

    def is_given() -> bool:
        box = operations.box("grant_db", name, OWNER, account=account, new_password=GIVEN, role=role)
        answers.append(ask(server, "grant_db", box))
        assert answers[-1]["status"] in ("created", "exists", "unavailable"), answers
        return str(answers[-1]["status"]) != "unavailable"

    eventually("the account", is_given, 60, 0.5)


def refused(work: Callable[..., object], *values: object) -> int | None:
    """The number of the error that a statement ends with, None where it is carried out."""
    for _ in range(10):
        try:
            work(*values)
        except pymysql.err.MySQLError as error:
            if error.args[0] not in ENDED:
                return int(error.args[0])
            time.sleep(0.1)
        else:
            return None
    raise AssertionError("each of its sessions is ended at once")


def done(server: Database, statement: str, name: str) -> None:
    """Has a database's own account carry out a statement."""
    assert refused(server.sql, statement, name, OWNER, name) is None


def fill(server: Database, name: str, table: str = "t", mib: int = 14) -> None:
    """Writes so many MiB, as far as the server lets it."""
    row = f"INSERT INTO {table} (data) VALUES (REPEAT('x', {MIB}))"
    connections: list[Any] = []
    assert refused(lambda: connections.append(server.connect(name, OWNER, name))) is None
    with closing(connections[0]) as connection, connection.cursor() as cursor:
        for _ in range(mib):
            refused(cursor.execute, row)


def fill_with_small_rows(server: Database, name: str) -> None:
    server.sql("CREATE TABLE small (id INT PRIMARY KEY AUTO_INCREMENT, data VARCHAR(1000))", name, OWNER, name)
    rows = ", ".join(["(REPEAT('x', 900))"] * 4000)
    with closing(server.connect(name, OWNER, name)) as connection, connection.cursor() as cursor:
        for _ in range(4):
            refused(cursor.execute, f"INSERT INTO small (data) VALUES {rows}")


def hide(server: Database, name: str) -> None:
    """Fills a table in the file that all share, where whoever makes one may say so; its size is told by nobody."""
    place = " TABLESPACE innodb_system STATS_AUTO_RECALC = 0" if server.engine == "mysql" else ""
    server.sql(f"CREATE TABLE h (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB){place}", name, OWNER, name)
    fill(server, name, "h")


def grants(server: Database, name: str) -> list[tuple[Any, ...]]:
    return server.sql(f"SELECT * FROM mysql.db WHERE Db = '{name}' ORDER BY Host, User")


def writes(server: Database, name: str, user: str = "", password: str = OWNER) -> bool:
    """May an account write a row?"""
    error = refused(server.sql, "INSERT INTO t (data) VALUES ('')", user or name, password, name)
    assert error in (None, DENIED)
    return error is None


def wait_over(server: Database, name: str) -> None:
    eventually(f"{name} to be over its quota", lambda: not writes(server, name), WITHIN, 0.2)


def wait_within(server: Database, name: str) -> None:
    eventually(f"{name} to be within its quota", lambda: writes(server, name), WITHIN, 0.2)


def test_over_it_nobody_writes_and_everybody_reads(server: Database) -> None:
    before = grants(server, "shop")
    with (
        closing(server.connect("shop", OWNER, "shop")) as owner,
        closing(server.connect("writer", GIVEN, "shop")) as writer,
        closing(server.connect("reader", GIVEN, "shop")) as reader,
    ):
        fill(server, "shop")
        eventually("their sessions to end", lambda: is_ended(owner) and is_ended(writer), WITHIN, 0.2)
        assert not is_ended(reader)
    for user, password in (("shop", OWNER), ("clerk", GIVEN), ("writer", GIVEN)):
        for statement in ("UPDATE t SET data = ''", "CREATE TABLE u (id INT)", "ALTER TABLE t ADD more INT"):
            assert refused(server.sql, statement, user, password, "shop") == DENIED
        assert not writes(server, "shop", user, password)
    for user, password in (("shop", OWNER), ("clerk", GIVEN), ("writer", GIVEN), ("reader", GIVEN)):
        assert server.sql("SELECT COUNT(*) > 10 FROM t", user, password, "shop") == [(1,)]
    told_everywhere(server, "shop")
    with closing(server.connect("shop", OWNER, "shop")) as session, session.cursor() as cursor:
        cursor.execute("DELETE FROM t WHERE id > 4")
        wait_within(server, "shop")
        # It would not have got to know of its rights.
        eventually("the session of before to end", lambda: is_ended(session), WITHIN, 0.2)
    assert grants(server, "shop") == before
    eventually("the word", lambda: server.logged("the database 'shop' is within its quota again"))
    eventually("the answer", lambda: "reason" not in ask(server, "create_db", Credentials("shop", "shop", OWNER)))


def told_everywhere(server: Database, name: str) -> None:
    # What is answered is what was measured, known a moment after the rights are gone.
    eventually("the answer", lambda: "reason" in ask(server, "create_db", Credentials(name, name, OWNER)))
    answer = ask(server, "create_db", Credentials(name, name, OWNER))
    assert answer["status"] == "exists" and f"over its quota of {QUOTA} bytes" in answer["reason"], answer
    copying = operations.box("copy_db", "late", OWNER, source=name, source_user=name, source_password=OWNER)
    answer = ask(server, "copy_db", copying)
    assert answer["status"] == "denied" and "its copy would be no smaller" in answer["reason"], answer
    # To its owner: a bare name proves nothing.
    assert "reason" not in sent(server, "create_db", name)
    assert sent(server, "status_db", "")["over_quota"] >= 1
    assert "over quota)" in server.exec("dbhandler-status", check=False)
    assert "(over quota)" in server.exec("dbhandler-admin", "list", name)
    assert all(row["over_quota"] for row in json.loads(server.exec("dbhandler-admin", "list", name, "--json")))
    # Said after it is done.
    over = rf"the database '{name}' is over its quota: it takes \d+ bytes of {QUOTA}"
    eventually("the word in the log", lambda: server.logged(over))


def test_whatever_is_killed_each_has_in_the_end_what_it_had(server: Database) -> None:
    before = grants(server, "killed")
    fill(server, "killed")
    kill(server, "agent")
    wait_over(server, "killed")
    eventually("the other account", lambda: not writes(server, "killed", "another", GIVEN), WITHIN, 0.2)
    kill(server, "mysqld")
    eventually("the server", lambda: reachable(server), 60, 0.1)
    assert not writes(server, "killed")
    done(server, "TRUNCATE t", "killed")
    # While accounts get back what they had, or a moment before.
    eventually("the end", lambda: stages(server, "killed") != [("over",), ("over",)], WITHIN, 0.01)
    kill(server, "agent")
    wait_within(server, "killed")
    eventually("the other account", lambda: writes(server, "killed", "another", GIVEN), WITHIN, 0.2)
    assert grants(server, "killed") == before


def kill(server: Database, program: str) -> None:
    server.supervisorctl("signal", "KILL", f"dbhandler:{program}")


def stages(server: Database, name: str) -> list[tuple[Any, ...]]:
    return server.sql(f"SELECT stage FROM mysql.dbhandler_quotas WHERE name = '{name}'")


def reachable(server: Database) -> bool:
    with suppress(pymysql.err.MySQLError, OSError):
        server.connect().close()
        return True
    return False


def test_rows_that_are_deleted_here_and_there_leave_room_once_the_table_is_rebuilt(server: Database) -> None:
    wait_over(server, "scattered")
    done(server, "DELETE FROM small WHERE id % 10 <> 1", "scattered")
    # Its own account may not.
    assert refused(server.sql, "OPTIMIZE TABLE small", "scattered", OWNER, "scattered") == DENIED
    server.sql("OPTIMIZE TABLE scattered.small")
    wait_within(server, "scattered")


def test_who_gets_an_account_meanwhile_writes_no_more_than_others(server: Database) -> None:
    wait_over(server, "late")
    give(server, "late", "latecomer", "writer")
    eventually("it to write no more", lambda: not writes(server, "late", "latecomer", GIVEN), WITHIN, 0.2)
    done(server, "TRUNCATE t", "late")
    wait_within(server, "late")
    eventually("it to write", lambda: writes(server, "late", "latecomer", GIVEN), WITHIN, 0.2)


def test_its_operator_loads_what_is_over_the_quota(server: Database) -> None:
    wait_over(server, "young")
    before, [(rows,)] = grants(server, "young"), server.sql("SELECT COUNT(*) FROM old.t")
    server.sql("DELETE FROM young.t WHERE id > 1")
    server.sql("INSERT INTO young.t (data) SELECT data FROM old.t")
    # Its account makes and fills its tables in between, for which it has all rights.
    server.exec("dbhandler-admin", "replace", "young", "--by", "old")
    assert server.sql("SELECT COUNT(*) FROM young.t") == [(rows,)]
    wait_over(server, "young")
    assert grants(server, "young") == before


def test_tables_that_are_filled_and_emptied_in_turn_fill_no_disk(server: Database) -> None:
    for number in range(3):
        make_table(server, "sly", f"t{number}")
        fill(server, "sly", f"t{number}", 10)
        done(server, f"DELETE FROM t{number}", "sly")
    # With nothing in it that could be deleted.
    wait_over(server, "sly")
    for number in range(3):
        done(server, f"DROP TABLE t{number}", "sly")
    wait_within(server, "sly")


def make_table(server: Database, name: str, table: str) -> None:
    """Once it may: what was deleted takes its place until the server has looked, and it looks at any moment."""
    statement = f"CREATE TABLE {table} LIKE t"
    eventually(f"{table} to be made", lambda: refused(server.sql, statement, name, OWNER, name) is None, WITHIN, 0.2)


def test_no_table_is_hidden_among_those_of_all(server: Database) -> None:
    wait_over(server, "hidden")
    done(server, "DROP TABLE h", "hidden")
    wait_within(server, "hidden")
