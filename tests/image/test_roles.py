"""More than one key to a database, on real servers: what a role may do and may not, who may give it, and that what has
an end does not live longer, whatever is away at that moment."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest

from dbhandler.requests.box import Credentials
from tests.support import operations
from tests.support.containers import Database, Site
from tests.support.docker import eventually
from tests.support.operations import is_ended

OWNER, GIVEN = "the password of an owner", "the password that was given"
WITHIN = 1.0
"""Seconds in which what has ended is gone."""
SLACK = 1.0
"""Seconds that a busy machine may take to tell of it."""


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    made = site.database(engine, DBHANDLER_ALLOW_DROP="1")
    made.wait_healthy().wait_ready()
    yield made
    made.remove()


def ask(server: Database, query: str, box: Credentials) -> dict[str, Any]:
    """The agent's answer, without Serf in between."""
    return sent(server, query, operations.payload(server.key, box))


def sent(server: Database, query: str, payload: dict[str, str]) -> dict[str, Any]:
    answer = server.exec("dbhandler-query", stdin=json.dumps(payload), SERF_QUERY_NAME=query)
    return dict(json.loads(answer.splitlines()[-1]))


def box(query: str, name: str, password: str = OWNER, user: str = "", **more: Any) -> Credentials:
    return operations.box(query, name, password, user, **more)


def made(server: Database, name: str, **more: Any) -> None:
    """A database with a table of its own, and one row."""
    answers = [ask(server, "create_db", Credentials(name, name, OWNER, **more))]
    while answers[-1]["status"] == "unavailable" and len(answers) < 10:
        # An agent that is busy may have made it all the same.
        answers.append(ask(server, "create_db", Credentials(name, name, OWNER, **more)))
    assert answers[-1]["status"] in ("created", "exists" if len(answers) > 1 else "created"), answers
    for statement in (
        "CREATE TABLE posts (id INT PRIMARY KEY, text VARCHAR(20))",
        "INSERT INTO posts VALUES (1, 'one')",
        "CREATE PROCEDURE emptied() MODIFIES SQL DATA DELETE FROM posts WHERE id > 100",
        "CREATE VIEW titles AS SELECT text FROM posts",
    ):
        server.sql(statement, name, OWNER, name)


def give(server: Database, name: str, account: str, role: str = "reader", **more: Any) -> dict[str, Any]:
    return ask(server, "grant_db", box("grant_db", name, account=account, new_password=GIVEN, role=role, **more))


def given(server: Database, name: str, account: str, role: str = "reader", **more: Any) -> None:
    answer = give(server, name, account, role, **more)
    assert (answer["status"], answer["user"]) == ("created", account), answer


READS = ("SELECT * FROM posts", "SELECT * FROM titles", "SHOW CREATE VIEW titles", "SHOW CREATE TABLE posts")
CHANGES_ROWS = (
    "INSERT INTO posts VALUES (2, 'two')", "UPDATE posts SET text = 'x' WHERE id = 2", "DELETE FROM posts WHERE id = 2",
    "REPLACE INTO posts VALUES (3, 'three')", "CALL emptied()", "LOCK TABLES posts WRITE",
)  # fmt: skip
CHANGES_MORE = (
    "CREATE TABLE others (id INT)", "DROP TABLE posts", "TRUNCATE posts", "ALTER TABLE posts ADD more INT",
    "RENAME TABLE posts TO gone", "CREATE INDEX texts ON posts (text)", "CREATE VIEW v AS SELECT 1",
    "CREATE PROCEDURE p() SELECT 1", "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
    "CREATE TRIGGER t BEFORE INSERT ON posts FOR EACH ROW SET @a = 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "DROP PROCEDURE emptied", "DROP VIEW titles", "ALTER DATABASE {name} CHARACTER SET latin1", "DROP DATABASE {name}",
    "CREATE DATABASE {name}2", "GRANT SELECT ON {name}.* TO CURRENT_USER()", "CREATE USER stranger@'%'",
    "DROP USER {name}@'%'", "ALTER USER {name}@'%' ACCOUNT LOCK", "SET PASSWORD FOR {name}@'%' = ''",
    "RENAME USER {name}@'%' TO x@'%'", "CREATE ROLE r", "SET GLOBAL max_connections = 1", "FLUSH PRIVILEGES",
    "SELECT * FROM mysql.user", "SELECT * FROM mysql.dbhandler_accounts", "UPDATE mysql.db SET Insert_priv = 'Y'",
    "SELECT 1 INTO OUTFILE '/tmp/x'", "LOAD DATA INFILE '/etc/passwd' INTO TABLE posts", "SHUTDOWN",
    "CREATE DEFINER = {name}@'%' VIEW w AS SELECT 1", "SHOW CREATE PROCEDURE other.p", "USE mysql",
    "INSTALL PLUGIN x SONAME 'x.so'", "RESET MASTER", "PURGE BINARY LOGS BEFORE NOW()", "SELECT * FROM other.posts",
)  # fmt: skip


