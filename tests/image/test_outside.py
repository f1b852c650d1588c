"""No application's account reads or writes beside the data directory, and no password is in any file."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest

from dbhandler.client.asking import request_database, rotate_password
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import docker, eventually

LOGS = {
    "mariadb": ("--general-log", "--slow-query-log", "--long-query-time=0", "--log-bin", "--log-warnings=9"),
    "mysql": ("--general-log", "--log-raw", "--slow-query-log", "--long-query-time=0", "--log-error-verbosity=3"),
}
GIVEN = {
    "MYSQL_ROOT_PASSWORD": "planted-password-of-root",
    "MYSQL_DATABASE": "blog",
    "MYSQL_USER": "clerk",
    "MYSQL_PASSWORD": "planted-password-of-the-clerk",
    "MYSQL_ADMIN_PASSWORD": "planted-password-of-the-admin",
}
FIND = """\
import base64, json, os, sys
planted = [base64.b64decode(word) for word in sys.argv[1:]]
folders = ("/var/lib/mysql", "/var/lib/dbhandler", "/var/lib/mysql-files", "/run", "/tmp", "/dev/shm", "/var/log")
found = {}
for path in (os.path.join(top, name) for folder in folders for top, _, names in os.walk(folder) for name in names):
    if os.path.isfile(path):
        with open(path, "rb") as file:
            content = file.read()
        found[path] = [number for number, word in enumerate(planted) if word in content]
