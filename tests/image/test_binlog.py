"""The server's side of a backup: its binary log, the account that reads it, and the key in the data."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest
from nacl.public import PrivateKey

from dbhandler.client.asking import request_database, rotate_password
from dbhandler.requests.box import Credentials, seal
from dbhandler.trust.backup import USER, account_password
from dbhandler.trust.safe import Safe
from dbhandler.trust.secret import new_secret, parse
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import together

SECRET, NEXT = new_secret(), new_secret()
ROOT, FIRST, SCRIPTED, CHOSEN = (f"{word}-clear-and-plain-4711" for word in ("root", "first", "scripted", "chosen"))
SCRIPT = (
    f"CREATE USER scripted IDENTIFIED BY '{SCRIPTED}'; CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);"
)
WISHES = {"MYSQL_ROOT_PASSWORD": ROOT, "MYSQL_DATABASE": "first", "MYSQL_USER": "first", "MYSQL_PASSWORD": FIRST}
POSITION = {"mariadb": "SELECT @@gtid_binlog_pos", "mysql": "SELECT @@gtid_executed"}
MAY_NOT = (
    "INSERT INTO first.t VALUES (2)",
    "UPDATE first.t SET id = 3",
    "DELETE FROM first.t",
    "TRUNCATE first.t",
    "REPLACE INTO mysql.dbhandler_kept VALUES ('key', '')",
    "UPDATE mysql.db SET Db = '%'",
    "CREATE DATABASE more",
    "CREATE TABLE first.more (id INT)",
    "CREATE TEMPORARY TABLE first.more (id INT)",
    "CREATE VIEW first.more AS SELECT 1",
    "CREATE PROCEDURE first.more() SELECT 1",
    "ALTER TABLE first.t ADD COLUMN more INT",
    "CREATE INDEX more ON first.t (id)",
    "DROP TABLE first.t",
    "DROP DATABASE first",
    "CREATE USER more",
    "DROP USER first",
    "ALTER USER first ACCOUNT LOCK",
    "GRANT SELECT ON *.* TO first",
    "GRANT INSERT ON first.* TO dbhandler_backup",
    "LOCK TABLES first.t READ",
    "LOCK TABLES first.t WRITE",
    "FLUSH PRIVILEGES",
    "FLUSH BINARY LOGS",
    "PURGE BINARY LOGS BEFORE NOW()",
    "SET GLOBAL max_connections = 1",
    "SET SESSION sql_log_bin = 0",
    "SET SESSION binlog_format = 'STATEMENT'",
    "SELECT 1 INTO OUTFILE '/var/lib/mysql-files/more'",
    "STOP REPLICA",
    "SHUTDOWN",
)


@pytest.fixture(scope="module")
def servers(site: Site, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Database]]:
    """A server with the pool's secret, which has an account and a script from its first start; and one without."""
    script = tmp_path_factory.mktemp("scripts") / "a.sql"
    script.write_text(SCRIPT)
    mounted = ("-v", f"{script}:/docker-entrypoint-initdb.d/a.sql:ro", "-v", f"{site.volume()}:/var/lib/dbhandler")
    pooled = site.database(
        engine, options=mounted, SERF_RPC_AUTH=RPC_KEY, DBHANDLER_POOL_SECRET=f"{SECRET} {NEXT}", **WISHES
    )
    # MySQL writes a log by itself.
    plain = site.database(engine, **({"DBHANDLER_BINLOG": "0"} if engine == "mysql" else {}))
    together(*(one.wait_healthy for one in (pooled, plain)))
    pooled.wait_ready()
    yield pooled, plain
    for one in (pooled, plain):
        one.remove()


@pytest.fixture
def server(servers: tuple[Database, Database]) -> Database:
    return servers[0]


def root(server: Database, text: str) -> list[tuple[Any, ...]]:
    return server.sql(text, "root", ROOT)


def password(secret: str = SECRET) -> str:
    return account_password(parse(secret)[0])


def log_of(server: Database) -> str:
    return server.exec("sh", "-c", "cat /var/lib/mysql/binlog.0*")


