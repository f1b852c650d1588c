"""An attacker with an account of its own: what every application has that asked for a database. On both engines.

Tries: to keep its grant on a name by dropping the database, so that the next one that asks for it, in a box or bare, is
read; the same with every kind of grant that the server's owner may have made; every statement that reaches beyond
one's database, by privilege, by file, by DEFINER, by role, and by accounts that it gives to itself; to write outside of
the data directory with every engine; to look for others' passwords in what the server shows; to guess them; to be one
of the socket accounts over TCP; names that differ by their case only; to take all connections, hold locks and drop
again and again while others ask; a drop of a database whose tables have names that a dump might carry out.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest

from dbhandler.requests.box import Credentials, seal
from tests.hostile.statements import forbidden
from tests.support.attackers import Ground, lets_in
from tests.support.containers import Site
from tests.support.docker import eventually

PASSWORD = "the password of a tenant"
VICTIM = "the password of a victim"


@dataclass(frozen=True)
class Tenant:
    """An account, and the database that was made with it."""

    ground: Ground
    name: str
    password: str = PASSWORD
    given_in: str = ""
    """The database in which another owner has given it."""

    def request(self, database: str = "", password: str = "", **more: Any) -> dict[str, object]:
        """A sealed request as this account's application makes it."""
        database = database or self.name
        box = Credentials(database, self.name, password or self.password, **more)
        return {"database": database, "sealed": seal(self.ground.server.key, box)}

    def asks(self, database: str = "") -> str:
        """The status of the answer."""
        return str(self.ground.ask("create_db", self.request(database))["status"])

    def made(self) -> Tenant:
        assert self.asks() == "created"
        return self

    def connect(self) -> Any:
        return self.ground.server.connect(self.name, self.password)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Rows of the last statement, all in one session within its database. Raises pymysql.err.Error."""
        with closing(self._inside()) as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def _inside(self) -> Any:
        return self.ground.server.connect(self.name, self.password, self.given_in or self.name)

    def drop(self) -> dict[str, object]:
        return self.request(operation="drop_db", expires=int(time.time()) + 50)


@pytest.fixture(scope="module")
def ground(site: Site, engine: str) -> Iterator[Ground]:
    made = Ground(site, engine, DBHANDLER_ALLOW_DROP="1")
    made.wait_ready()
    yield made
    for container in (made.attacker, made.server, made.agent):
        container.remove()


@pytest.fixture(scope="module")
def neighbour(ground: Ground) -> Tenant:
    """Another tenant, with something to lose."""
    made = Tenant(ground, "neighbour", VICTIM).made()
    made.sql("CREATE TABLE t (word VARCHAR(20) PRIMARY KEY)", "INSERT INTO t VALUES ('precious')")
    return made


@pytest.fixture(scope="module")
def tenant(ground: Ground, neighbour: Tenant) -> Tenant:
    """The attacker."""
    made = Tenant(ground, "mine").made()
    made.sql("CREATE TABLE t (word VARCHAR(20) PRIMARY KEY)")
    return made


# --- whose database it is ---


def test_a_grant_outlives_no_database(ground: Ground, tenant: Tenant) -> None:
    thief, victim = Tenant(ground, "wish").made(), Tenant(ground, "victim", VICTIM)
    thief.sql("DROP DATABASE wish")
    for payload in ("wish", victim.request("wish"), {"database": "wish"}):
        assert ground.ask("create_db", payload)["status"] == "denied", payload
    for payload in ("wish", victim.request("wish")):
        ground.agent.event(payload)
    ground.agent.event("after_the_wish")
    eventually("the events to be carried out", lambda: ground.server.holds("after_the_wish"))
    assert "wish" not in ground.server.databases()
    assert not ground.server.opens("victim", VICTIM)
    # The owner gets it back by asking again, and nobody else.
    assert thief.asks() == "created"
    assert victim.asks("wish") == "denied"
    thief.sql("CREATE TABLE t (id INT PRIMARY KEY)")


def test_a_half_that_is_left_is_nobody_elses(ground: Ground) -> None:
    """The database is dropped and made anew by its owner, who has the grant still; the name stays the owner's."""
    thief, victim = Tenant(ground, "again").made(), Tenant(ground, "second_victim", VICTIM)
    thief.sql("DROP DATABASE again", "CREATE DATABASE again")
    assert victim.asks("again") == "denied"
    assert thief.asks() == "exists"


