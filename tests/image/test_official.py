"""At home for users of the official images: their variables, init scripts, health check and command lines."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest

from tests.support.containers import SERVERS, Database, Site
from tests.support.docker import docker, eventually

INITDB = "/docker-entrypoint-initdb.d"
ROOT_PASSWORD = "r\"o\\o t'#$ä"
CLERK_PASSWORD = "p`ä%s;&"
NAME = "my-shop_x"


class Scripts:
    """A folder of init scripts on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)

    def put(self, name: str, content: str | bytes, mode: int = 0o644) -> Scripts:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return self

    @property
    def mounted(self) -> tuple[str, ...]:
        return ("-v", f"{self.folder}:{INITDB}:ro")


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


@pytest.fixture(scope="module")
def full(site: Site, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A server that was given everything."""
    scripts = Scripts(tmp_path_factory.mktemp("initdb"))
    scripts.put("10.sql", "CREATE TABLE told (what VARCHAR(20)); INSERT INTO told VALUES ('sql');")
    scripts.put("20.sql.gz", gzip.compress(b"INSERT INTO told VALUES ('gz');"))
    scripts.put("30.sql.xz", lzma.compress(b"INSERT INTO told VALUES ('xz');"))
    # A frame of Zstandard, by hand: no compressor is needed to test that it is read.
    scripts.put("40.sql.zst", base64.b64decode(ZSTD))
    scripts.put("50.sh", """mysql_note sourced; docker_process_sql <<< "INSERT INTO told VALUES ('sourced')" """)
    scripts.put("60.sh", EXECUTED, 0o755)
    scripts.put("70-view.sql", "CREATE VIEW seen AS SELECT * FROM told;")
    scripts.put("README", "not to be run")
    return site.database(
        engine,
        options=scripts.mounted,
        MYSQL_ROOT_PASSWORD=ROOT_PASSWORD,
        MYSQL_DATABASE=NAME,
        MYSQL_DATABASES="x y",
        MARIADB_USER="clerk",
        MYSQL_PASSWORD=CLERK_PASSWORD,
        MARIADB_CHARACTER_SET="latin1",
        MYSQL_COLLATE="latin1_german1_ci",
    ).wait_healthy()


ZSTD = base64.b64encode(
    b"\x28\xb5\x2f\xfd\x20\x20\x01\x01\x00INSERT INTO told VALUES ('zst');"
).decode()  # fmt: skip
"""Magic number, single segment of 32 bytes, one raw last block. Source: RFC 8878."""

EXECUTED = """\
#!/bin/bash
client=$(command -v mariadb || command -v mysql)
"$client" -uroot -p"$MYSQL_ROOT_PASSWORD" "$MARIADB_DATABASE" -e "INSERT INTO told VALUES ('executed')"
"""


def test_databases_and_their_user(full: Database) -> None:
    names = {name for (name,) in full.sql("SHOW DATABASES", "clerk", CLERK_PASSWORD)}
    assert {NAME, "x", "y"} <= names
    assert "mysql" not in names
    assert full.opens("clerk", CLERK_PASSWORD, NAME)
    assert not full.opens("clerk", "another", NAME)
    query = f"SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{NAME}'"
    assert full.sql(query, "root", ROOT_PASSWORD) == [("latin1_german1_ci",)]


def test_the_underscore_in_a_grant_stands_for_itself(full: Database) -> None:
    full.sql("CREATE DATABASE `my-shopAx`", "root", ROOT_PASSWORD)
    assert not full.opens("clerk", CLERK_PASSWORD, "my-shopAx")


def test_root_needs_its_password_everywhere(full: Database) -> None:
    assert full.opens("root", ROOT_PASSWORD)
    assert not full.opens("root", "")
    assert full.run(full.engine, "-uroot", "-e", "SELECT 1").returncode != 0
    assert full.exec(full.engine, "-uroot", "-Ne", "SELECT 'in'", MYSQL_PWD=ROOT_PASSWORD).splitlines()[-1] == "in"


def test_no_admin_of_ours_is_made_and_nothing_secret_is_printed(full: Database) -> None:
    assert full.sql("SELECT User FROM mysql.user WHERE User = 'admin'", "root", ROOT_PASSWORD) == []
    assert not full.passwords
    for secret in (ROOT_PASSWORD, CLERK_PASSWORD):
        assert secret not in full.logs


def test_scripts_have_run_in_order_and_once(full: Database) -> None:
    told = [what for (what,) in full.sql(f"SELECT what FROM `{NAME}`.told", "root", ROOT_PASSWORD)]
    assert told == ["sql", "gz", "xz", "zst", "sourced", "executed"]
    [(_, view, *_)] = full.sql(f"SHOW CREATE VIEW `{NAME}`.seen", "root", ROOT_PASSWORD)
    assert "DEFINER=`root`@`localhost`" in view
    assert "[Note] [Entrypoint]: sourced" in full.logs
    assert f"ignoring {INITDB}/README" in full.logs
    full.restart()
    full.wait_healthy()
    assert len(full.sql(f"SELECT what FROM `{NAME}`.told", "root", ROOT_PASSWORD)) == 6


def test_passwords_are_in_no_process_environment(full: Database) -> None:
    # `docker exec` itself gets the container's variables: it is run with others in their place.
    cover = {"MYSQL_ROOT_PASSWORD": "", "MYSQL_PASSWORD": ""}
    script = "for p in /proc/[0-9]*; do cat $p/environ $p/cmdline 2>/dev/null; done | tr '\\0' '\\n'"
    variables = [part for name in cover for part in ("-e", f"{name}=")]
    seen = docker("exec", *variables, "-u", "mysql", full.name, "sh", "-c", script).stdout
    assert "dbhandler-entrypoint" in seen
    for secret in (ROOT_PASSWORD, CLERK_PASSWORD):
        assert secret not in seen
    assert full.exec("grep", "-rlF", CLERK_PASSWORD, "/run/dbhandler", "/var/lib/dbhandler", check=False) == ""


def test_the_time_zones_are_there(full: Database) -> None:
    query = "SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin') = '2026-07-01 14:00:00'"
    assert full.sql(query, "root", ROOT_PASSWORD) == [(1,)]


def test_the_official_health_check(full: Database) -> None:
    assert full.run("healthcheck.sh", "--connect", "--innodb_initialized").returncode == 0
    assert full.run("healthcheck.sh", "--su-mysql", "--connect", "--agent").returncode == 0
    assert full.run("healthcheck.sh", "--replication").returncode == 1
    assert full.run("healthcheck.sh", "--galera_online").returncode == 1
    assert full.run("healthcheck.sh", "--no-such-test").returncode != 0


def test_self_service_works_beside_it(full: Database) -> None:
    full.exec("dbhandler-create", stdin="wordpress")
    query = "SHOW DATABASES LIKE 'wordpress'"
    eventually("the database", lambda: full.sql(query, "root", ROOT_PASSWORD) == [("wordpress",)])


def test_a_generated_root_password_that_serves_once(site: Site, engine: str) -> None:
    server = site.database(engine, MYSQL_RANDOM_ROOT_PASSWORD="yes", MYSQL_ONETIME_PASSWORD="yes").wait_healthy()
    [password] = re.findall(r"GENERATED ROOT PASSWORD: (\S+)", server.logs)
    assert len(password) >= 20
    with pytest.raises(pymysql.err.Error) as refused:
        server.sql("SELECT 1", "root", password)
    assert refused.value.args[0] in (1820, 1862), "the password has to be changed first"
    assert not server.opens("root", password[:-1])
    site.forget(server)


def test_an_empty_root_password_and_a_root_at_home(site: Site, engine: str) -> None:
    server = site.database(engine, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD="1", MYSQL_ROOT_HOST="localhost").wait_healthy()
    assert server.exec(engine, "-uroot", "-Ne", "SELECT 'in'").splitlines()[-1] == "in"
    assert not server.opens("root", "")
    site.forget(server)


def test_hashes_in_place_of_passwords(site: Site) -> None:
    # SELECT PASSWORD('hunter2')
    hashed = "*58815970BE77B3720276F63DB198B1FA42E5CC02"
    server = site.database(
        MARIADB_ROOT_PASSWORD_HASH=hashed, MARIADB_USER="u", MARIADB_PASSWORD_HASH=hashed, MARIADB_DATABASE="d"
    ).wait_healthy()
    assert server.opens("root", "hunter2")
    assert server.opens("u", "hunter2", "d")
    site.forget(server)


def test_a_value_and_a_file_exclude_each_other(site: Site, engine: str) -> None:
    status, log = site.once(f"dbhandler:{engine}", MYSQL_ROOT_PASSWORD="marked", MYSQL_ROOT_PASSWORD_FILE="/x")
    assert status != 0
    assert "Both MYSQL_ROOT_PASSWORD and MYSQL_ROOT_PASSWORD_FILE are set (but are exclusive)" in log
    assert "marked" not in log


def test_a_password_from_a_file_that_only_root_may_read(site: Site, engine: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    secret.chmod(0o400)
    server = site.database(
        engine, options=("-v", f"{secret}:/run/secrets/root:ro"), MYSQL_ROOT_PASSWORD_FILE="/run/secrets/root"
    ).wait_healthy()
    assert server.opens("root", "from-a-file")
    site.forget(server)


def test_a_script_that_fails_ends_the_start_and_the_next_one_begins_again(
    site: Site, engine: str, scripts: Scripts
) -> None:
    scripts.put("10.sql", "CREATE TABLE once (a INT); INSERT INTO once VALUES (1);").put("20.sql", "SELEKT;")
    server = site.database(engine, options=scripts.mounted, MYSQL_DATABASE="shop")
    assert server.wait_ended() != 0
    assert f"init script '{INITDB}/20.sql' failed" in server.logs
    scripts.put("20.sql", "SELECT 1;")
    server.start()
    server.wait_healthy()
    assert server.sql("SELECT COUNT(*) FROM shop.once") == [(1,)]
    site.forget(server)


SLOW = "touch /tmp/slow-has-begun; sleep 8"


def begun(server: Database) -> bool:
    return server.run("test", "-e", "/tmp/slow-has-begun").returncode == 0


def test_while_scripts_run_nobody_comes_in_and_the_check_is_red(site: Site, engine: str, scripts: Scripts) -> None:
    scripts.put("10.sql", "CREATE TABLE once (a INT); INSERT INTO once VALUES (1);").put("20.sh", SLOW)
    server = site.database(engine, options=scripts.mounted, MYSQL_DATABASE="shop", MYSQL_ROOT_PASSWORD="pw")
    eventually("the slow script", lambda: begun(server))
    assert server.run("dbhandler-health").returncode == 1
    assert server.run("healthcheck.sh", "--connect").returncode == 1
    with pytest.raises(pymysql.err.OperationalError):
        server.connect("root", "pw")
    # Killed in the middle, it begins from the start.
    server.kill()
    server.start()
    server.wait_healthy()
    assert server.sql("SELECT COUNT(*) FROM shop.once", "root", "pw") == [(1,)]
    site.forget(server)


def test_a_stop_in_the_middle_of_a_script_is_heard(site: Site, engine: str, scripts: Scripts) -> None:
    scripts.put("10.sh", SLOW)
    server = site.database(engine, options=scripts.mounted)
    eventually("the slow script", lambda: begun(server))
    server.stop()
    assert not server.running
    assert "ended with status" not in server.logs
    server.start()
    server.wait_healthy()
    assert len(server.passwords) == 1
    site.forget(server)


@pytest.mark.parametrize("first", [None, "its own"])
def test_the_servers_help(site: Site, engine: str, first: str | None) -> None:
    command = ("--verbose", "--help") if first is None else (SERVERS[engine], "--verbose", "--help")
    status, log = site.once(f"dbhandler:{engine}", *command)
    assert status == 0
    assert re.search(r"^max-connections +\d+$", log, re.MULTILINE)
    assert re.search(r"^character-set-server +utf8mb4$", log, re.MULTILINE)


def test_options_and_files_of_settings(site: Site, engine: str, tmp_path: Path) -> None:
    (tmp_path / "own.cnf").write_text("[mysqld]\nmax_connections = 77\nlong_query_time = 7\n")
    tmp_path.chmod(0o755)
    options = ("-v", f"{tmp_path}:/etc/mysql/conf.d:ro")
    server = site.database(
        engine, "--max-connections=78", "--character-set-server=latin1", options=options
    ).wait_healthy()
    query = "SELECT @@max_connections, @@long_query_time, @@character_set_server"
    assert server.sql(query) == [(78, 7.0, "latin1")]
    # Without a root password, root at the socket is whoever is root in the container.
    assert server.exec(engine, "-Ne", "SELECT USER()").splitlines()[-1] == "root@localhost"
    site.forget(server)


def test_the_client_in_a_container_of_its_own(site: Site, engine: str) -> None:
    network = site.network()
    server = site.database(engine, options=("--network", network)).wait_healthy()
    user, password = server.admin
    client = (engine, f"-h{server.name}", f"-u{user}", f"-p{password}", "-Ne", "SELECT 'reached'")
    status, log = site.once(f"dbhandler:{engine}", *client, options=("--network", network))
    assert (status, log.splitlines()[-1]) == (0, "reached")
    site.forget(server)


def test_the_log_says_ready_at_the_end_of_the_start(site: Site, engine: str) -> None:
    server = site.database(engine).wait_healthy()
    eventually("the last line", lambda: server.logs.count(": ready for connections") == 2)
    ours = [line for line in server.logs.splitlines() if "[dbhandler]: " in line]
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00 \[(Note|Warn|ERROR)\] \[dbhandler\]: "
    assert all(re.match(form, line) for line in ours)
    # What the agent says of Serf and of the pool has nothing to do with the server's start.
    started = [line for line in ours if "]: serf: " not in line and " pool" not in line]
    assert started[-1].endswith("[Note] [dbhandler]: ready for connections")
    site.forget(server)


def test_the_log_for_machines(site: Site) -> None:
    server = site.database(DBHANDLER_LOG_FORMAT="json").wait_healthy()
    server.exec("dbhandler-create", stdin="shop")
    server.exec("dbhandler-create", stdin="no;")
    eventually("the refusal", lambda: "DBHANDLER_NAME_PATTERN" in server.logs)
    assert "[dbhandler]: " not in server.logs
    ours = []
    for line in server.logs.splitlines():
        with suppress(ValueError):
            ours.append(json.loads(line))
    made = next(line for line in ours if line.get("database") == "shop")
    assert (made["status"], made["level"], made["component"]) == ("created", "note", "dbhandler")
    assert next(line for line in ours if line.get("status") == "invalid")["reason"]
    site.forget(server)


def test_errors_stand_on_stderr(engine: str) -> None:
    done = subprocess.run(
        ("docker", "run", "--rm", "-e", "DBHANDLER_MAX_DATABASES=many", f"dbhandler:{engine}"),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stdout == ""
    assert "[ERROR] [dbhandler]: DBHANDLER_MAX_DATABASES has to be" in done.stderr


def test_a_user_beside_our_own_admin(site: Site, engine: str) -> None:
    server = site.database(engine, MYSQL_DATABASE="d", MYSQL_USER="u", MYSQL_PASSWORD="p").wait_healthy()
    # Nobody said how root logs in, so our admin is there, too.
    assert server.opens("u", "p", "d") and server.opens(*server.admin)
    assert "MySQL user 'root' has no password but only allows local connections" in server.logs
    site.forget(server)
