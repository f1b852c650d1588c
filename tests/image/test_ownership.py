"""Whose a database is, on real servers: nothing is made under a name that another account can reach, two spellings of
one name are one, and a claim that was never finished blocks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

from tests.image.test_accounts import OTHER, PASSWORD, ask, made, sealed
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import eventually

REGISTRY = "mysql.dbhandler_registry"


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    made = site.database(engine, SERF_RPC_AUTH=RPC_KEY)
    made.wait_healthy().wait_ready()
    yield made
    made.remove()


def refused(server: Database, name: str, reason: str) -> None:
    """Neither a bare request nor one with an account gets the name, and trying changes nothing."""
    before = server.snapshot()
    for payload in ({"database": name}, sealed(server, name, user="latecomer")):
        answer = ask(server, "create_db", payload)
        assert (answer["status"], reason in str(answer["reason"])) == ("denied", True), answer
    assert server.snapshot() == before


def run(server: Database, script: str) -> None:
    """Statements of the admin's, separated by semicolons."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        for statement in filter(None, map(str.strip, script.split(";"))):
            cursor.execute(statement)


def test_whoever_drops_a_database_by_sql_keeps_the_name(server: Database) -> None:
    made(server, "kept", user="first")
    server.sql("DROP DATABASE kept", "first", PASSWORD)
    refused(server, "kept", "first@%")
    server.event("kept")
    eventually("the refusal", lambda: server.logged(r"event create_db #\d+: 'kept' denied .*first@%"))
    assert "kept" not in server.databases()
    assert ask(server, "create_db", sealed(server, "kept", user="first"))["status"] == "created"
    assert server.opens("first", PASSWORD, "kept")
    assert ask(server, "create_db", {"database": "kept"})["status"] == "exists"


BY = "IDENTIFIED BY 'a password of 1 owner'"
ACCOUNT = f"CREATE USER h_{{0}}@'%' {BY}; "
HELD = {
    "host": f"CREATE USER h_host@'10.1.%' {BY}; GRANT SELECT ON n_host.* TO h_host@'10.1.%'",
    "wild": ACCOUNT + "GRANT INSERT ON `n_wil%`.* TO h_wild@'%'",
    "sign": ACCOUNT + "GRANT SELECT ON `n\\_sig_`.* TO h_sign@'%'",
    "escaped": ACCOUNT + r"GRANT SELECT ON `n\_escaped`.* TO h_escaped@'%'",
    "option": ACCOUNT + "GRANT GRANT OPTION ON n_option.* TO h_option@'%'",
    "table": ACCOUNT + "CREATE DATABASE n_table; CREATE TABLE n_table.posts (i INT PRIMARY KEY); "
    "GRANT SELECT ON n_table.posts TO h_table@'%'; DROP DATABASE n_table",
    "column": ACCOUNT + "CREATE DATABASE n_column; CREATE TABLE n_column.posts (i INT PRIMARY KEY); "
    "GRANT SELECT (i) ON n_column.posts TO h_column@'%'; DROP DATABASE n_column",
    # A routine's privileges end with it, but they outlive a folder that was removed by hand, or a dump's restore.
    "routine": ACCOUNT + "INSERT INTO mysql.procs_priv (Host, Db, User, Routine_name, Routine_type, Grantor, "
    "Proc_priv) VALUES ('%', 'n_routine', 'h_routine', 'p', 'PROCEDURE', '', 'Execute')",
    "role": "CREATE ROLE h_role; GRANT SELECT ON n_role.* TO h_role",
    "anonymous": "INSERT INTO mysql.db (Host, Db, User, Select_priv) VALUES ('%', 'n\\_anonymous', '', 'Y')",
}  # fmt: skip


@pytest.mark.parametrize("kind", HELD)
def test_nothing_is_made_under_a_name_on_which_an_account_holds_anything(server: Database, kind: str) -> None:
    run(server, HELD[kind].replace("{0}", kind))
    holder = {"role": "h_role", "anonymous": "'@%", "host": "h_host@10.1.%"}.get(kind, f"h_{kind}@%")
    refused(server, f"n_{kind}", holder)