def test_a_session_of_before_reads_nothing(ground: Ground) -> None:
    """The name is given to another after a drop; who had it before has kept a connection, and a statement in it."""
    before, after = Tenant(ground, "handed").made(), Tenant(ground, "heir", VICTIM)
    with closing(before.connect()) as link, link.cursor() as cursor:
        cursor.execute("USE handed")
        cursor.execute("CREATE TABLE t (word VARCHAR(20) PRIMARY KEY)")
        cursor.execute("PREPARE kept FROM 'SELECT word FROM handed.t'")
        assert ground.decided("drop_db", before.drop())["status"] == "dropped"
        assert after.asks("handed") == "created"
        after_sql = ("CREATE TABLE t (word VARCHAR(20) PRIMARY KEY)", "INSERT INTO t VALUES ('precious')")
        for statement in after_sql:
            ground.server.sql(statement, "heir", VICTIM, "handed")
        for statement in ("SELECT word FROM t", "SELECT word FROM handed.t", "EXECUTE kept", "DROP TABLE handed.t"):
            with pytest.raises((pymysql.err.MySQLError, OSError)):
                cursor.execute(statement)
    assert ground.server.sql("SELECT word FROM t", "heir", VICTIM, "handed") == [("precious",)]


def test_another_accounts_name_opens_nothing(ground: Ground, neighbour: Tenant) -> None:
    before = ground.server.snapshot()
    assert Tenant(ground, "neighbour").asks("elsewhere") == "denied"
    for user in ("NEIGHBOUR", "Neighbour", "mine", "usurper"):
        assert Tenant(ground, user).asks("neighbour") == "denied"
    assert ground.server.snapshot() == before


GRANTS = {
    "database": ("GRANT SELECT ON `g_database`.* TO spy@'%'",),
    "wildcard": ("GRANT SELECT ON `gxwild%`.* TO spy@'%'",),
    "underscore": ("GRANT SELECT ON `g_underscore`.* TO spy@'%'",),
    "host": ("CREATE USER spy@'10.%'", "GRANT SELECT ON `g_host`.* TO spy@'10.%'"),
    "table": ("CREATE DATABASE g_table", "CREATE TABLE g_table.t (a INT)", "GRANT SELECT ON g_table.t TO spy@'%'",
              "DROP DATABASE g_table"),
    "column": ("CREATE DATABASE g_column", "CREATE TABLE g_column.t (a INT)",
               "GRANT SELECT (a) ON g_column.t TO spy@'%'", "DROP DATABASE g_column"),
    "routine": ("CREATE DATABASE g_routine", "CREATE PROCEDURE g_routine.p() SELECT 1",
                "GRANT EXECUTE ON PROCEDURE g_routine.p TO spy@'%'", "DROP DATABASE g_routine"),
    "function": ("CREATE DATABASE g_function", "CREATE FUNCTION g_function.f() RETURNS INT DETERMINISTIC RETURN 1",
                 "GRANT EXECUTE ON FUNCTION g_function.f TO spy@'%'", "DROP DATABASE g_function"),
    "role": ("CREATE ROLE spies", "GRANT SELECT ON g_role.* TO spies", "GRANT spies TO spy@'%'"),
}  # fmt: skip
ASKED = {"wildcard": "gxwildcard", "underscore": "gxunderscore"}
LEFT = "SELECT COUNT(*) FROM mysql.{} WHERE Db = '{}'"


@pytest.fixture(scope="module")
def spy(ground: Ground) -> None:
    ground.server.sql("CREATE USER spy@'%' IDENTIFIED BY 'the password of a spy'")


