"""Whatever word of the server's own is the name of a database, the server starts again, after whatever has happened.

DBHANDLER_NAMES=full takes every word there is."""

from __future__ import annotations

from contextlib import closing

from tests.support import gathered
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import docker

KNOWN = {"mariadb": {"ib_logfile0", "ib_buffer_pool"}, "mysql": {"ib_buffer_pool", "ibtmp1"}}
"""Files that the servers' programs name: a gathering that does not find them is none."""

OTHER_SIZES = {
    "mariadb": ("--innodb-log-file-size=30M", "--innodb-undo-tablespaces=8"),
    "mysql": ("--innodb-redo-log-capacity=30M", "--upgrade=FORCE"),
}


def create(server: Database, names: list[str]) -> None:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"CREATE DATABASE `{name}`")
        cursor.execute(f"CREATE TABLE `{names[0]}`.t (n INT PRIMARY KEY) ENGINE=InnoDB")


def check_refused(server: Database, *names: str) -> None:
    for name in names:
        answer = server.query("create_db", name)
        assert answer["status"] == "invalid"
        assert f"belongs to the server itself, for a schema or a file: '{name}'" in answer["reason"]
    assert not server.databases() & set(names)


def check(server: Database, names: list[str]) -> None:
    server.wait_healthy()
    assert server.databases() >= set(names)
    server.sql(f"REPLACE INTO `{names[0]}`.t VALUES (1)")


def test_the_server_lives_with_every_name_that_is_served(site: Site, engine: str) -> None:
    words = gathered.words(f"dbhandler:{engine}")
    names = gathered.served(words)
    assert KNOWN[engine] <= words and not KNOWN[engine] & set(names)
    assert len(names) > 300
    volumes = ("-v", f"{site.volume()}:/var/lib/mysql", "-v", f"{site.volume()}:/var/lib/dbhandler")
    settings = {"MYSQL_ADMIN_PASSWORD": "the-password-of-the-admin", "SERF_RPC_AUTH": RPC_KEY}
    server = site.database(engine, options=volumes, **settings).wait_healthy().wait_ready()
    server.admin = ("admin", settings["MYSQL_ADMIN_PASSWORD"])
    check_refused(server, "ib_logfile1", "UNDO001", "mysql_upgrade_info", "sst_in_progress")
    create(server, names)
    server.kill()
    server.start()
    check(server, names)
    server.stop()
    if engine == "mariadb":
        older = "echo 10.11.6-MariaDB > /var/lib/mysql/mariadb_upgrade_info"
        docker("run", "--rm", *volumes, "--entrypoint", "sh", f"dbhandler:{engine}", "-c", older)
    again = site.database(engine, *OTHER_SIZES[engine], options=volumes, **settings, MARIADB_AUTO_UPGRADE="1")
    again.admin = server.admin
    check(again, names)
    assert engine == "mysql" or "upgrading the system tables" in again.logs
    again.kill()
    again.start()
    check(again, names)
    site.forget(server)
    site.forget(again)
