"""The first start of a server and all later ones: one admin, whose password is printed once and works."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.support.containers import ENGINES, Database, Site
from tests.support.docker import docker, eventually, inspect, together

GIVEN = "a Given pass-word: 'quoted'"
PENDING = "/var/lib/dbhandler/admin.pending"
KILLS = {"mariadb": 14, "mysql": 6}
"""Twenty in all; MySQL takes twice as long to come back from one."""
KILLS_AT_ONCE = 2
LATEST_KILL = 2.5
"""Seconds after `docker run`: an undisturbed first start is over by then."""


def volumes(site: Site) -> tuple[str, str]:
    """Two empty volumes: for the data and for our own state."""
    return site.volume(), site.volume()


def on(data: str, state: str) -> tuple[str, ...]:
    """The options that mount them."""
    return ("-v", f"{data}:/var/lib/mysql", "-v", f"{state}:/var/lib/dbhandler")


def environments(server: Database) -> str:
    """The environments of all processes of the user as which everything runs, but not of the one that reads them."""
    everything = "for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || tr '\\0' '\\n' < $p/environ; done 2>/dev/null; true"
    return docker("exec", "--user", "mysql", server.name, "env", "-i", "/bin/sh", "-c", everything).stdout


def command_lines(server: Database) -> str:
    return docker("top", server.name, "-eo", "pid,args").stdout


class Twins:
    """Two servers of an engine, started at once and alike."""

    def __init__(self, site: Site, engine: str) -> None:
        self.mounts = on(*volumes(site))
        self.first, self.second = together(
            lambda: site.database(engine, options=self.mounts).wait_healthy(),
            lambda: site.database(engine).wait_healthy(),
        )


@pytest.fixture(scope="module")
def twins(site: Site, engine: str) -> Iterator[Twins]:
    made = Twins(site, engine)
    yield made
    for server in (made.first, made.second):
        server.remove()


def test_the_password_is_generated_and_printed_once(twins: Twins) -> None:
    [(user, password)] = twins.first.passwords
    assert user == "admin"
    assert re.fullmatch("[A-Za-z0-9]{20,}", password)
    [(grants,)] = twins.first.sql("SHOW GRANTS FOR CURRENT_USER")[:1]
    assert "WITH GRANT OPTION" in grants
    assert not twins.first.opens("admin", password[:-1])
    # The banner tells it, and nothing keeps it.
    assert twins.first.logs.count(password) == 1
    assert twins.first.exec("sh", "-c", f"grep -rl {password} /var/lib/dbhandler /run/dbhandler", check=False) == ""


def test_nobody_else_can_log_in(twins: Twins) -> None:
    remote = twins.first.sql("SELECT User FROM mysql.user WHERE Host <> 'localhost'")
    assert remote == [("admin",)]
    for user in ("root", "mysql", "mariadb.sys", "mysql.sys"):
        assert not twins.first.opens(user, "")


def test_two_servers_share_no_identity(twins: Twins) -> None:
    servers = twins.first, twins.second
    identity = {"mysql": "SELECT @@server_uuid", "mariadb": "SELECT @@server_uid"}[twins.first.engine]
    assert len({server.sql(identity)[0][0] for server in servers}) == 2
    assert len({server.admin[1] for server in servers}) == 2
    assert len({server.key for server in servers}) == 2


def test_two_servers_share_no_certificate(twins: Twins) -> None:
    certificates = set()
    for server in (twins.first, twins.second):
        with closing(server.connect()) as connection:
            certificates.add(connection._sock.getpeercert(binary_form=True))
    assert len(certificates) == 2
    assert all(certificates)


def test_it_listens_on_ipv4_and_ipv6(site: Site, engine: str) -> None:
    if not Path("/proc/sys/net/ipv6").exists():
        pytest.skip("this machine's kernel has no IPv6")
    server = site.database(engine, options=("--sysctl", "net.ipv6.conf.all.disable_ipv6=0")).wait_healthy()
    user, password = server.admin
    for host in ("127.0.0.1", "::1"):
        client = (engine, "-N", f"-u{user}", f"-h{host}", "-e", "SELECT 'reached'")
        assert server.exec(*client, MYSQL_PWD=password).splitlines()[-1] == "reached"
    server.remove()


def test_later_starts_print_no_password_and_keep_the_old_one(site: Site, twins: Twins) -> None:
    """Last of those that use the twins: it restarts one, and puts another container in its place."""
    server = twins.first
    user, password = server.admin
    identity = server.key
    server.restart()
    server.wait_healthy()
    assert server.passwords == [(user, password)]
    assert server.opens(user, password)

    server.remove()
    successor = site.database(server.engine, options=twins.mounts).wait_healthy()
    assert successor.passwords == []
    assert successor.logged(r"admin account 'admin' exists already: its password is unchanged")
    assert successor.opens(user, password)
    assert successor.key == identity

    # Without the state volume too: the server itself says that there is an admin.
    successor.remove()
    data_only = site.database(server.engine, options=twins.mounts[:2]).wait_healthy()
    assert data_only.passwords == []
    assert data_only.opens(user, password)
    data_only.remove()


@pytest.mark.parametrize(("engine", "way"), [("mariadb", "variable"), ("mariadb", "file"), ("mysql", "file")])
def test_a_given_password_works_and_is_printed_nowhere(site: Site, engine: str, tmp_path: Path, way: str) -> None:
    if way == "variable":
        server = site.database(engine, MYSQL_ADMIN_PASSWORD=GIVEN, MYSQL_ADMIN_USER="boss")
    else:
        file = tmp_path / "secret"
        file.write_text(GIVEN + "\n")
        # As secrets are handed over: readable for root alone.
        file.chmod(0o600)
        mount = ("-v", f"{file}:/run/secrets/admin:ro")
        server = site.database(
            engine, options=mount, MYSQL_ADMIN_PASSWORD_FILE="/run/secrets/admin", MYSQL_ADMIN_USER="boss"
        )
    server.wait_healthy()
    assert server.opens("boss", GIVEN)
    assert not server.opens("boss", GIVEN + "x")
    assert not server.opens("admin", GIVEN)
    assert server.passwords == []
    assert "=> Creating MySQL admin user with given password" in server.logs
    for text, known in (
        (server.logs, "=> Done!"),
        (command_lines(server), "serf agent"),
        (environments(server), "HOME="),
    ):
        assert known in text, "there was something to search"
        assert GIVEN not in text
    server.remove()


def test_the_admin_may_have_another_name(site: Site) -> None:
    server = site.database(MYSQL_ADMIN_USER="boss").wait_healthy()
    [(user, password)] = server.passwords
    assert user == "boss"
    assert server.opens("boss", password)
    assert not server.opens("admin", password)
    assert server.sql("SELECT User FROM mysql.user WHERE User = 'admin'") == []


def test_a_folder_that_is_no_data_directory_is_left_alone(site: Site, engine: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    status, log = site.once(f"dbhandler:{engine}", options=("-v", f"{tmp_path}:/var/lib/mysql"))
    assert status != 0
    assert "letter.txt" in log
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kill_at_any_moment_of_the_first_start_leaves_a_password_that_works(site: Site, engine: str) -> None:
    seed, count = random.randrange(2**32), KILLS[engine]
    print(f"seed {seed}")
    numbers = random.Random(seed)
    # One moment out of each of equal parts of the time: random, and spread all the same.
    moments = [(number + numbers.random()) * LATEST_KILL / count for number in range(count)]
    numbers.shuffle(moments)
    printed_before = []
    for first in range(0, count, KILLS_AT_ONCE):
        chosen = moments[first : first + KILLS_AT_ONCE]
        printed_before += together(*(partial(survive_a_kill, site, engine, moment) for moment in chosen))
    # Otherwise all kills came too late to prove anything.
    assert not all(printed_before)


def survive_a_kill(site: Site, engine: str, moment: float) -> bool:
    """Kills a server so many seconds into its first start and starts it again; returns whether it had printed its
    password before."""
    data, state = volumes(site)
    server = site.database(engine, options=on(data, state))
    time.sleep(moment)
    server.kill()
    assert inspect(server.name, ".State.ExitCode") == 137, "it was the kill that ended it"
    printed_before = bool(server.passwords)
    server.start()
    server.wait_healthy()
    what = f"killed after {moment:.3f} s:\n{server.logs}"
    assert server.passwords, what
    for user, password in server.passwords:
        assert server.opens(user, password), what
    eventually("the pending password to be gone", lambda: server.run("test", "-e", PENDING).returncode == 1)
    site.forget(server, data, state)
    return printed_before