@pytest.mark.parametrize("kind", GRANTS)
def test_nothing_is_made_under_a_name_that_another_may_read(ground: Ground, spy: None, kind: str) -> None:
    for statement in GRANTS[kind]:
        ground.server.sql(statement)
    name = ASKED.get(kind, f"g_{kind}")
    tables = ("db", "tables_priv", "columns_priv", "procs_priv")
    left = sum(ground.server.sql(LEFT.format(table, name))[0][0] for table in tables)
    if not left and kind not in ASKED:
        pytest.skip("this engine forgets such a grant together with the database")
    victim = Tenant(ground, f"v_{kind}", VICTIM)
    assert (victim.asks(name), ground.ask("create_db", name)["status"]) == ("denied", "denied")
    assert name not in ground.server.databases()


def test_names_that_differ_by_their_case_only(site: Site) -> None:
    ground = Ground(site, "mariadb", "--lower-case-table-names=1")
    ground.wait_ready()
    first, second = Tenant(ground, "shop").made(), Tenant(ground, "second", VICTIM)
    before = ground.server.snapshot()
    for name in ("SHOP", "Shop", "sHOp"):
        assert second.asks(name) == "denied"
    first.sql("DROP DATABASE shop")
    for name in ("SHOP", "shop"):
        assert second.asks(name) == "denied"
        assert ground.ask("create_db", name)["status"] == "denied"
    assert first.asks() == "created"
    assert ground.server.snapshot() == before
    assert not ground.server.opens("second", VICTIM)


# --- statements that reach further ---


def test_no_statement_reaches_further(ground: Ground, tenant: Tenant, neighbour: Tenant) -> None:
    before, life = ground.server.snapshot(), ground.life()
    went_through = [statement for statement in forbidden() if works(tenant, statement)]
    assert went_through == []
    assert (ground.server.snapshot(), ground.life()) == (before, life)
    assert neighbour.sql("SELECT word FROM t") == [("precious",)]
    for path in ("/etc/passwd", "/var/lib/dbhandler/key", "/run/dbhandler/serf.json"):
        assert tenant.sql(f"SELECT LOAD_FILE('{path}')") == [(None,)]


@pytest.mark.parametrize("role", ["owner", "writer", "reader"])
def test_an_account_that_was_given_reaches_no_further(
    ground: Ground, tenant: Tenant, neighbour: Tenant, role: str
) -> None:
    wish: dict[str, Any] = {"account": f"given_{role}", "new_password": PASSWORD, "role": role}
    payload = tenant.request(operation="grant_db", expires=int(time.time()) + 50, **wish)
    answer = ground.ask("grant_db", payload)
    assert answer["status"] == "created", answer
    given = Tenant(ground, f"given_{role}", given_in="mine")
    before, life = ground.server.snapshot(), ground.life()
    of_the_owner = ("DROP USER mine", "ALTER USER mine ACCOUNT LOCK", "SET PASSWORD FOR 'mine'@'%' = 'another one'")
    went_through = [statement for statement in (*forbidden(), *of_the_owner) if works(given, statement)]
    assert went_through == []
    assert (ground.server.snapshot(), ground.life()) == (before, life)
    assert neighbour.sql("SELECT word FROM t") == [("precious",)]


def works(tenant: Tenant, statement: str) -> bool:
    with suppress(pymysql.err.MySQLError):
        tenant.sql(statement)
        return True
    return False


def test_a_routine_of_ones_own_reaches_no_further(tenant: Tenant, neighbour: Tenant) -> None:
    for security in ("DEFINER", "INVOKER"):
        tenant.sql(f"CREATE PROCEDURE reach_{security}() SQL SECURITY {security} SELECT * FROM neighbour.t")
        assert not works(tenant, f"CALL reach_{security}()")
    tenant.sql("CREATE EVENT reach ON SCHEDULE EVERY 1 SECOND DO INSERT INTO neighbour.t VALUES ('by an event')")
    time.sleep(2)
    tenant.sql("DROP EVENT reach")
    assert neighbour.sql("SELECT word FROM t") == [("precious",)]