def test_the_log_is_on_with_a_secret_and_off_where_nobody_wants_it(servers: tuple[Database, Database]) -> None:
    pooled, plain = servers
    assert root(pooled, "SELECT @@log_bin, @@binlog_format") == [(1, "ROW")]
    assert root(pooled, "SELECT @@binlog_expire_logs_seconds, @@max_binlog_size") == [(172800, 100 << 20)]
    assert root(pooled, "SELECT @@server_id > 1") == [(1,)]
    assert plain.sql("SELECT @@log_bin") == [(0,)]
    assert plain.sql(f"SELECT 1 FROM mysql.user WHERE User = '{USER}'") == []


def test_no_password_stands_in_the_log(server: Database, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    asked: dict[str, Any] = {"state_file": state, "rpc_addr": server.rpc_address, "rpc_auth": RPC_KEY, "timeout": 30}
    before = request_database("logged", **asked).password
    after = rotate_password(**asked).password
    answer = server.query("create_db", sealed(server, "chosen", CHOSEN))
    assert answer["status"] == "created", answer
    written = log_of(server)
    assert all(f"CREATE USER IF NOT EXISTS '{user}'" in written for user in ("logged", "chosen", USER))
    for secret in (before, after, CHOSEN, ROOT, FIRST, SCRIPTED, password(), SECRET):
        assert secret not in written


def sealed(server: Database, user: str, password: str) -> dict[str, object]:
    return {"database": "chosen", "sealed": seal(server.key, Credentials("chosen", user, password))}


@pytest.mark.parametrize("user", [USER, USER.upper()])
def test_no_application_gets_the_backups_account(server: Database, user: str) -> None:
    answer = server.query("create_db", sealed(server, user, CHOSEN))
    assert (answer["status"], "the user name is reserved" in answer["reason"]) == ("invalid", True), answer


def test_the_account_reads_everything(server: Database) -> None:
    with closing(server.connect(USER, password())) as link, link.cursor() as cursor:
        for text in (
            "SELECT * FROM first.t",
            "SELECT * FROM mysql.user",
            "SHOW BINARY LOGS",
            "SHOW CREATE VIEW sys.version",
        ):
            assert cursor.execute(text)
    assert not server.opens(USER, password(NEXT))


def test_the_account_changes_nothing(server: Database) -> None:
    before = root(server, POSITION[server.engine])
    with closing(server.connect(USER, password())) as link, link.cursor() as cursor:
        for text in MAY_NOT:
            with pytest.raises(pymysql.err.MySQLError, match=r"denied|Access|command denied") as caught:
                cursor.execute(text)
            assert caught.value.args[0] in (1044, 1045, 1142, 1227, 1370, 1410), (text, caught.value)
    assert root(server, POSITION[server.engine]) == before


def test_the_account_logs_in_over_tls_only(server: Database) -> None:
    # Over TLS first: then MySQL's plugin knows the password, and TLS is all that is missing.
    server.connect(USER, password()).close()
    with pytest.raises(pymysql.err.OperationalError) as caught:
        pymysql.connect(
            host="127.0.0.1", port=server.published(3306), user=USER, password=password(), ssl_disabled=True
        )
    assert caught.value.args[0] == 1045


def test_the_data_hold_the_servers_key(server: Database) -> None:
    rows = {str(name): str(value) for name, value in root(server, "SELECT name, value FROM mysql.dbhandler_kept")}
    assert rows["public"] == server.key
    private = Safe(parse(SECRET)).open(rows["key"])
    assert private is not None
    assert base64.b64encode(bytes(PrivateKey(private).public_key)).decode() == server.key


def test_applications_make_triggers_where_they_could_before(server: Database) -> None:
    if server.engine == "mysql":
        pytest.skip("MySQL always writes a log, and has never let them")
    answer = server.query(
        "create_db", {"database": "rules", "sealed": seal(server.key, Credentials("rules", "rules", CHOSEN))}
    )
    assert answer["status"] == "created", answer
    with closing(server.connect("rules", CHOSEN, "rules")) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT)")
        cursor.execute("CREATE TRIGGER more BEFORE INSERT ON t FOR EACH ROW SET NEW.id = 1")
        cursor.execute("CREATE FUNCTION one() RETURNS INT RETURN (SELECT MAX(id) FROM t)")


def test_a_restart_adds_nothing_to_the_log(server: Database) -> None:
    position, number = POSITION[server.engine], "SELECT @@server_id"
    before = root(server, position) + root(server, number)
    server.restart()
    server.wait_healthy().wait_ready()
    assert root(server, position) + root(server, number) == before
