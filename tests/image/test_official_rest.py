"""The rest of the official images: plugins, encryption at rest, allocators, accounts of health checks, refusals."""

from __future__ import annotations

import bz2
import re
import secrets
from contextlib import closing
from functools import partial
from pathlib import Path

import pymysql
import pytest

from tests.support.containers import Database, Site
from tests.support.docker import eventually, together

DOCS = Path(__file__).parents[2] / "docs/reference/official-variables.md"
PLUGINS = "/usr/lib/mysql/plugin"
INITDB = "/docker-entrypoint-initdb.d"
ROOT_PASSWORD, WEAK = "a-root-password", "weak"
CHECKED = "MARIADB_HEALTHCHECK_GRANTS"

ENCRYPTED = """\
[mariadb]
plugin_load_add = file_key_management
file_key_management_filename = /etc/encryption/keys
innodb_encrypt_tables = ON
innodb_encrypt_log = ON
innodb_encryption_threads = 4
aria_encrypt_tables = ON
encrypt_tmp_disk_tables = ON
encrypt_tmp_files = ON
encrypt_binlog = ON
"""
"""As the official image's own test has it."""

OLD_SCRIPT = """\
said=$(docker_sql_escape_string_literal "it's $DATADIR $SOCKET")
echo "INSERT INTO told VALUES ('$said')" | "${mysql[@]}"
"""
ALLOCATORS = {"mariadb": "libjemalloc.so.2", "mysql": "libtcmalloc_minimal.so.4"}
CHECKING = {"mariadb": ("--plugin-load-add=simple_password_check",), "mysql": ()}