ENGINES = ("InnoDB", "MyISAM", "Aria", "CSV", "ARCHIVE", "MEMORY", "MRG_MyISAM", "BLACKHOLE", "CONNECT", "FEDERATED")
PLACES = (
    "/var/lib/dbhandler/spool", "/var/lib/dbhandler/trash", "/var/lib/dbhandler", "/dev/shm", "/run/dbhandler",
    "/run/mysqld", "/tmp", "/var/lib/mysql-files",
)  # fmt: skip
PARTED = "PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (9) {0}, PARTITION q VALUES LESS THAN MAXVALUE {0})"


def test_nothing_is_written_outside_of_the_data_directory(ground: Ground) -> None:
    strayed = Tenant(ground, "strayed").made()
    ground.server.exec("mkdir", "-p", "-m", "777", *PLACES)
    with closing(strayed.connect()) as link, link.cursor() as cursor:
        for number, statement in enumerate(tables_elsewhere()):
            with suppress(pymysql.err.MySQLError):
                cursor.execute(statement.format(f"strayed.strayed_{number}"))
            with suppress(pymysql.err.MySQLError):
                cursor.execute(f"INSERT INTO strayed.strayed_{number} VALUES (1)")
    script = "find / /dev/shm /run /tmp /var/lib/dbhandler -xdev -name '*strayed*'"
    found = ground.server.exec("sh", "-c", script).splitlines()
    assert [path for path in found if not path.startswith("/var/lib/mysql/")] == []
    ground.served(10)


def tables_elsewhere() -> Iterator[str]:
    yield "CREATE TABLE strayed.`#mysql50#../../dbhandler/spool/strayed` (a INT)"
    yield "CREATE DATABASE `#mysql50#../dbhandler/strayed`"
    for place in PLACES:
        for engine in ENGINES:
            for clause in ("DATA DIRECTORY='{}'", "INDEX DIRECTORY='{}'", "DATA DIRECTORY='{0}' INDEX DIRECTORY='{0}'"):
                there = clause.format(place)
                yield f"CREATE TABLE {{}} (a INT NOT NULL, KEY (a)) ENGINE={engine} {there}"
                yield f"CREATE TABLE {{}} (a INT NOT NULL, KEY (a)) ENGINE={engine} {PARTED.format(there)}"


# --- passwords ---


SHOWING = (
    "information_schema.PROCESSLIST", "information_schema.SCHEMA_PRIVILEGES", "information_schema.USER_PRIVILEGES",
    "information_schema.USER_ATTRIBUTES", "performance_schema.threads", "performance_schema.processlist",
    "performance_schema.events_statements_history", "performance_schema.events_statements_current",
)  # fmt: skip


def test_nothing_that_the_server_shows_tells_of_others(ground: Ground, tenant: Tenant, neighbour: Tenant) -> None:
    seen, over = list[Any](), threading.Event()

    def look() -> None:
        with closing(tenant.connect()) as link, link.cursor() as cursor:
            while not over.is_set():
                for table in SHOWING:
                    with suppress(pymysql.err.MySQLError):
                        cursor.execute(f"SELECT * FROM {table}")
                        seen.extend(map(str, cursor.fetchall()))
                cursor.execute("SHOW FULL PROCESSLIST")
                seen.extend(map(str, cursor.fetchall()))

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(5):
        other = Tenant(ground, f"seen_{number}", VICTIM).made()
        new = other.request(operation="rotate_db", new_password=VICTIM + "2", expires=int(time.time()) + 30)
        assert ground.ask("rotate_db", new)["status"] == "rotated"
    over.set()
    looking.join()
    assert seen
    assert [line for line in seen if "neighbour" in line or "seen_" in line or "password" in line.lower()] == []


