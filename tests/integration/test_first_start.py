"""The first start and those after it: one banner, and always a printed password that works."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pymysql
import pytest
from loopback import DatabaseNode

from dbhandler.volume.data_dir import MARKER
from tests.integration.conftest import Cluster

MOMENTS = 8


def banners(node: DatabaseNode) -> int:
    return node.log.count("You can now connect to this MySQL Server using:")


def password_of(node: DatabaseNode) -> str:
    """The printed password, which opens the server over TCP."""
    password = node.banner_password()
    assert password
    assert node.login("admin", password, "SELECT CURRENT_USER()") == [("admin@%",)]
    return password


def test_the_banner_comes_once_and_its_password_opens_everything(node: DatabaseNode) -> None:
    password = password_of(node)
    assert banners(node) == 1
    assert re.fullmatch("[A-Za-z0-9]{20,}", password)
    [(grant, *_), *_] = node.login("admin", password, "SHOW GRANTS")
    assert str(grant).startswith("GRANT ALL PRIVILEGES ON *.*")
    assert "WITH GRANT OPTION" in str(grant)


def test_nobody_else_gets_in_over_tcp(node: DatabaseNode) -> None:
    for user in ("root", "mysql", "admin", ""):
        with pytest.raises(pymysql.err.OperationalError, match=r"Access denied|not allowed|is not loaded"):
            node.login(user, "")


def test_a_second_start_prints_no_password_and_keeps_the_old_one(node: DatabaseNode) -> None:
    password = password_of(node)
    assert node.stop() == 0
    # What is not a volume is not there in a new container.
    shutil.rmtree(node.environ["DBHANDLER_RUN_DIR"])
    node.start("--max-connections=77")
    node.wait_ready()
    assert banners(node) == 1
    assert node.login("admin", password, "SELECT @@max_connections") == [(77,)]
    assert "admin account 'admin' exists already: its password is unchanged" in node.log


def test_dbhandler_health_says_ready(node: DatabaseNode) -> None:
    done = node.run("dbhandler-health")
    assert (done.returncode, done.stdout) == (0, b"ready\n")


def test_another_command_runs_instead_of_the_server(node: DatabaseNode) -> None:
    done = node.run("dbhandler-entrypoint", "sh", "-c", "echo instead")
    assert (done.returncode, done.stdout) == (0, b"instead\n")


def test_a_given_password_works_and_shows_nowhere(own_cluster: Cluster) -> None:
    secret_file = own_cluster.folder / "secret"
    secret_file.write_text("from a file 1\n")
    by_variable = own_cluster.database("one", start=False, MYSQL_ADMIN_PASSWORD="from a variable 1")
    by_file = own_cluster.database("two", start=False, MYSQL_ADMIN_PASSWORD_FILE=str(secret_file))
    by_file.environ["MYSQL_ADMIN_USER"] = "boss"
    for node in (by_variable, by_file):
        node.start()
    for node, user, password in ((by_variable, "admin", "from a variable 1"), (by_file, "boss", "from a file 1")):
        node.wait_ready()
        assert node.login(user, password, "SELECT 1") == [(1,)]
        assert banners(node) == 0
        assert "given password" in node.log
        assert password not in node.log
        assert not exposing(node, password)


def test_killed_at_any_moment_of_its_first_start_the_next_prints_a_password_that_works(own_cluster: Cluster) -> None:
    duration = first_start(own_cluster.database("whole", start=False))
    for number in range(MOMENTS):
        node = own_cluster.database(f"cut{number}", start=False)
        node.start()
        time.sleep(duration * (number + 0.5) / MOMENTS)
        node.kill()
        node.start()
        node.wait_healthy()
        password_of(node)
        assert not Path(node.environ["DBHANDLER_DATA_DIR"], MARKER).exists()
        node.kill()


def first_start(node: DatabaseNode) -> float:
    """The seconds that a first start takes on this machine."""
    began = time.monotonic()
    node.start()
    node.wait_healthy()
    node.kill()
    return time.monotonic() - began


def exposing(node: DatabaseNode, secret: str) -> list[int]:
    """The processes whose arguments or environment hold the secret."""
    # supervisord itself was started with what the container was given; nobody but its user can read that.
    files = {pid: [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")] for pid in node.processes()}
    return [pid for pid, paths in files.items() if any(secret.encode() in path.read_bytes() for path in paths)]
