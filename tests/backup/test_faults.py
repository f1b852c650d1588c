"""Whatever happens to the backup, to its repository or to the server: it goes on without a gap, or says that there is
one."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.backup.conftest import IS_FULL
from tests.support.backups import PROVEN, BackedUp, BackupContainer
from tests.support.containers import Site
from tests.support.docker import docker, eventually
from tests.support.load import TABLE, Load, quoted

KILLS = 40 if IS_FULL else 4
BUSY = {"DBHANDLER_BACKUP_EVERY": "5s", "DBHANDLER_BACKUP_SHIP": "1s", "DBHANDLER_BACKUP_KEEP": "--keep-last 2"}
"""A backup that always does something."""
ALL = f"SELECT n FROM {quoted(TABLE)}"


@contextmanager
def backed_up(site: Site, *options: str, **environ: str) -> Iterator[BackedUp]:
    """A pool whose server has a proven base."""
    pool = BackedUp(site, "mariadb", options=options, **environ)
    try:
        pool.backup.wait_proven()
        yield pool
    finally:
        pool.close()


@pytest.fixture(scope="module")
def pool(site: Site) -> Iterator[BackedUp]:
    """One whose backup and server stay as they are, on a repository of its own volume."""
    store = ("-v", f"{site.volume()}:/store")
    docker("run", "--rm", "--user", "0", "--entrypoint", "chown", *store, "dbhandler-backup:mariadb", "mysql", "/store")
    with backed_up(site, *store, RESTIC_REPOSITORY="/store/repository") as made:
        yield made


def check_all_there(backup: BackupContainer, load: Load) -> None:
    """Nothing that was acknowledged is missing, and the last moment is known without a gap."""
    acknowledged = set(load.acknowledged)
    eventually("the stream", lambda: acknowledged <= {n for (n,) in backup.rows("latest", ALL)})
    listed = backup.listed()
    assert "(gap)" not in listed and len(re.findall(r"^db1 ", listed, re.MULTILINE)) == 1, listed


# --- the backup itself ---


def test_killed_whenever_it_goes_on_without_a_gap(site: Site, rng: random.Random) -> None:
    with backed_up(site, **BUSY) as pool, Load(pool.server, connections=2) as load:
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.5, 6.0))
            pool.backup.kill()
            load.wait_for_more()
            pool.backup.start()
        proven = pool.backup.count(PROVEN)
        eventually("another proof", lambda: pool.backup.count(PROVEN) > proven, interval=0.5)
        pool.backup.restart()
        load.wait_for_more()
        check_all_there(pool.backup, load)
        assert "not as the server" not in pool.backup.listed()
        assert len(pool.backup.exec("ls", "/backups/scratch").split()) <= 1
        pool.backup.stop()
        checked = docker(
            "run", "--rm", "--volumes-from", pool.backup.name, "-e", f"DBHANDLER_POOL_SECRET={pool.secret}",
            f"dbhandler-backup:{pool.engine}", "check", check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stdout


def test_its_disk_is_full_for_a_while(site: Site) -> None:
    tmpfs = "/backups:size=700m,uid=999,gid=999,mode=700"
    with backed_up(site, "--tmpfs", tmpfs) as pool, Load(pool.server) as load:
        pool.backup.run("sh", "-c", "cat /dev/zero > /backups/filler", user="root")
        complaint = eventually("a complaint", lambda: pool.backup.logged("(?i)no space left|errno 28"))
        assert complaint
        load.wait_for_more(1000)
        pool.backup.exec("rm", "/backups/filler", user="root")
        check_all_there(pool.backup, load)
        assert pool.backup.running


# --- its repository ---


def test_the_repository_is_away_for_a_while(pool: BackedUp) -> None:
    backup = pool.backup
    backup.exec("mv", "/store/repository", "/store/elsewhere", user="root")
    with Load(pool.server) as load:
        eventually("a complaint", lambda: backup.logged(r"there is no repository at /store/repository"))
        listed = backup.tool("list")
        assert listed.returncode and "no repository" in listed.stdout, listed
        assert backup.run("test", "-e", "/store/repository").returncode, "nobody makes another one in its place"
        load.wait_for_more(1000)
    backup.exec("mv", "/store/elsewhere", "/store/repository", user="root")
    check_all_there(backup, load)
    # What has failed is tried again after a minute.
    eventually("no complaint", lambda: backup.tool("list").returncode == 0, interval=2.0)
    shipped = backup.listed()
    eventually("it is shipped again", lambda: backup.listed() != shipped, interval=1.0)


def test_a_wrong_password_is_told(site: Site, pool: BackedUp) -> None:
    other = pool.add_backup("--volumes-from", pool.backup.name, "-v", f"{site.volume()}:/backups",
                            RESTIC_REPOSITORY="/store/repository", RESTIC_PASSWORD="another-one")  # fmt: skip
    with Load(pool.server) as load:
        eventually("a complaint", lambda: other.logged("was made with another password"))
        written = "cat /backups/sources/*/logs/*.log 2>/dev/null | wc -c"
        eventually("its stream", lambda: int(other.exec("sh", "-c", written)) > 1000, interval=1.0)
        load.wait_for_more()
    listed = other.tool("list")
    assert listed.returncode and "was made with another password" in listed.stdout, listed
    assert "another-one" not in other.logs + listed.stdout
    site.forget(other)


@pytest.mark.parametrize("shared", [False, True], ids=["a repository each", "one repository"])
def test_two_backups_at_once(site: Site, pool: BackedUp, shared: bool) -> None:
    where = {"RESTIC_REPOSITORY": "/store/repository"} if shared else {}
    options = ("--volumes-from", pool.backup.name) if shared else ()
    second = pool.add_backup(*options, "-v", f"{site.volume()}:/backups", **where)
    # One that finds another's proof in its repository needs none of its own before tomorrow.
    eventually("a proven base", lambda: re.search(r"^db1 .*\d$", second.listed(), re.MULTILINE), interval=1.0)
    with Load(pool.server) as load:
        load.wait_for_more()
    for backup in (pool.backup, second):
        check_all_there(backup, load)
        checked = backup.tool("check")
        assert checked.returncode == 0, checked.stdout
    site.forget(second)


# --- the server ---


def test_the_server_is_restarted_and_killed(pool: BackedUp) -> None:
    with Load(pool.server) as load:
        load.wait_for_more()
        pool.server.restart()
        load.wait_for_more()
        pool.server.kill()
        pool.server.start()
        load.wait_for_more()
    check_all_there(pool.backup, load)


def test_a_server_without_a_binary_log_is_told(pool: BackedUp) -> None:
    server = pool.add_server("unlogged", DBHANDLER_BINLOG="0")
    server.wait_ready()
    eventually("a complaint", lambda: re.search("unlogged: .*it keeps no binary log", pool.backup.listed()))
    assert pool.backup.tool("list").returncode == 1