def test_guessed_passwords_open_nothing(ground: Ground, tenant: Tenant, neighbour: Tenant) -> None:
    before = ground.server.snapshot()
    for number in range(40):
        guess = Tenant(ground, "neighbour", f"{number:012d}")
        assert guess.asks() == "denied"
    assert ground.server.snapshot() == before
    # Nor is its owner shut out by them.
    assert neighbour.asks() == "exists"


def test_no_account_of_the_servers_opens_over_tcp(ground: Ground) -> None:
    for user in (
        "root",
        "mysql",
        "healthcheck",
        "mariadb.sys",
        "mysql.sys",
        "mysql.infoschema",
        "debian-sys-maint",
        "PUBLIC",
    ):
        for password in ("", "root", "mysql", "dbhandler", PASSWORD):
            assert not lets_in(ground.server, user, password), (user, password)


# --- one tenant is not all tenants ---


@contextmanager
def all_they_get(*tenants: Tenant) -> Iterator[int]:
    """As many connections as the server gives the accounts; how many."""
    with ExitStack() as stack:
        links: list[Any] = []
        for tenant in tenants:
            with suppress(pymysql.err.OperationalError):
                while True:
                    links.append(stack.enter_context(closing(tenant.connect())))
        yield len(links)


def test_one_accounts_connections_leave_room_for_others(ground: Ground, tenant: Tenant, neighbour: Tenant) -> None:
    [(most,)] = ground.server.sql("SELECT @@max_connections")
    with ground.unharmed(15), all_they_get(tenant) as count:
        assert count <= most / 2
        assert neighbour.sql("SELECT word FROM t") == [("precious",)]
        for _ in range(3):
            ground.quick()
        assert neighbour.asks() == "exists"
        # Its own event has to wait, or is refused; those behind it do not wait with it.
        ground.agent.event(tenant.request())
        ground.agent.event("behind_the_full_one")
        eventually("the event behind", lambda: ground.server.holds("behind_the_full_one"), 8)


def test_several_accounts_that_take_all_keep_no_request_waiting(ground: Ground, neighbour: Tenant) -> None:
    crowd = [Tenant(ground, f"crowd_{number}").made() for number in range(4)]
    with ground.unharmed(15), all_they_get(*crowd):
        for _ in range(3):
            ground.quick()
        assert neighbour.asks() == "exists"
        ground.agent.event("behind_the_crowd")
        eventually("the event", lambda: ground.ask("find_db", "behind_the_crowd")["status"] == "exists", 8)


@contextmanager
def holding_locks(tenant: Tenant) -> Iterator[None]:
    """A lock on a table, one by name, an open transaction, and a statement that takes long."""
    taking = (
        (f"LOCK TABLES {tenant.name}.t WRITE",), ("SELECT GET_LOCK('dbhandler', 1)",),
        ("BEGIN", f"INSERT INTO {tenant.name}.u VALUES (1)"),
    )  # fmt: skip
    with ExitStack() as stack:
        for statements in taking:
            with stack.enter_context(closing(tenant.connect())).cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        threading.Thread(target=sleeping, args=(stack.enter_context(closing(tenant.connect())),), daemon=True).start()
        yield


def sleeping(link: Any) -> None:
    with suppress(pymysql.err.MySQLError, OSError, ValueError), link.cursor() as cursor:
        cursor.execute("SELECT SLEEP(25)")


def test_drops_of_a_locked_database_hold_nobody_up(ground: Ground, neighbour: Tenant) -> None:
    locked = Tenant(ground, "locked").made()
    locked.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE u (id INT PRIMARY KEY)")
    over = threading.Event()

    def drop() -> None:
        while not over.wait(0.2):
            with ground.agent.rpc() as serf:
                # Nobody waits for the answers.
                list(serf.query("drop_db", json.dumps(locked.drop()).encode(), 0.01, nodes=[ground.server.node]))

    with ground.unharmed(15), holding_locks(locked):
        dropping = threading.Thread(target=drop)
        dropping.start()
        time.sleep(1)
        for _ in range(6):
            ground.quick()
            assert neighbour.asks() == "exists"
        ground.agent.event("behind_the_drops")
        eventually("an event", lambda: ground.server.holds("behind_the_drops"), 10)
        over.set()
        dropping.join()
    assert neighbour.sql("SELECT word FROM t") == [("precious",)]