@pytest.mark.parametrize(("role", "may", "may_not"), [
    ("reader", READS, (*CHANGES_ROWS, "CREATE TEMPORARY TABLE mine (id INT)", *CHANGES_MORE)),
    ("writer", (*READS, *CHANGES_ROWS, "UNLOCK TABLES", "CREATE TEMPORARY TABLE mine (id INT)"), CHANGES_MORE),
])  # fmt: skip
def test_a_role_is_what_it_says(server: Database, role: str, may: tuple[str, ...], may_not: tuple[str, ...]) -> None:
    name, account = f"shop_{role}", f"the_{role}"
    made(server, name)
    given(server, name, account, role)
    with closing(server.connect(account, GIVEN, name)) as connection, connection.cursor() as cursor:
        for statement in may_not:
            text = statement.replace("{name}", name)
            with pytest.raises(pymysql.err.MySQLError):
                cursor.execute(text)
                pytest.fail(f"a {role} may: {text}")
        for statement in may:
            cursor.execute(statement)
    assert server.sql("SELECT text FROM posts WHERE id = 1", name, OWNER, name) == [("one",)]


def test_who_has_a_role_proves_it_and_has_no_say_in_the_database(server: Database) -> None:
    made(server, "mall")
    for role in ("owner", "reader"):
        given(server, "mall", f"second_{role}", role, ttl=3600)
        asker: dict[str, Any] = {"password": GIVEN, "user": f"second_{role}"}
        answer = ask(server, "create_db", Credentials("mall", **asker))
        assert answer["status"] == "exists" and 3000 < answer["ttl"] <= 3600
        assert ask(server, "create_db", Credentials("mall", f"second_{role}", OWNER))["status"] == "denied"
        refused = [
            box("drop_db", "mall", **asker),
            box("grant_db", "mall", **asker, account="third", new_password=GIVEN, role="reader"),
            box("grant_db", "mall", **asker, account=f"second_{role}", new_password=GIVEN, role=role, ttl=86400),
            box("revoke_db", "mall", **asker, account="second_owner"),
            box("renew_db", "mall", **asker, ttl=86400),
            box("accounts_db", "mall", **asker),
        ]
        for one in refused:
            answer = ask(server, str(one.operation), one)
            assert answer["status"] == "denied", (one.operation, answer)
    answer = ask(server, "accounts_db", box("accounts_db", "mall"))
    assert [(user, role) for user, role, _ in answer["accounts"]] == [
        ("second_owner", "owner"), ("second_reader", "reader")
    ]  # fmt: skip
    # His own password is his to change.
    changed = box("rotate_db", "mall", GIVEN, "second_reader", new_password="an entirely other one")
    assert ask(server, "rotate_db", changed)["status"] == "rotated"
    assert server.opens("second_reader", "an entirely other one", "mall")
    assert not server.opens("second_reader", GIVEN)


def test_nobody_gives_keys_to_anothers_database_or_takes_anothers_name(server: Database) -> None:
    made(server, "left")
    made(server, "right")
    given(server, "right", "of_right")
    before = server.snapshot()
    for one, reason in (
        (box("grant_db", "right", user="left", account="spy", new_password=GIVEN), "does not prove"),
        (box("grant_db", "right", GIVEN, account="spy", new_password=GIVEN), "does not prove"),
        (box("grant_db", "left", account="right", new_password=OWNER, role="owner"), "taken"),
        (box("grant_db", "left", account="of_right", new_password=GIVEN), "taken"),
        (box("grant_db", "left", account="of_right", new_password=GIVEN, role="owner"), "taken"),
        (box("grant_db", "left", account="left", new_password=OWNER), "own account"),
        (box("revoke_db", "left", account="left"), "own account"),
        (box("grant_db", "right", account="of_right", new_password=GIVEN, role="writer"), "revoke it first"),
    ):
        answer = ask(server, str(one.operation), one)
        assert answer["status"] == "denied" and reason in answer["reason"], answer
    for one in (
        box("grant_db", "left", account="root", new_password=GIVEN),
        box("grant_db", "left", account="admin", new_password=GIVEN),
        box("grant_db", "left", account="x", new_password=GIVEN, role="god"),
        box("grant_db", "left", account="x", new_password="short"),
        box("grant_db", "left", account="x"),
        box("grant_db", "left", account="x", new_password=GIVEN, ttl=0),
    ):
        assert ask(server, "grant_db", one)["status"] == "invalid"
    assert ask(server, "revoke_db", box("revoke_db", "left", account="of_right"))["status"] == "absent"
    assert server.snapshot() == before
    assert server.opens("of_right", GIVEN, "right")


