"""Under any user, on a read-only root, with few capabilities; and no secret anywhere it should not be."""

from __future__ import annotations

import base64
import re
from functools import partial
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.serf.rpc import Serf
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import docker, eventually, inspect, together

READ_ONLY = ("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp")
NAMED = ("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID")
"""The capabilities that docs/explanation/security.md names."""


@pytest.mark.parametrize(
    ("options", "uid"),
    [
        (READ_ONLY, "999"),
        (("--user", "12345"), "12345"),
        (("--user", "www-data"), "33"),
        (("--user", "12345:12345", *READ_ONLY), "12345"),
        (("--user", "mysql", "--cap-drop", "ALL", *READ_ONLY), "999"),
        (("--cap-drop", "ALL", *(part for name in NAMED for part in ("--cap-add", name))), "999"),
    ],
    ids=["read-only", "any user", "a user of the image", "any user, read-only", "no capability", "named capabilities"],
)
def test_it_serves_all_the_same(site: Site, engine: str, options: tuple[str, ...], uid: str) -> None:
    server = site.database(engine, options=(*options, "--security-opt", "no-new-privileges"))
    server.wait_healthy()
    server.exec("dbhandler-create", stdin="shop")
    eventually("the database", lambda: server.holds("shop"))
    assert users_of(server) == {uid}
    site.forget(server)


def users_of(server: Database) -> set[str]:
    """The user ids of all that descends from the container's first process: not of the health check that is run now."""
    lines = docker("top", server.name, "-eo", "pid,ppid,uid").stdout.splitlines()[1:]
    processes = {pid: (parent, uid) for pid, parent, uid in map(str.split, lines)}
    family = {str(inspect(server.name, ".State.Pid"))}
    while more := {pid for pid, (parent, _) in processes.items() if parent in family} - family:
        family |= more
    return {processes[pid][1] for pid in family}


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
    # RPC is where it is without a word: on loopback.
    settings = {"DBHANDLER_ALLOW_DROP": "1", "SERF_RPC_BIND": "", **debug}
    server = site.database(options=("--link", f"{agent.name}:serf_agent"), **settings, **secrets).wait_healthy()
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


def test_rpc_beside_a_database_stays_inside_even_with_a_key(planted: tuple[Database, dict[str, str]]) -> None:
    server, _ = planted
    with pytest.raises(Unavailable):
        Serf(f"{server.address}:7373", RPC_KEY)
    assert server.exec("dbhandler-status").count(" ready ") == 1


def test_no_secret_is_in_the_log(planted: tuple[Database, dict[str, str]]) -> None:
    server, secrets = planted
    assert "created for account 'shop'" in server.logs
    # Serf's own lines at DEBUG, and in them what a handler printed, are part of it.
    assert "[Debug] [serf]: agent: Event 'query' script output" in server.logs and '"status":' in server.logs
    assert [name for name, secret in secrets.items() if secret in server.logs] == []


def test_no_secret_is_in_an_environment_or_a_command_line(planted: tuple[Database, dict[str, str]]) -> None:
    server, secrets = planted
    # As the user of all these processes: root in a container may not read what another user's process was given.
    script = "for p in /proc/[0-9]*; do cat $p/environ $p/cmdline 2>/dev/null; done | tr '\\0' '\\n'"
    seen = docker("exec", "-u", "mysql", "--env", "PATH", server.name, "env", "-i", "sh", "-c", script).stdout
    own_exec = docker("exec", "-u", "mysql", server.name, "sh", "-c", "cat /proc/self/environ | tr '\\0' '\\n'").stdout
    assert "dbhandler-entrypoint" in seen and "DBHANDLER_MYSQLD=" in seen
    # `docker exec` itself gets the container's configuration, and with it what the owner wrote there.
    for line in own_exec.splitlines():
        seen = seen.replace(line, "", 1) if line.partition("=")[0] in secrets else seen
    assert [name for name, secret in secrets.items() if secret in seen] == []


def test_no_key_reaches_an_application(planted: tuple[Database, dict[str, str]]) -> None:
    server, secrets = planted
    # `docker exec` gives it all that the owner has set, and what links repeat.
    command = ("dbhandler-request", "application", "--", "env")
    environment = server.exec(*command, SERF_RPC_AUTH=RPC_KEY, A_ENV_SERF_RPC_AUTH=RPC_KEY, KEPT="yes")
    assert "DB_NAME=application" in environment and "KEPT=yes" in environment
    assert [name for name, secret in secrets.items() if secret in environment] == []


def test_no_key_stays_in_the_environment_of_an_agent(site: Site) -> None:
    agent = site.agent(SERF_ENCRYPT_KEY=base64.b64encode(b"marked-gossip-key-of-32-bytes-ab").decode())
    assert "KEY" not in agent.exec("sh", "-c", "tr '\\0' '\\n' < /proc/1/environ").replace("SERF_LOG", "")
    assert RPC_KEY not in agent.exec("cat", "/proc/1/environ", "/proc/1/cmdline")


REFUSED = {
    "read-only alone": (("--read-only",), {}, "--tmpfs /run --tmpfs /tmp"),
    "read-only without /tmp": (("--read-only", "--tmpfs", "/run"), {}, "--tmpfs /run --tmpfs /tmp"),
    "no capability": (("--cap-drop", "ALL"), {}, "with --user mysql it needs none"),
    "a data volume of root": (("--user", "1234", "-v", "ROOT:/var/lib/mysql"), {}, "(chown -R 1234:0)"),
    "a state volume of root": (("--user", "1234", "-v", "ROOT:/var/lib/dbhandler"), {}, "(chown -R 1234:0)"),
    "a full volume": (("--tmpfs", "/var/lib/mysql:size=1m"), {}, "No space left on device"),
    "a typing mistake": ((), {"DBHANDLER_MAX_DATABSES": "3"}, "is DBHANDLER_MAX_DATABASES meant?"),
    "not taken": ((), {"MARIADB_REPLICATION_MODE": "master"}, "MARIADB_REPLICATION_MODE is not taken here"),
    "root as a user": ((), {"MARIADB_USER": "root", "MARIADB_PASSWORD": "x"}, "MYSQL_ROOT_PASSWORD"),
}


def test_a_start_that_cannot_be_names_what_mends_it(site: Site, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    def refused(options: tuple[str, ...], environ: dict[str, str], sentence: str) -> str:
        mounted = [option.replace("ROOT:", f"{tmp_path}:") for option in options]
        status, log = site.once("dbhandler:mariadb", options=mounted, **environ)
        errors = [line for line in log.splitlines() if "[ERROR]" in line]
        assert status == 78 and len(errors) == 1 and sentence in errors[0] and "Traceback" not in log, log
        return errors[0]

    together(*(partial(refused, *case) for case in REFUSED.values()))


def test_settings_may_be_files_and_health_knows_them(site: Site, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files = {"DBHANDLER_SPOOL_MAX": "1", "DBHANDLER_ADMIN": "0", "DBHANDLER_LOG_FORMAT": "json"}
    for name, value in files.items():
        (tmp_path / name).write_text(value)
    given = {f"{name}_FILE": f"/settings/{name}" for name in files}
    server = site.database(options=("-v", f"{tmp_path}:/settings:ro"), **given).wait_healthy()
    assert '"message": "ready for connections"' in server.logs and "mysql -uadmin" not in server.logs
    server.supervisorctl("stop", "dbhandler:agent")
    done = [server.run("dbhandler-create", stdin=name) for name in ("one", "two")]
    assert [entry.returncode for entry in done] == [0, 75]
    assert '"message": "create_db not stored: 1 events wait already' in done[1].stdout


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