@pytest.mark.parametrize("way", ["DROP USER lingerer@'%'", "REVOKE ALL ON inn.* FROM lingerer@'%'"])
@pytest.mark.parametrize("sealed_too", [False, True])
def test_an_open_session_of_a_former_owner_does_not_reach_the_next_database(
    server: Database, way: str, sealed_too: bool
) -> None:
    run(server, "DROP DATABASE IF EXISTS inn; DROP USER IF EXISTS guest@'%'; DROP USER IF EXISTS lingerer@'%'")
    run(server, f"CREATE DATABASE inn; CREATE USER lingerer@'%' {BY}; GRANT ALL ON inn.* TO lingerer@'%'")
    with closing(server.connect("lingerer", "a password of 1 owner", "inn")) as session, session.cursor() as cursor:
        run(server, way + "; DROP DATABASE inn")
        payload = sealed(server, "inn", user="guest") if sealed_too else {"database": "inn"}
        assert ask(server, "create_db", payload)["status"] == "created"
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute("CREATE TABLE inn.t (i INT PRIMARY KEY)")
    assert server.sql("SHOW TABLES FROM inn") == []


def test_an_open_session_of_a_former_account_is_not_the_next_one_of_that_name(server: Database) -> None:
    made(server, "phoenix")
    with closing(server.connect("phoenix", PASSWORD)) as session, session.cursor() as cursor:
        run(server, "DROP DATABASE phoenix; DROP USER phoenix@'%'")
        made(server, "phoenix", OTHER)
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute("USE phoenix")
    assert server.opens("phoenix", OTHER, "phoenix")


def test_a_pattern_reaches_no_further_than_the_server_lets_it(server: Database) -> None:
    run(
        server,
        ACCOUNT.format("near") + r"GRANT SELECT ON `near\_me`.* TO h_near@'%'; GRANT SELECT ON `far_`.* TO h_near@'%'",
    )
    for name in ("nearxme", "near_me2", "far", "far_12", "FAR1"):
        assert ask(server, "create_db", {"database": name})["status"] == "created", name
    refused(server, "near_me", "h_near@%")
    refused(server, "far1", "h_near@%")


def test_what_exists_stays_what_it_is_whoever_may_read_it(server: Database) -> None:
    """As a first start's MYSQL_DATABASE and MYSQL_USER leave it."""
    run(server, ACCOUNT.format("clerk") + "CREATE DATABASE office; GRANT ALL ON office.* TO h_clerk@'%'")
    assert ask(server, "create_db", {"database": "office"})["status"] == "exists"
    assert ask(server, "create_db", sealed(server, "office", user="latecomer"))["status"] == "denied"
    answer = ask(server, "create_db", sealed(server, "office", "a password of 1 owner", user="h_clerk"))
    assert answer["status"] == "exists"
    assert owner(server, "office") == "h_clerk"


MORE = {
    "a table": "CREATE DATABASE m_table; CREATE TABLE m_table.t (i INT PRIMARY KEY); GRANT SELECT ON m_table.t TO {0}",
    "a column": "CREATE DATABASE m_column; CREATE TABLE m_column.t (i INT PRIMARY KEY); "
    "GRANT SELECT (i) ON m_column.t TO {0}",
    "a routine": "CREATE DATABASE m_routine; CREATE PROCEDURE m_routine.p() SELECT 1; "
    "GRANT EXECUTE ON PROCEDURE m_routine.p TO {0}",
    "a role": "CREATE ROLE m_role; GRANT m_role TO {0}",
    "everything": "GRANT SELECT ON *.* TO {0}",
    "another account": f"CREATE USER m_other@'%' {BY}; GRANT PROXY ON m_other@'%' TO {{0}}",
}


@pytest.mark.parametrize("what", MORE)
def test_an_account_that_holds_something_else_gets_no_database(server: Database, what: str) -> None:
    user = "has_" + what.replace(" ", "_")
    # As root: only who may act as everybody gives that away.
    script = f"CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'; " + MORE[what].replace("{0}", f"{user}@'%'")
    server.exec(server.engine, "-e", script)
    before = server.snapshot()
    answer = ask(server, "create_db", sealed(server, "more", user=user))
    assert answer["status"] == "denied" and "serves something else" in answer["reason"], answer
    assert server.snapshot() == before


