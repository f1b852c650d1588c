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
    agent = site.agent(**{name: value for name, value in secrets.items() if name.startswith("SERF")})
    server = site.database(
        options=("--link", f"{agent.name}:serf_agent", "-e", "DBHANDLER_ALLOW_DROP=1"), **secrets
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


def test_the_log_at_debug_has_no_secret_either(site: Site, planted: tuple[Database, dict[str, str]]) -> None:
    # What Serf's handlers print stands in Serf's log at DEBUG: ours print no password.
    server, secrets = planted
    box = server.query("create_db", {"database": "debugged"})
    assert box["status"] == "created"
    output = server.exec(
        "sh", "-c", "echo blog | SERF_QUERY_NAME=create_db dbhandler-query; echo blog | dbhandler-create"
    )
    assert [name for name, secret in secrets.items() if secret in output] == []