def test_a_box_that_somebody_has_seen_is_worth_nothing(server: Database) -> None:
    made(server, "seen")
    grant = box("grant_db", "seen", account="visitor", new_password=GIVEN, ttl=3600)
    payload = operations.payload(server.key, grant)
    assert sent(server, "grant_db", payload)["status"] == "created"
    revoke = operations.payload(server.key, box("revoke_db", "seen", account="visitor"))
    assert sent(server, "revoke_db", revoke)["status"] == "revoked"
    answer = sent(server, "grant_db", payload)
    assert answer["status"] == "denied" and "good for one time" in answer["reason"]
    assert not server.opens("visitor", GIVEN)
    given(server, "seen", "visitor")
    assert sent(server, "revoke_db", revoke)["status"] == "denied"
    assert server.opens("visitor", GIVEN, "seen")
    # Neither for another query.
    assert sent(server, "revoke_db", payload)["status"] == "denied"


def test_there_are_not_more_of_them_than_the_servers_owner_allows(server: Database) -> None:
    made(server, "crowd")
    for number in range(8):
        given(server, "crowd", f"guest{number}")
    answer = give(server, "crowd", "guest8")
    assert answer["status"] == "denied" and "DBHANDLER_MAX_ACCOUNTS" in answer["reason"]
    assert give(server, "crowd", "guest7")["status"] == "exists"
    assert ask(server, "revoke_db", box("revoke_db", "crowd", account="guest7"))["status"] == "revoked"
    given(server, "crowd", "guest8")
    [(most,)] = server.sql("SELECT max_user_connections FROM mysql.user WHERE User = 'guest8'")
    [(limit,)] = server.sql("SELECT @@GLOBAL.max_user_connections")
    assert 2 <= most <= limit // 8


def session(server: Database, user: str, password: str = GIVEN) -> Any:
    return server.connect(user, password)


def test_who_is_revoked_is_out_at_once(server: Database) -> None:
    made(server, "inn")
    given(server, "inn", "guest", "writer")
    with closing(session(server, "guest")) as guest, closing(session(server, "inn", OWNER)) as owner:
        assert ask(server, "revoke_db", box("revoke_db", "inn", account="guest"))["status"] == "revoked"
        assert is_ended(guest) and not is_ended(owner)
    assert not server.opens("guest", GIVEN)
    assert ask(server, "accounts_db", box("accounts_db", "inn"))["accounts"] == []


def test_an_account_ends_with_its_sessions_and_nobody_elses(server: Database) -> None:
    made(server, "lease")
    given(server, "lease", "forever")
    given(server, "lease", "brief", ttl=10)
    given(server, "lease", "renewed", ttl=10)
    began = time.monotonic()
    with (
        closing(session(server, "brief")) as brief,
        closing(session(server, "renewed")) as renewed,
        closing(session(server, "forever")) as forever,
        closing(session(server, "lease", OWNER)) as owner,
    ):
        time.sleep(2)
        assert give(server, "lease", "renewed", ttl=3600)["status"] == "exists"
        assert not is_ended(brief)
        eventually("its end", lambda: is_ended(brief), 30, 0.05)
        assert time.monotonic() - began < 10 + WITHIN + SLACK
        assert not server.opens("brief", GIVEN)
        time.sleep(1)
        assert not any(map(is_ended, (renewed, forever, owner)))


def test_what_ended_while_the_server_or_the_agent_was_away_is_gone_when_they_are_back(server: Database) -> None:
    made(server, "away")
    names = [f"away{number}" for number in range(4)]
    for number, name in enumerate(names):
        given(server, "away", name, ttl=6 + number)
    given(server, "away", "stays", ttl=3600)
    server.supervisorctl("stop", "dbhandler:mysqld")
    assert not reachable(server)
    time.sleep(8)
    server.supervisorctl("start", "dbhandler:mysqld")
    eventually("the server", lambda: server.opens("away", OWNER, "away") if reachable(server) else False, 60, 0.1)
    time.sleep(WITHIN + SLACK)
    assert not any(server.opens(name, GIVEN) for name in names[:2])
    server.supervisorctl("signal", "KILL", "dbhandler:agent")
    eventually("their end", lambda: not any(server.opens(name, GIVEN) for name in names), 30, 0.1)
    assert server.opens("stays", GIVEN, "away")
    eventually("the one that stays", lambda: accounts_of(server, "away") == ["stays"])


def accounts_of(server: Database, name: str) -> list[str]:
    """The accounts beside the owner's; none while the agent does not answer."""
    return [str(user) for user, *_ in ask(server, "accounts_db", box("accounts_db", name)).get("accounts", [])]


def reachable(server: Database) -> bool:
    with suppress(pymysql.err.MySQLError, OSError):
        server.connect().close()
        return True
    return False


