"""Under any user, on a read-only root, with few capabilities; and no secret anywhere it should not be."""

from __future__ import annotations

import base64
import re

import pytest

from .conftest import RPC_KEY, Database, Site, docker, eventually

READ_ONLY = ("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp")
NAMED = ("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID")
"""The capabilities that the README names."""


@pytest.mark.parametrize(
    ("options", "uid"),
    [
        (READ_ONLY, "999"),
        (("--user", "12345"), "12345"),
        (("--user", "12345:12345", *READ_ONLY), "12345"),
        (("--user", "mysql", "--cap-drop", "ALL", *READ_ONLY), "999"),
        (("--cap-drop", "ALL", *(part for name in NAMED for part in ("--cap-add", name))), "999"),
    ],
    ids=["read-only", "any user", "any user, read-only", "no capability", "named capabilities"],
)
def test_it_serves_all_the_same(site: Site, engine: str, options: tuple[str, ...], uid: str) -> None:
    server = site.database(engine, options=(*options, "--security-opt", "no-new-privileges"))
    server.wait_healthy()
    server.exec("dbhandler-create", stdin="shop")
    eventually("the database", lambda: server.holds("shop"))
    lines = docker("top", server.name, "-eo", "pid,uid,args").stdout.splitlines()[1:]
    assert {line.split()[1] for line in lines} == {uid}
    site.forget(server)


@pytest.fixture(scope="module")
def planted(site: Site) -> tuple[Database, dict[str, str]]:
    """A server into which a marked secret has gone by every way there is, and that has seen trouble since."""
    secrets = {
        "MYSQL_ADMIN_PASSWORD": "marked-admin-password",
        "SERF_ENCRYPT_KEY": base64.b64encode(b"marked-gossip-key-of-32-bytes-ab").decode(),
        "SERF_RPC_AUTH": RPC_KEY,
    }
    # At DEBUG Serf logs what its handlers print.
    debug = {"SERF_LOG_LEVEL": "debug"}
    agent = site.agent(**debug, **{name: value for name, value in secrets.items() if name.startswith("SERF")})
    server = site.database(
        options=("--link", f"{agent.name}:serf_agent", "-e", "DBHANDLER_ALLOW_DROP=1"), **debug, **secrets
    ).wait_healthy()
    server.wait_ready()
    ask = ("dbhandler-request", "--timeout", "20", "--rpc-addr", "127.0.0.1:7373")
    state = ("--state", "/tmp/state.json")
    values = server.exec(*ask, "shop", *state, "--format", "json", SERF_RPC_AUTH=RPC_KEY)
    first = re.search(r'"password": "(\w+)"', values)
    rotated = re.search(
        r'"password": "(\w+)"', server.exec(*ask, "--rotate", *state, "--format", "json", SERF_RPC_AUTH=RPC_KEY)
    )
    assert first and rotated
    secrets |= {"an account": first.group(1), "a rotated account": rotated.group(1)}
    # A refusal with a password in it, and one while the server is away.
    assert server.run(*ask, "shop", SERF_RPC_AUTH=RPC_KEY).returncode == 77
    server.supervisorctl("stop", "dbhandler:mysqld")
    server.run(*ask, "other", "--timeout", "1", SERF_RPC_AUTH=RPC_KEY)
    server.supervisorctl("start", "dbhandler:mysqld")
    server.wait_ready()
    return server, secrets


def test_no_secret_is_in_the_log(planted: tuple[Database, dict[str, str]]) -> None:
    server, secrets = planted
    assert "created for account 'shop'" in server.logs
    # Serf's own lines at DEBUG, and in them what a handler printed, are part of it.
    assert "[DEBUG] agent: Event 'query' script output" in server.logs and '"status":' in server.logs
    assert [name for name, secret in secrets.items() if secret in server.logs] == []


def test_no_secret_is_in_an_environment_or_a_command_line(planted: tuple[Database, dict[str, str]]) -> None:
    server, secrets = planted
    # As the user of all these processes: root in a container may not read what another user's process was given.
    script = "for p in /proc/[0-9]*; do cat $p/environ $p/cmdline 2>/dev/null; done | tr '\\0' '\\n'"
    seen = docker("exec", "-u", "mysql", "--env", "PATH", server.name, "env", "-i", "sh", "-c", script).stdout
    own_exec = docker("exec", "-u", "mysql", server.name, "sh", "-c", "cat /proc/self/environ | tr '\\0' '\\n'").stdout
    assert "dbhandler-supervise" in seen and "DBHANDLER_MYSQLD=" in seen
    # `docker exec` itself gets the container's configuration, and with it what the owner wrote there.
    for line in own_exec.splitlines():
        seen = seen.replace(line, "", 1) if line.partition("=")[0] in secrets else seen
    assert [name for name, secret in secrets.items() if secret in seen] == []


def test_what_is_kept_is_private(planted: tuple[Database, dict[str, str]]) -> None:
    server, _ = planted
    script = "find /var/lib/dbhandler /run/dbhandler -type f -perm /077 -o -type d -perm /077"
    assert server.exec("sh", "-c", script) == ""


def test_a_refused_secret_is_not_quoted(site: Site) -> None:
    for name in ("SERF_ENCRYPT_KEY", "SERF_RPC_AUTH", "MYSQL_ADMIN_PASSWORD"):
        status, log = site.once("dbhandler:mariadb", **{name: "marked-value", f"{name}_FILE": "/marked-file"})
        assert status == 78 and f"Both {name} and {name}_FILE are set" in log
        assert "marked" not in log
    status, log = site.once("dbhandler:mariadb", SERF_ENCRYPT_KEY="marked-value")
    assert status == 78 and "serf keygen" in log and "marked" not in log
