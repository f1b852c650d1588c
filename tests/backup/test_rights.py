"""What the backup may not do, and what nobody learns of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import pymysql
import pytest

from dbhandler.trust.backup import USER, account_password, repository_password
from dbhandler.trust.secret import parse
from tests.support.backups import BackedUp
from tests.support.containers import Site
from tests.support.docker import docker, eventually

PLANTED = "what-nobody-may-read-of-a-stolen-repository-4711"
PLANTED_TABLE = "a_name_that_nobody_may_read"
CHANGES = (
    "CREATE DATABASE taken",
    "DROP DATABASE shop",
    f"INSERT INTO shop.{PLANTED_TABLE} VALUES ('more')",
    f"UPDATE shop.{PLANTED_TABLE} SET text = 'other'",
    f"DELETE FROM shop.{PLANTED_TABLE}",
    f"TRUNCATE TABLE shop.{PLANTED_TABLE}",
    f"DROP TABLE shop.{PLANTED_TABLE}",
    f"ALTER TABLE shop.{PLANTED_TABLE} ADD COLUMN n INT",
    f"RENAME TABLE shop.{PLANTED_TABLE} TO shop.other",
    f"CREATE INDEX i ON shop.{PLANTED_TABLE} (text(3))",
    "CREATE TABLE shop.other (n INT)",
    "CREATE VIEW shop.seen AS SELECT 1",
    "CREATE PROCEDURE shop.run() SELECT 1",
    "CREATE USER intruder IDENTIFIED BY 'Pa55-word!'",
    "CREATE ROLE intruders",
    f"ALTER USER {USER} WITH MAX_USER_CONNECTIONS 1000",
    f"GRANT INSERT ON *.* TO {USER}",
    f"GRANT SELECT ON *.* TO {USER} WITH GRANT OPTION",
    "UPDATE mysql.db SET Insert_priv = 'Y'",
    "DELETE FROM mysql.dbhandler_kept",
    "SET GLOBAL max_connections = 1",
    "SET GLOBAL read_only = 1",
    "PURGE BINARY LOGS BEFORE NOW()",
    "SELECT 1 INTO OUTFILE '/tmp/written'",
    "INSTALL PLUGIN evil SONAME 'evil.so'",
    "SHUTDOWN",
)
OF_ENGINE = {
    "mariadb": ("RESET MASTER", "CHANGE MASTER TO MASTER_HOST = 'elsewhere'", "SET SESSION sql_log_bin = 0"),
    "mysql": (
        "RESET BINARY LOGS AND GTIDS", "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'elsewhere'", "RESTART",
        "SET SESSION sql_log_bin = 0", "SET PERSIST max_connections = 1", "CLONE LOCAL DATA DIRECTORY '/tmp/clone'",
    ),
}  # fmt: skip
PRICE = {
    "CREATE EVENT shop.later ON SCHEDULE EVERY 1 DAY DO SELECT 1": "DROP EVENT shop.later",
    f"CREATE TRIGGER shop.noting BEFORE INSERT ON shop.{PLANTED_TABLE} FOR EACH ROW SET NEW.text = ''":
        "DROP TRIGGER shop.noting",
}  # fmt: skip
"""Neither engine has a right to read triggers and events without that to make them, which then run with the rights of
this account."""
DENIED = {1044, 1045, 1142, 1143, 1227, 1290, 1370, 1410, 1419, 3546, 4003, 8}
"""That it may not, or that files are closed to everybody."""


@pytest.fixture(scope="module")
def pool(site: Site, engine: str) -> Iterator[BackedUp]:
    made = BackedUp(site, engine)
    made.server.wait_ready()
    made.server.sql("CREATE DATABASE shop")
    made.server.sql(f"CREATE TABLE shop.{PLANTED_TABLE} (text VARCHAR(100))")
    made.server.sql(f"INSERT INTO shop.{PLANTED_TABLE} VALUES ('{PLANTED}')")
    made.backup.wait_proven()
    yield made
    made.close()


def test_the_account_changes_nothing(pool: BackedUp) -> None:
    before = pool.server.snapshot()
    [secret] = parse(pool.secret)
    connection = pool.server.connect(USER, account_password(secret))
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"SELECT text FROM shop.{PLANTED_TABLE}")
        assert cursor.fetchall() == ((PLANTED,),), "it reads everything"
        done = [statement for statement in (*CHANGES, *OF_ENGINE[pool.engine]) if not is_denied(cursor, statement)]
        assert done == []
        for statement, undone in PRICE.items():
            cursor.execute(statement)
            cursor.execute(undone)
    assert pool.server.snapshot() == before
    assert pool.server.sql(f"SELECT * FROM shop.{PLANTED_TABLE}") == [(PLANTED,)]


def is_denied(cursor: pymysql.cursors.Cursor, statement: str) -> bool:
    try:
        cursor.execute(statement)
    except pymysql.err.Error as error:
        assert error.args[0] in DENIED, f"{statement}: {error}"
        return True
    return False


def test_it_is_let_in_with_tls_alone(pool: BackedUp) -> None:
    [secret] = parse(pool.secret)
    with pytest.raises(pymysql.err.OperationalError):
        pymysql.connect(
            host="127.0.0.1", port=pool.server.published(3306), user=USER, password=account_password(secret).encode(),
            ssl_disabled=True,
        )  # fmt: skip


def test_a_stolen_repository_tells_nothing(pool: BackedUp) -> None:
    eventually("what is shipped", lambda: len(pool.backup.restic("snapshots", "--json").stdout) > 400)
    for text in (PLANTED, PLANTED_TABLE, "CREATE TABLE", "db1"):
        found = pool.backup.run("grep", "-rlaF", text, "/backups/repository")
        assert (found.returncode, found.stdout) == (1, "")
    opened = pool.backup.run("restic", "-r", "/backups/repository", "snapshots", RESTIC_PASSWORD="guessed")
    assert "wrong password" in opened.stdout
    # What is not encrypted is on the backup's own volume, for nobody else.
    assert pool.backup.exec("find", "/backups", "-perm", "/077", "-type", "f") == ""


LOOK = """
import os, sys
secrets = sys.stdin.read().split()
for pid in filter(str.isdigit, os.listdir("/proc")):
    for what in ("cmdline", "environ"):
        try:
            text = open(f"/proc/{pid}/{what}", "rb").read().decode(errors="replace")
            name = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        if int(pid) != os.getpid() and any(secret in text for secret in secrets):
            print(name, what)
"""


def test_no_secret_is_told_or_shown_to_others(pool: BackedUp) -> None:
    [secret] = parse(pool.secret)
    secrets = [pool.secret, account_password(secret), repository_password(secret)]
    shown: set[str] = set()
    pool.backup.restart()
    for _ in range(15):
        with suppress(AssertionError):
            found = pool.backup.exec("python3", "-c", LOOK, stdin="\n".join(secrets), user="root")
            shown |= set(found.splitlines())
    listed = docker("exec", pool.backup.name, "dbhandler-backup", "list").stdout
    # The one that was given them, and what is given the repository's password.
    assert shown <= {"dbhandler-backu environ", "python3 environ", "restic environ"}, shown
    for text in (pool.backup.logs, listed, pool.server.logs):
        assert not any(secret in text for secret in secrets)
