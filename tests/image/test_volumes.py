"""Volumes of others: an older MariaDB's is upgraded, another image's adopted, what cannot be used is left untouched."""

from __future__ import annotations

import pytest

from tests.support.containers import Database, Site
from tests.support.docker import docker, eventually

DATA = "/var/lib/mysql"
PASSWORD = "of-the-former-owner"

# As the official image's entry point does it: no socket accounts, a password for root, a user with a database.
INITIALISE = f"""
set -e
mariadb-install-db --no-defaults --datadir={DATA} --user=mysql --skip-test-db \\
    --auth-root-authentication-method=normal --skip-name-resolve > /dev/null
mkdir -p /run/mysqld; chown mysql /run/mysqld
mariadbd --no-defaults --datadir={DATA} --user=mysql --skip-networking --socket=/run/mysqld/s.sock &
until mariadb -S /run/mysqld/s.sock -uroot -e 'SELECT 1' > /dev/null 2>&1; do sleep 0.2; done
mariadb -S /run/mysqld/s.sock -uroot <<'SQL'
DELETE FROM mysql.global_priv WHERE User NOT IN ('root', 'mariadb.sys') OR Host <> 'localhost';
FLUSH PRIVILEGES;
CREATE USER root@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
ALTER USER root@localhost IDENTIFIED BY '{PASSWORD}';
CREATE DATABASE shop; CREATE TABLE shop.orders (id INT); INSERT INTO shop.orders VALUES (42);
CREATE USER clerk@'%' IDENTIFIED BY 'clerks-password'; GRANT ALL ON shop.* TO clerk@'%';
SQL
kill %1; wait
"""


@pytest.fixture(scope="module")
def oldstable(site: Site) -> str:
    """An image with MariaDB 10.11."""
    return site.build("oldstable.Dockerfile", "bookworm")


@pytest.fixture
def volume(site: Site, oldstable: str) -> str:
    """What the official image of MariaDB 10.11 has left."""
    volume = site.volume()
    status, log = site.once(oldstable, "bash", "-c", INITIALISE, options=("-v", f"{volume}:{DATA}"))
    assert status == 0, log
    return volume


def on(volume: str) -> tuple[str, ...]:
    return ("-v", f"{volume}:{DATA}")


def digest(image: str, volume: str) -> str:
    """A fingerprint of all files on a volume."""
    script = f"cd {DATA}; find . -type f | sort | xargs -d '\\n' sha256sum"
    return docker("run", "--rm", "-v", f"{volume}:{DATA}", "--entrypoint", "sh", image, "-c", script).stdout


def check_owners_things(server: Database) -> None:
    """All that was there is there."""
    assert server.opens("root", PASSWORD)
    assert server.sql("SELECT id FROM shop.orders", "clerk", "clerks-password") == [(42,)]


def test_another_images_volume_needs_a_word_of_its_owner(site: Site, volume: str) -> None:
    status, log = site.once("dbhandler:mariadb", options=on(volume))
    assert status != 0
    assert "was initialised by another image: give its root password" in log
    status, log = site.once("dbhandler:mariadb", options=on(volume), MYSQL_ROOT_PASSWORD="a guess")
    assert status != 0
    assert "the given root password is not that of" in log and "a guess" not in log
    server = site.database(options=on(volume), MYSQL_ROOT_PASSWORD=PASSWORD).wait_healthy()
    check_owners_things(server)
    assert "MARIADB_AUTO_UPGRADE=1" in server.logs, "it is an older server's, too"
    server.exec("dbhandler-create", stdin="wordpress")
    query = "SHOW DATABASES LIKE 'wordpress'"
    eventually("self-service", lambda: server.sql(query, "root", PASSWORD) == [("wordpress",)])
    # From now on it is ours: nothing has to be given any more.
    site.forget(server)
    again = site.database(options=on(volume), DBHANDLER_ADMIN="0").wait_healthy()
    check_owners_things(again)
    site.forget(again)


def test_an_older_servers_volume_is_upgraded_after_a_backup(site: Site, volume: str) -> None:
    server = site.database(options=on(volume), DBHANDLER_ADOPT="1", MARIADB_AUTO_UPGRADE="1").wait_healthy()
    check_owners_things(server)
    assert server.exec("sh", "-c", f"cat {DATA}/mariadb_upgrade_info").startswith("11.")
    backup = server.exec("sh", "-c", f"zstd -dcq {DATA}/system_mysql_backup_10.11.*.sql.zst")
    assert "USE `mysql`" in backup and "clerk" in backup
    assert server.run("healthcheck.sh", "--mariadbupgrade").returncode == 0
    # Nobody said how root logs in here, so there is our admin, and its password.
    assert server.opens(*server.admin)
    assert "MySQL user 'root' logs in as the owner of this data directory has set it up" in server.logs
    server.restart()
    server.wait_healthy()
    assert server.logs.count("upgrading the system tables") == 1
    site.forget(server)


def test_an_upgrade_that_is_killed_is_done_again(site: Site, volume: str) -> None:
    server = site.database(options=on(volume), MYSQL_ROOT_PASSWORD=PASSWORD, MARIADB_AUTO_UPGRADE="1")
    eventually("the upgrade", lambda: "upgrading the system tables" in server.logs)
    server.kill()
    server.start()
    server.wait_healthy()
    check_owners_things(server)
    assert server.exec("sh", "-c", f"cat {DATA}/mariadb_upgrade_info").startswith("11.")
    site.forget(server)


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_newer_servers_volume_is_left_untouched(site: Site, engine: str) -> None:
    volume = site.volume()
    server = site.database(engine, options=on(volume)).wait_healthy()
    server.stop()
    site.forget(server)
    newer = {
        "mariadb": "printf 99.1.2-MariaDB > mariadb_upgrade_info",
        "mysql": 'sed -i \'s/"version":"[0-9.]*/"version":"99.1.2/\' mysql_upgrade_history',
    }[engine]
    image = f"dbhandler:{engine}"
    docker("run", "--rm", *on(volume), "--entrypoint", "sh", image, "-c", f"cd {DATA}; {newer}")
    before = digest(image, volume)
    status, log = site.once(image, options=on(volume))
    assert status != 0
    assert "was used by the newer server 99.1.2" in log
    assert digest(image, volume) == before


def test_the_other_engines_volume_is_left_untouched(site: Site) -> None:
    for engine, other in (("mariadb", "mysql"), ("mysql", "mariadb")):
        volume = site.volume()
        server = site.database(other, options=on(volume)).wait_healthy()
        server.stop()
        site.forget(server)
        before = digest(f"dbhandler:{engine}", volume)
        status, log = site.once(f"dbhandler:{engine}", options=on(volume))
        assert status != 0
        assert f"is a data directory of {'MySQL' if other == 'mysql' else 'MariaDB'}" in log
        assert digest(f"dbhandler:{engine}", volume) == before


def test_something_else_on_the_volume_is_left_untouched(site: Site) -> None:
    volume = site.volume()
    docker("run", "--rm", *on(volume), "--entrypoint", "sh", "dbhandler:mariadb", "-c", f"echo x > {DATA}/photo.jpg")
    before = digest("dbhandler:mariadb", volume)
    status, log = site.once("dbhandler:mariadb", options=on(volume))
    assert status != 0
    assert "it holds 'photo.jpg'" in log
    assert digest("dbhandler:mariadb", volume) == before