def test_a_database_with_an_end_is_dropped_with_a_dump(server: Database) -> None:
    made(server, "trial", ttl=8)
    given(server, "trial", "tester", "writer")
    assert ask(server, "renew_db", box("renew_db", "trial", ttl=5))["status"] == "renewed"
    began = time.monotonic()
    with closing(session(server, "trial", OWNER)) as owner, closing(session(server, "tester")) as tester:
        eventually("the end", lambda: is_ended(owner) and is_ended(tester), 30, 0.05)
        assert time.monotonic() - began < 5 + WITHIN + SLACK
    assert not server.opens("trial", OWNER) and not server.opens("tester", GIVEN)
    eventually("the drop", lambda: "trial" not in server.databases(), 60, 0.2)
    eventually("its word", lambda: server.logged("the database 'trial' has ended"))
    assert "trial" in server.exec("dbhandler-admin", "dumps")
    assert server.sql("SELECT COUNT(*) FROM mysql.dbhandler_accounts WHERE name = 'trial'") == [(0,)]
    # The name is free again, and what is made then has no end of former times.
    made(server, "trial")
    assert "ttl" not in ask(server, "create_db", Credentials("trial", "trial", OWNER))
    assert ask(server, "renew_db", box("renew_db", "trial", ttl=5))["status"] == "denied"


def test_without_serf_nobody_gets_in_any_more_and_the_drop_follows(server: Database) -> None:
    made(server, "lonely", ttl=6)
    server.supervisorctl("stop", "dbhandler:serf")
    try:
        time.sleep(6 + WITHIN + SLACK)
        assert not server.opens("lonely", OWNER)
        assert "lonely" in server.databases()
    finally:
        server.supervisorctl("start", "dbhandler:serf")
    eventually("the drop", lambda: "lonely" not in server.databases(), 60, 0.2)


def test_a_drop_takes_all_accounts_along(server: Database) -> None:
    made(server, "whole")
    given(server, "whole", "part", "owner")
    with closing(session(server, "part")) as part:
        eventually("the drop", lambda: ask(server, "drop_db", box("drop_db", "whole"))["status"] == "dropped", 60)
        assert is_ended(part)
    assert not server.opens("part", GIVEN) and not server.opens("whole", OWNER)
    made(server, "whole")
    given(server, "whole", "part", "reader")
    assert server.opens("part", GIVEN, "whole")


def test_two_passwords_are_valid_for_as_long_as_was_said(server: Database) -> None:
    made(server, "turn")
    rotated = box("rotate_db", "turn", new_password="the second password", keep_old=4)
    assert ask(server, "rotate_db", rotated)["status"] == "rotated"
    began = time.monotonic()
    assert server.opens("turn", OWNER, "turn") and server.opens("turn", "the second password", "turn")
    # The former one proves nothing new for others, and is still good for asking.
    assert ask(server, "create_db", Credentials("turn", "turn", OWNER))["status"] == "exists"
    with closing(session(server, "turn", OWNER)) as connection:
        eventually("its end", lambda: not server.opens("turn", OWNER), 30, 0.1)
        assert time.monotonic() - began < 10 + WITHIN + SLACK
        assert not is_ended(connection)
    assert server.opens("turn", "the second password", "turn")
    at_once = box("rotate_db", "turn", "the second password", new_password="the third password")
    assert ask(server, "rotate_db", at_once)["status"] == "rotated"
    assert server.opens("turn", "the third password") and not server.opens("turn", "the second password")


def test_of_two_former_passwords_none_is_left_when_it_leaks(server: Database) -> None:
    made(server, "leak")
    kept = box("rotate_db", "leak", new_password="the second password", keep_old=3600)
    assert ask(server, "rotate_db", kept)["status"] == "rotated"
    at_once = box("rotate_db", "leak", "the second password", new_password="the third password", keep_old=0)
    assert ask(server, "rotate_db", at_once)["status"] == "rotated"
    assert [server.opens("leak", one) for one in (OWNER, "the second password", "the third password")] == [0, 0, 1]


def test_no_login_fails_while_passwords_change_every_second(server: Database) -> None:
    made(server, "turning")
    known, stop, failures, logins = [OWNER], threading.Event(), list[str](), list[int]()

    def log_in() -> None:
        while not stop.is_set():
            password = known[-1]
            try:
                server.connect("turning", password, "turning").close()
            except pymysql.err.OperationalError as error:
                failures.append(str(error))
            logins.append(1)

    threads = [threading.Thread(target=log_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(6):
        new = f"password number {number:04}"
        answer = ask(server, "rotate_db", box("rotate_db", "turning", known[-1], new_password=new, keep_old=60))
        assert answer["status"] == "rotated", answer
        known.append(new)
        time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == [] and len(logins) > 20