def test_a_new_account_is_not_the_former_one_of_that_name(server: Database) -> None:
    """What the former one has left behind would run, or act, with the rights of the new one."""
    made(server, "legacy", user="reborn")
    server.sql("CREATE PROCEDURE p() SELECT 1", "reborn", PASSWORD, "legacy")
    run(server, "DROP USER reborn@'%'")
    answer = ask(server, "create_db", sealed(server, "fresh", OTHER, user="reborn"))
    assert answer["status"] == "denied" and "serves something else" in answer["reason"], answer
    assert "fresh" not in server.databases()


def test_an_account_passes_nothing_on(server: Database) -> None:
    made(server, "mine_alone")
    run(server, ACCOUNT.format("friend"))
    with pytest.raises(pymysql.err.MySQLError, match="denied"):
        server.sql("GRANT SELECT ON mine_alone.* TO h_friend@'%'", "mine_alone", PASSWORD, "mine_alone")


@pytest.mark.parametrize("engine", ["mysql"], indirect=True)
def test_without_wildcards_in_grants_a_name_is_itself_alone(server: Database) -> None:
    run(
        server,
        "SET GLOBAL partial_revokes = ON; " + ACCOUNT.format("literal") + "GRANT SELECT ON `lit_1`.* TO h_literal@'%'",
    )
    try:
        refused(server, "lit_1", "h_literal@%")
        assert ask(server, "create_db", {"database": "litx1"})["status"] == "created"
        made(server, "own_1")
        assert server.opens("own_1", PASSWORD, "own_1")
    finally:
        # A server with partial revokes of before cannot go back; this one has none.
        run(server, "SET GLOBAL partial_revokes = OFF")


# --- claims ---


def owner(server: Database, name: str) -> Any:
    """Whose claim the name is."""
    rows = server.sql(f"SELECT owner FROM {REGISTRY} WHERE name = '{name}'")
    return rows[0][0] if rows else None


def claim(server: Database, name: str, user: str, minutes_ago: int = 0) -> None:
    """As a kill between the claim and the account leaves it."""
    when = f"UTC_TIMESTAMP(6) - INTERVAL {minutes_ago} MINUTE"
    server.sql(f"REPLACE INTO {REGISTRY} (name, owner, claimed) VALUES ('{name}', '{user}', {when})")


def test_a_claim_that_was_never_finished_blocks_nobody_for_ever(server: Database) -> None:
    claim(server, "begun", "ghost")
    before = server.snapshot()
    answer = ask(server, "create_db", sealed(server, "begun", user="second"))
    assert answer["status"] == "denied" and "belongs to another account" in answer["reason"], answer
    assert server.snapshot() == before
    claim(server, "begun", "ghost", minutes_ago=2)
    made(server, "begun", user="second")
    assert owner(server, "begun") == "second"
    assert ask(server, "create_db", sealed(server, "begun", user="ghost"))["status"] == "denied"


def test_its_maker_finishes_a_claim_at_once_and_may_turn_to_another_name_later(server: Database) -> None:
    claim(server, "own_begun", "maker")
    assert ask(server, "create_db", sealed(server, "elsewhere", user="maker"))["status"] == "denied"
    made(server, "own_begun", user="maker")
    claim(server, "given_up", "turner", minutes_ago=2)
    made(server, "turned_to", user="turner")
    assert (owner(server, "given_up"), owner(server, "turned_to")) == (None, "turner")


def test_a_refused_request_leaves_no_claim(server: Database) -> None:
    wrong = sealed(server, "odd_charset", user="first_wish") | {"charset": "klingon"}
    assert ask(server, "create_db", wrong)["status"] == "invalid"
    made(server, "odd_charset", user="second_wish")


# --- what version 0.1 left behind ---

OLD = """
import sqlite3
database = sqlite3.connect("/var/lib/dbhandler/registry.sqlite", isolation_level=None)
database.executescript("CREATE TABLE made (name TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE dropped (name TEXT PRIMARY KEY, ltime INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO made VALUES ('of_before'); INSERT INTO dropped VALUES ('dropped_before', 1000000);")
"""