print(json.dumps(found))
"""
"""Run inside: which of the words stands in which file."""

DIRECTORY = "/dev/shm/outside"
ENGINES_OF_TABLES = ("InnoDB", "MyISAM", "Aria", "CSV", "ARCHIVE")
PARTS = "(n INT NOT NULL) ENGINE={engine} PARTITION BY RANGE (n)"
ATTACKS = (
    "CREATE TABLE a_{engine} (n INT NOT NULL) ENGINE={engine} DATA DIRECTORY='{to}' INDEX DIRECTORY='{to}'",
    f"CREATE TABLE b_{{engine}} {PARTS} (PARTITION p VALUES LESS THAN (9) DATA DIRECTORY='{{to}}')",
    f"CREATE TABLE b_{{engine}} {PARTS} (PARTITION p VALUES LESS THAN (9) INDEX DIRECTORY='{{to}}')",
    f"CREATE TABLE c_{{engine}} {PARTS} SUBPARTITION BY HASH (n) "
    "(PARTITION p VALUES LESS THAN (9) (SUBPARTITION s DATA DIRECTORY='{to}'))",
    "CREATE TEMPORARY TABLE d_{engine} (n INT NOT NULL) ENGINE={engine} DATA DIRECTORY='{to}'",
    "CREATE TABLE e_{engine} (n INT NOT NULL) ENGINE={engine}",
    "ALTER TABLE e_{engine} DATA DIRECTORY='{to}'",
    "ALTER TABLE e_{engine} PARTITION BY RANGE (n) (PARTITION p VALUES LESS THAN (9) DATA DIRECTORY='{to}')",
    "CREATE TABLE f_{engine} LIKE a_{engine}",
    "CREATE TABLE g_{engine} DATA DIRECTORY='{to}' ENGINE={engine} AS SELECT 1 AS n",
    "CREATE TABLESPACE t ADD DATAFILE '{to}/t.ibd'",
    "SELECT 1 INTO OUTFILE '{to}/o'",
    "SELECT 1 INTO DUMPFILE '{to}/d'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE e_{engine}",
    "SET GLOBAL general_log_file = '{to}/g'",
    "SET GLOBAL slow_query_log_file = '{to}/s'",
    "CLONE LOCAL DATA DIRECTORY = '{to}/c'",
    "INSTALL SONAME 'ha_federatedx'",
    "INSTALL PLUGIN federated SONAME 'ha_federatedx.so'",
    "CREATE FUNCTION outside RETURNS INT SONAME 'outside.so'",
    "CREATE SERVER outside FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
)


class Planted:
    """A server with all logs on, into which passwords have come by every way there is; `passwords` are all of them."""

    def __init__(self, server: Database, folder: Path) -> None:
        self.server = server
        server.admin = ("admin", GIVEN["MYSQL_ADMIN_PASSWORD"])
        where = {"state_file": folder / "state.json", "rpc_addr": server.rpc_address, "rpc_auth": RPC_KEY}
        first = request_database("shop", **where, timeout=60.0)  # type: ignore[arg-type]
        self.account = rotate_password(**where, timeout=60.0)  # type: ignore[arg-type]
        self.passwords = [word for name, word in GIVEN.items() if name.endswith("PASSWORD")]
        self.passwords += [first.password, self.account.password]

    def found(self) -> dict[str, list[int]]:
        """Every file inside, and which of the passwords stand in it, by their places in the list."""
        words = [base64.b64encode(word.encode()).decode() for word in self.passwords]
        return dict(json.loads(self.server.exec("python3", "-c", FIND, *words)))


@pytest.fixture(scope="module")
def planted(site: Site, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    scripts = tmp_path_factory.mktemp("scripts")
    scripts.chmod(0o755)
    (scripts / "posts.sql").write_text("CREATE TABLE posts (n INT PRIMARY KEY)")
    options = ("-v", f"{scripts}:/docker-entrypoint-initdb.d:ro")
    server = site.database(engine, *LOGS[engine], options=options, SERF_RPC_AUTH=RPC_KEY, **GIVEN)
    made = Planted(server.wait_healthy().wait_ready(), tmp_path_factory.mktemp("state"))
    yield made
    site.forget(server)


def test_no_password_is_in_any_file_or_log(planted: Planted) -> None:
    server, account = planted.server, planted.account
    for user, password in (("root", planted.passwords[0]), ("clerk", planted.passwords[1]), server.admin):
        assert server.opens(user, password)
    assert server.opens(account.user, account.password, "shop")
    # A log-in that fails, with a password that is another's.
    assert not server.opens(account.user, planted.passwords[0])
    found = planted.found()
    logs = [path for path in found if path.endswith(".log") and path.startswith("/var/lib/mysql/")]
    told = server.exec("sh", "-c", f"grep -la 'CREATE USER IF NOT EXISTS' {' '.join(logs)}").split()
    assert len(told) == 2, "what looks into logs without statements proves nothing"
    assert {path: numbers for path, numbers in found.items() if numbers} == {}
    assert [word for word in planted.passwords if word in server.logs] == []


def test_a_generated_password_is_in_the_banner_only(site: Site, engine: str) -> None:
    server = site.database(engine, *LOGS[engine], MYSQL_RANDOM_ROOT_PASSWORD="1", DBHANDLER_ADMIN="1").wait_healthy()
    [root] = [line.rpartition(" ")[2] for line in server.logs.splitlines() if "GENERATED ROOT PASSWORD: " in line]
    assert server.opens("root", root)
    words = [base64.b64encode(word.encode()).decode() for word in (root, server.admin[1])]
    found = json.loads(server.exec("python3", "-c", FIND, *words))
    assert len(found) > 20 and {path: numbers for path, numbers in found.items() if numbers} == {}
    site.forget(server)


def test_an_account_writes_and_reads_nothing_outside_the_data_directory(planted: Planted) -> None:
    server, account = planted.server, planted.account
    server.exec("sh", "-c", f"mkdir -m 777 {DIRECTORY}; chown mysql {DIRECTORY}")
    with server.connect(account.user, account.password, "shop") as connection, connection.cursor() as cursor:
        for engine in ENGINES_OF_TABLES:
            for attack in ATTACKS:
                with suppress(pymysql.err.Error):
                    cursor.execute(attack.format(engine=engine, to=DIRECTORY))
        cursor.execute("SELECT LOAD_FILE('/etc/passwd'), LOAD_FILE('/run/dbhandler/secrets/SERF_RPC_AUTH')")
        assert cursor.fetchall() == ((None, None),)
        cursor.execute("SHOW TABLES LIKE 'e_InnoDB'")
        assert cursor.fetchall(), "the attacks were made"
    assert server.exec("find", DIRECTORY).splitlines() == [DIRECTORY]


def test_with_the_privilege_file_one_folder_is_all_there_is(planted: Planted) -> None:
    server = planted.server
    secret = "/run/dbhandler/secrets/SERF_RPC_AUTH"
    assert server.exec("cat", secret) == RPC_KEY
    assert server.sql(f"SELECT LOAD_FILE('{secret}'), LOAD_FILE('/var/lib/dbhandler/key')") == [(None, None)]
    with pytest.raises(pymysql.err.OperationalError, match="1290"):
        server.sql("SELECT 1 INTO OUTFILE '/var/lib/dbhandler/spool/outside'")
    server.sql("SELECT 1 INTO OUTFILE '/var/lib/mysql-files/inside'")


def test_supervisords_password_is_its_own_at_every_start(planted: Planted) -> None:
    server = planted.server
    # supervisord says so after ten seconds, which the tests before this one need not take.
    eventually("the agent to run", lambda: "RUNNING" in server.supervisorctl("status", "dbhandler:agent"))
    wrong = ("supervisorctl", "-c", "/etc/dbhandler/supervisord.conf", "-u", "dbhandler", "-p", "dbhandler", "status")
    assert "RUNNING" not in server.exec(*wrong, check=False)
    # Without a file to be told: where supervisorctl looks by itself.
    assert "RUNNING" in docker("exec", server.name, "supervisorctl", "status", check=False).stdout