@pytest.fixture(scope="module")
def dressed(site: Site, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A server with all that is not in test_official.py, run as a user whom the image does not know."""
    folder = tmp_path_factory.mktemp("dressed")
    for name in ("conf.d", "encryption", "initdb.d"):
        (folder / name).mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "encryption/keys").write_text(f"1;{secrets.token_hex(32)}\n")
    if engine == "mariadb":
        (folder / "conf.d/encrypt.cnf").write_text(ENCRYPTED)
    (folder / "initdb.d/10.sql.bz2").write_bytes(bz2.compress(b"CREATE TABLE told (what VARCHAR(200));"))
    (folder / "initdb.d/20.sh").write_text(OLD_SCRIPT)
    mounts = {"conf.d": "/etc/mysql/conf.d", "encryption": "/etc/encryption", "initdb.d": INITDB}
    options = [part for name, place in mounts.items() for part in ("-v", f"{folder / name}:{place}:ro")]
    return site.database(
        engine,
        *CHECKING[engine],
        options=(*options, "--user", "4711"),
        LD_PRELOAD=ALLOCATORS[engine],
        TZ="Europe/Berlin",
        MARIADB_ROOT_PASSWORD=ROOT_PASSWORD,
        MARIADB_DATABASE="shop",
        MARIADB_USER="clerk",
        MARIADB_PASSWORD=WEAK,
        MARIADB_HEALTHCHECK_GRANTS="PROCESS, REPLICATION CLIENT",
        MARIADB_MYSQL_LOCALHOST_USER="1",
        MARIADB_MYSQL_LOCALHOST_GRANTS="RELOAD",
        MARIADB_INITDB_SKIP_TZINFO="1",
    ).wait_healthy()


def root(server: Database, statement: str) -> list[tuple[object, ...]]:
    return server.sql(statement, "root", ROOT_PASSWORD)


def only(server: Database, engine: str) -> None:
    if server.engine != engine:
        pytest.skip(f"a matter of {engine} alone")


def test_what_is_to_be_encrypted_at_rest_is_and_only_that(dressed: Database) -> None:
    only(dressed, "mariadb")
    with closing(dressed.connect("root", ROOT_PASSWORD, "shop")) as connection, connection.cursor() as cursor:
        for name, more in (("closed", ""), ("plain", "ENCRYPTED=NO")):
            cursor.execute(f"CREATE TABLE {name} (a VARCHAR(99)) {more}")
            cursor.execute(f"INSERT INTO {name} VALUES ('a-marked-value')")
        cursor.execute("FLUSH TABLES closed, plain FOR EXPORT")
        found = dressed.exec("sh", "-c", "grep -l a-marked-value /var/lib/mysql/shop/*.ibd", check=False).split()
    assert found == ["/var/lib/mysql/shop/plain.ibd"]
    count = "SELECT COUNT(*) FROM information_schema.innodb_tablespaces_encryption WHERE ENCRYPTION_SCHEME = 1"
    [(tables,)] = root(dressed, count)
    assert int(str(tables)) > 1


def documented(row: str) -> set[str]:
    """The names in the first cell of a row of the table of plugins."""
    [line] = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{row}`")]
    return set(re.findall(r"`(\w+)`", line.split("|")[1]))


def test_every_plugin_of_the_official_image_can_be_loaded(dressed: Database) -> None:
    only(dressed, "mariadb")
    there = {name.removesuffix(".so") for name in dressed.exec("ls", PLUGINS).split() if name.endswith(".so")}
    assert documented("auth_ed25519") <= there
    assert not there & documented("connect")
    libraries = root(
        dressed, "SELECT PLUGIN_LIBRARY FROM information_schema.ALL_PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE'"
    )
    loaded = {str(library) for (library,) in libraries}
    with pytest.raises(pymysql.err.Error, match="beta plugin"):
        root(dressed, "INSTALL SONAME 'handlersocket'")
    # Of these two a server has the newer one: ha_federatedx, auth_pam.
    for name in sorted(documented("auth_ed25519") - {"auth_pam_v1", "ha_federated", "handlersocket"}):
        if f"{name}.so" not in loaded:
            root(dressed, f"INSTALL SONAME '{name}'")
    assert dressed.run("dbhandler-health").returncode == 0
    assert dressed.run("which", "mariadb-dump").returncode == 0 != dressed.run("which", "mariadb-backup").returncode


def test_every_plugin_of_the_distribution_s_package_is_there(dressed: Database) -> None:
    only(dressed, "mysql")
    files = [line for line in dressed.exec("dpkg", "-L", "mysql-server-core").splitlines() if line.endswith(".so")]
    assert len(files) > 20
    assert dressed.run("ls", *files).returncode == 0
    root(dressed, "INSTALL COMPONENT 'file://component_validate_password'")
    with pytest.raises(pymysql.err.Error, match="policy requirements"):
        root(dressed, f"CREATE USER guest@localhost IDENTIFIED BY '{WEAK}'")


def test_another_allocator_is_the_servers(dressed: Database) -> None:
    maps = dressed.exec("cat", f"/proc/{dressed.pid('mysqld')}/maps")
    assert ALLOCATORS[dressed.engine].partition(".")[0] in maps
    assert "nss_wrapper" in maps, "the name that the account at the socket has"
    assert "cannot be preloaded" not in dressed.logs


def test_the_accounts_of_health_checks(dressed: Database) -> None:
    where = "/var/lib/mysql/.my-healthcheck.cnf"
    assert dressed.exec("stat", "-c", "%a", where).strip() == "600"
    grants = dressed.exec(dressed.engine, f"--defaults-file={where}", "-Ne", "SHOW GRANTS")
    assert "PROCESS, REPLICATION CLIENT" in grants.replace("BINLOG MONITOR", "REPLICATION CLIENT")
    hosts = "SELECT Host FROM mysql.user WHERE User = 'healthcheck' ORDER BY Host"
    assert root(dressed, hosts) == [("127.0.0.1",), ("::1",), ("localhost",)]


def test_whose_accounts_a_server_has(dressed: Database) -> None:
    found = {(str(user), str(host)) for user, host in root(dressed, "SELECT User, Host FROM mysql.user")}
    theirs = {("root", "localhost"), ("root", "%"), ("clerk", "%"), ("mariadb.sys", "localhost")}
    theirs |= {("mysql.infoschema", "localhost"), ("mysql.session", "localhost"), ("mysql.sys", "localhost")}
    assert {entry for entry in found - theirs if entry[0] != "healthcheck"} == {("mysql", "localhost")}


def test_our_account_at_the_socket_is_the_one_that_is_asked_for(dressed: Database) -> None:
    query = ("-umysql", "-Nse", "SELECT CURRENT_USER()")
    assert dressed.exec(dressed.engine, *query).split()[-1] == "mysql@localhost"
    assert "MARIADB_MYSQL_LOCALHOST_GRANTS changes nothing" in dressed.logs


def test_no_time_zones_and_the_container_s_own(dressed: Database) -> None:
    for table in ("time_zone", "time_zone_name", "time_zone_transition"):
        assert root(dressed, f"SELECT COUNT(*) FROM mysql.{table}") == [(0,)]
    assert root(dressed, "SELECT @@system_time_zone IN ('CET', 'CEST')") == [(1,)]


def test_scripts_packed_by_bzip2_and_old_ones(dressed: Database) -> None:
    said = "it's /var/lib/mysql /run/mysqld/mysqld.sock"
    assert root(dressed, "SELECT what FROM shop.told") == [(said,)]


def test_who_sets_a_password_is_checked_and_requests_work(dressed: Database) -> None:
    assert dressed.opens("clerk", WEAK, "shop")
    if dressed.engine == "mariadb":
        with pytest.raises(pymysql.err.Error, match="password"):
            root(dressed, f"CREATE USER guest@localhost IDENTIFIED BY '{WEAK}'")
    dressed.exec("dbhandler-create", stdin="wordpress")
    eventually("the database", lambda: ("wordpress",) in root(dressed, "SHOW DATABASES"))


USER, PASSWORD, HASH = (f"MARIADB_REPLICATION_{name}" for name in ("USER", "PASSWORD", "PASSWORD_HASH"))
HOST, PORT = "MARIADB_MASTER_HOST", "MARIADB_MASTER_PORT"
TO_NOTHING = "is set to nothing, and nothing else says how root logs in"
REFUSED = [
    ({"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": ""}, (), TO_NOTHING),
    ({"MYSQL_ALLOW_EMPTY_PASSWORD": "", "MYSQL_DATABASE": "d"}, (), TO_NOTHING),
    ({"MARIADB_RANDOM_ROOT_PASSWORD": ""}, (), TO_NOTHING),
    ({"MYSQL_ROOT_PASSWORD": ""}, (), TO_NOTHING),
    ({"MARIADB_USER": "u", "MARIADB_PASSWORD": "p", "MARIADB_PASSWORD_HASH": "*H"}, (), "exclude each other"),
    ({"MARIADB_ROOT_PASSWORD_HASH": "*H", "MARIADB_ROOT_PASSWORD": "p"}, (), "MARIADB_ROOT_PASSWORD_HASH excludes"),
    ({CHECKED: "USAGE ON *.* TO x; --"}, (), f"{CHECKED} has to be privileges"),
    ({"MARIADB_INITDB_ARGS": "--x"}, (), "MARIADB_INITDB_ARGS is not taken here"),
    ({"MYSQL_REPLICATION_MODE": "slave"}, (), "MYSQL_REPLICATION_MODE is not taken here"),
    ({USER: "r"}, (), f"{USER} needs {PASSWORD} or {HASH}"),
    ({USER: "r", PASSWORD: "p", HASH: "*H"}, (), "one of them"),
    ({PASSWORD: "p"}, (), f"{USER} is missing"),
    ({HOST: "db1"}, (), f"{USER} is missing"),
    ({HOST: "db1", USER: "r", HASH: "*H"}, (), f"{HOST} needs {PASSWORD}"),
    ({PORT: "3306", USER: "r", PASSWORD: "p"}, (), f"{PORT} needs {HOST}"),
    ({HOST: "db1", USER: "r", PASSWORD: "p", "DBHANDLER_CLUSTER": "c"}, (), "exclude each other"),
    ({}, ("--datadir=/elsewhere",), "--datadir cannot be given here"),
]  # fmt: skip


def test_what_is_half_or_contradictory_is_refused_and_changes_nothing(site: Site) -> None:
    def refused(environ: dict[str, str], command: tuple[str, ...], sentence: str) -> None:
        status, log = site.once("dbhandler:mariadb", *command, **environ)
        errors = [line for line in log.splitlines() if "[ERROR]" in line]
        assert status == 78 and len(errors) == 1 and sentence in errors[0] and "Traceback" not in log, log

    together(*(partial(refused, *case) for case in REFUSED))


def test_a_packed_data_directory_among_the_scripts_is_not_overlooked(site: Site, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "backup.tar.zst").touch()
    status, log = site.once("dbhandler:mariadb", options=("-v", f"{tmp_path}:{INITDB}:ro"))
    assert status == 78
    assert f"'{INITDB}/backup.tar.zst' is a copy of a data directory, which is not unpacked here" in log