def restart_agent(server: Database) -> None:
    before = server.pid("agent")
    server.supervisorctl("restart", "dbhandler:agent")
    eventually("another agent", lambda: server.pid("agent") not in (0, before))
    eventually("its answer", lambda: "ok" in server.serf("query", "-timeout=2s", "list_db"))


def test_databases_of_version_0_1_stay_their_owners(server: Database) -> None:
    run(server, "CREATE DATABASE of_before; CREATE TABLE of_before.t (i INT PRIMARY KEY)")
    run(server, f"CREATE USER of_before@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON `of\\_before`.* TO of_before@'%'")
    server.exec("python3", "-", stdin=OLD)
    server.exec("chown", "mysql:", "/var/lib/dbhandler/registry.sqlite")
    restart_agent(server)
    assert "of_before" in str(ask(server, "list_db", "")["databases"])
    assert server.sql(f"SELECT dropped FROM {REGISTRY} WHERE name = 'dropped_before'") == [(1000000,)]
    assert "registry.sqlite" not in server.exec("ls", "/var/lib/dbhandler")
    assert owner(server, "of_before") is None
    assert ask(server, "create_db", sealed(server, "of_before"))["status"] == "exists"
    assert owner(server, "of_before") == "of_before"


def test_a_broken_registry_of_version_0_1_ends_nothing(server: Database) -> None:
    server.exec("sh", "-c", "head -c 9000 /dev/urandom > /var/lib/dbhandler/registry.sqlite")
    server.exec("chown", "mysql:", "/var/lib/dbhandler/registry.sqlite")
    restart_agent(server)
    assert server.logged(r"registry\.sqlite cannot be read .*set aside as registry\.sqlite\.broken")
    assert server.running
    assert ask(server, "create_db", {"database": "after_the_wreck"})["status"] == "created"


# --- letter case ---


@pytest.fixture(scope="module")
def folding(site: Site) -> Iterator[Database]:
    """MariaDB that makes no difference between capitals and small letters in names. (MySQL takes that option only when
    a data directory is made.)"""
    made = site.database("mariadb", "--lower-case-table-names=1", SERF_RPC_AUTH=RPC_KEY)
    made.wait_healthy().wait_ready()
    yield made
    made.remove()


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_two_spellings_of_a_name_are_one_where_the_server_says_so(folding: Database, engine: str) -> None:
    made(folding, "shop")
    before = folding.snapshot()
    answer = ask(folding, "create_db", sealed(folding, "SHOP", user="thief"))
    assert answer["status"] == "denied" and "belongs to another account" in answer["reason"], answer
    assert folding.snapshot() == before
    assert ask(folding, "create_db", sealed(folding, "ShOp", user="shop"))["status"] == "exists"
    assert ask(folding, "create_db", {"database": "SHOP"})["status"] == "exists"
    assert ask(folding, "create_db", sealed(folding, "shop") | {"database": "Shop"})["status"] == "exists"
    folding.sql("DROP DATABASE shop", "shop", PASSWORD)
    refused(folding, "SHOP", "shop@%")
    assert ask(folding, "create_db", sealed(folding, "SHOP", user="shop"))["status"] == "created"
    assert folding.sql(f"SELECT name, owner FROM {REGISTRY}") == [("shop", "shop")]
    assert ask(folding, "find_db", "SHOP")["status"] == "exists"
    assert ask(folding, "list_db", "")["databases"] == ["shop"]


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_capitals_are_asked_for_and_given(folding: Database, engine: str) -> None:
    made(folding, "Wiki")
    assert folding.opens("Wiki", PASSWORD, "Wiki")
    assert ask(folding, "create_db", sealed(folding, "wiki", user="Wiki"))["status"] == "exists"
    run(folding, ACCOUNT.format("case") + "GRANT SELECT ON `BLOG%`.* TO h_case@'%'")
    refused(folding, "bLog7", "h_case@%")


def test_two_spellings_are_two_names_where_the_server_says_so(server: Database) -> None:
    made(server, "spelt", user="spelt1")
    made(server, "SPELT", user="spelt2")
    assert not server.opens("spelt2", PASSWORD, "spelt")