def test_neither_drop_nor_restore_carries_out_what_names_say(ground: Ground, neighbour: Tenant) -> None:
    evil = Tenant(ground, "evil").made()
    names = (
        "x\n\\! touch /tmp/owned\nx", "x`; DROP DATABASE neighbour; -- x", "-- \nDROP DATABASE neighbour;\nx", "--x",
        "x'\"\\",
    )  # fmt: skip
    for name in names:
        evil.sql(f"CREATE TABLE `{name.replace('`', '``')}` (a INT PRIMARY KEY COMMENT '\n\\\\! touch /tmp/owned\n')")
    evil.sql("CREATE TABLE gone (a INT)", "CREATE VIEW broken AS SELECT * FROM gone", "DROP TABLE gone")
    evil.sql("CREATE PROCEDURE p() COMMENT '\n\\\\! touch /tmp/owned\n' SELECT 1")
    answer = ground.decided("drop_db", evil.drop())
    assert answer["status"] in ("dropped", "failed"), answer
    restored = ground.server.run("dbhandler-admin", "restore", "evil")
    assert "Traceback" not in ground.server.logs + restored.stdout
    assert ground.server.run("test", "-e", "/tmp/owned").returncode == 1
    assert neighbour.sql("SELECT word FROM t") == [("precious",)]


# --- what an account is for ---


OWN = (
    "CREATE TABLE own (a INT PRIMARY KEY, b TEXT)", "INSERT INTO own VALUES (1, 'x')", "UPDATE own SET b = 'y'",
    "ALTER TABLE own ADD c INT", "CREATE INDEX i ON own (c)", "CREATE VIEW own_view AS SELECT a FROM own",
    "CREATE PROCEDURE own_p() SELECT 1", "CALL own_p()", "CREATE TEMPORARY TABLE own_temporary (a INT)",
    "LOCK TABLES own WRITE", "UNLOCK TABLES", "DELETE FROM own", "DROP VIEW own_view", "DROP PROCEDURE own_p",
    "CREATE EVENT own_e ON SCHEDULE EVERY 1 DAY DO DELETE FROM own", "DROP EVENT own_e",
)  # fmt: skip
PROGRAMMED = (
    "CREATE TRIGGER own_t BEFORE INSERT ON own FOR EACH ROW SET @x = 1",
    "CREATE FUNCTION own_f() RETURNS INT DETERMINISTIC RETURN 1",
)


def test_it_does_everything_in_its_own_database(tenant: Tenant, engine: str) -> None:
    for statement in OWN:
        tenant.sql(statement)
    # MySQL wants SUPER for these while it writes a binary log; the table says so.
    assert [works(tenant, statement) for statement in PROGRAMMED] == [engine == "mariadb"] * 2


def test_the_admin_does_everything(ground: Ground, neighbour: Tenant) -> None:
    assert ground.server.sql("SELECT word FROM neighbour.t") == [("precious",)]
    for statement in ("SELECT 1 FROM mysql.user", "CREATE USER m", "GRANT SELECT ON neighbour.* TO m", "DROP USER m"):
        ground.server.sql(statement)


def test_it_rotates_and_drops_it(ground: Ground) -> None:
    first = Tenant(ground, "turning").made()
    new = first.request(operation="rotate_db", new_password=VICTIM, expires=int(time.time()) + 30)
    assert ground.ask("rotate_db", new)["status"] == "rotated"
    second = Tenant(ground, "turning", VICTIM)
    assert not ground.server.opens("turning", PASSWORD)
    assert second.asks() == "exists"
    assert ground.decided("drop_db", second.drop())["status"] == "dropped"
    assert "turning" not in ground.server.databases()
