"""What the images say of themselves, what is in them, and what `docker run` makes of a command line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dbhandler import __version__
from tests.support.containers import ENGINES, SUPERVISORCTL, Container, Database, Site
from tests.support.docker import OFTEN_ASKED, docker, eventually, inspect

LOOPBACK = "0100007F"
"""127.0.0.1, as the kernel writes it."""
IMAGES = (*(f"dbhandler:{engine}" for engine in ENGINES), "dbhandler-serf")
BASES = ("debian:trixie-slim", "dbhandler-base:trixie")
MOST_ADDED = 150_000_000


def config_of(image: str) -> dict[str, Any]:
    return dict(inspect(image, ".Config"))


def base_of(image: str) -> str:
    """The image on whose layers another one builds."""
    layers = inspect(image, ".RootFS.Layers")
    for base in BASES:
        if docker("image", "inspect", base, check=False).returncode == 0:
            below = inspect(base, ".RootFS.Layers")
            if layers[: len(below)] == below:
                return base
    return pytest.fail(f"{image} builds on none of {', '.join(BASES)}")


@pytest.mark.parametrize("image", IMAGES)
def test_labels_name_the_image_its_version_and_its_licence(image: str) -> None:
    labels = config_of(image)["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[prefix + "title"] == image.partition(":")[0]
    assert labels[prefix + "version"] == __version__
    assert labels[prefix + "licenses"] == "MIT"
    assert labels[prefix + "description"]
    assert prefix + "revision" in labels


@pytest.mark.parametrize("engine", ENGINES)
def test_the_database_image_declares_what_docker_should_know(engine: str) -> None:
    config = config_of(f"dbhandler:{engine}")
    assert set(config["ExposedPorts"]) == {"3306/tcp", "7946/tcp", "7946/udp"}
    assert set(config["Volumes"]) == {"/var/lib/mysql", "/var/lib/dbhandler"}
    assert config["Entrypoint"] == ["dbhandler-entrypoint"]
    assert config["Healthcheck"]["Test"] == ["CMD", "dbhandler-health"]
    assert config["StopSignal"] == "SIGTERM"


def test_the_serf_image_declares_what_docker_should_know() -> None:
    config = config_of("dbhandler-serf")
    assert set(config["ExposedPorts"]) == {"7946/tcp", "7946/udp", "7373/tcp"}
    assert config["Entrypoint"] == ["dbhandler-serf-agent"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["User"] not in ("", "0", "root")


def test_latest_is_the_mariadb_image() -> None:
    assert inspect("dbhandler:latest", ".Id") == inspect("dbhandler:mariadb", ".Id")


def test_the_mariadb_image_is_small() -> None:
    image = "dbhandler:mariadb"
    assert inspect(image, ".Size") - inspect(base_of(image), ".Size") <= MOST_ADDED


@pytest.mark.parametrize("image", IMAGES)
def test_no_file_lends_rights(site: Site, image: str) -> None:
    # /usr/bin/find itself is named too: an image without it would otherwise pass.
    search = ["/", "-xdev", "-type", "f", "(", "-perm", "/6000", "-o", "-path", "/usr/bin/find", ")"]
    assert site.once(image, *search, options=("--user", "0", "--entrypoint", "find")) == (0, "/usr/bin/find\n")


def test_the_serf_image_is_a_serf_agent_with_its_role(site: Site) -> None:
    agent = site.agent()
    [member] = agent.members().values()
    assert (member["name"], member["tags"]) == (agent.node, {"role": "serf-agent"})


def test_arguments_of_the_serf_image_reach_serf_agent(site: Site) -> None:
    agent = site.agent("-node=chosen", "-tag=zone=north")
    [member] = agent.members().values()
    assert (member["name"], member["tags"]) == ("chosen", {"role": "serf-agent", "zone": "north"})


def test_rpc_without_a_key_stays_inside_and_the_log_says_why(site: Site) -> None:
    agent = site.agent(SERF_RPC_AUTH="")
    assert agent.logged(r"RPC stays on this container's loopback: set SERF_RPC_AUTH")
    assert agent.logged(r"RPC addr: '127\.0\.0\.1:7373'")


def test_rpc_is_not_opened_without_a_key_even_on_request(site: Site) -> None:
    status, log = site.once("dbhandler-serf", SERF_RPC_BIND="0.0.0.0:7373")
    assert status == 78
    assert "SERF_RPC_BIND=0.0.0.0:7373 needs SERF_RPC_AUTH" in log


@pytest.mark.parametrize("image", IMAGES)
def test_another_command_runs_instead(site: Site, image: str) -> None:
    status, log = site.once(image, "bash", "-c", "echo instead of the server; exit 7")
    assert (status, log) == (7, "instead of the server\n")


@pytest.mark.parametrize(
    ("engine", "command"),
    [("mariadb", "mariadb"), ("mariadb", "mariadbd"), ("mysql", "mysql"), ("mysql", "mysqld")],
)
def test_the_engines_own_programs_run_instead(site: Site, engine: str, command: str) -> None:
    status, log = site.once(f"dbhandler:{engine}", command, "--version")
    assert status == 0
    assert re.search("MariaDB" if engine == "mariadb" else r"Ver \d+\.\d+\.\d+.* for Linux", log), log


@pytest.mark.parametrize("image", IMAGES)
def test_a_command_that_does_not_exist_is_named(site: Site, image: str) -> None:
    status, log = site.once(image, "no-such-command")
    assert status != 0
    assert "no-such-command" in log
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Database:
    """A server of each engine, started with an argument for mysqld."""
    return site.database(engine, "--max-connections=77", options=OFTEN_ASKED).wait_healthy()


def test_arguments_that_begin_with_a_dash_reach_the_server(server: Database) -> None:
    assert server.sql("SELECT @@max_connections") == [(77,)]


def test_docker_itself_finds_it_healthy(server: Database) -> None:
    eventually("Docker's health check", lambda: inspect(server.name, ".State.Health.Status") == "healthy")


def test_no_second_protocol_listens(server: Database) -> None:
    """To the network, that is: MySQL has a door for administrators inside of the container."""
    fields = [line.split() for line in server.exec("cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()]
    # Docker's own resolver may listen on a port of its own, on 127.0.0.11, in a user-defined network only.
    listening = {(field[1][:8], int(field[1].rpartition(":")[2], 16)) for field in fields if field[3] == "0A"}
    inside = {port for host, port in listening if host == LOOPBACK}
    assert inside == ({7373, 33062} if server.engine == "mysql" else {7373})
    assert {port for host, port in listening if host != LOOPBACK} == {3306, 7946}


def test_supervisorctl_works_by_hand(server: Database) -> None:
    output = server.exec(*SUPERVISORCTL, "status", check=False)
    assert re.search(r"^dbhandler:mysqld +RUNNING", output, re.MULTILINE), output


def test_the_handlers_work_by_hand(site: Site) -> None:
    """`dbhandler-create` and `dbhandler-query` work without Serf, as their --help says."""
    server = site.database().wait_healthy()
    server.exec("sh", "-c", "echo byhand | dbhandler-create")
    eventually("the database made by hand", lambda: server.holds("byhand"))
    answer = server.exec("dbhandler-query", stdin="byhand", SERF_QUERY_NAME="find_db")
    assert json.loads(answer)["status"] == "exists"
    # As root, who is not the agent's user: what comes after must not wait behind it.
    server.exec("sh", "-c", "echo afterwards | dbhandler-create")
    eventually("the database after it", lambda: server.holds("afterwards"))


def test_the_client_is_in_both_images(site: Site) -> None:
    for image in ("dbhandler-serf", "dbhandler:mariadb"):
        status, log = site.once(image, "--help", options=("--entrypoint", "dbhandler-request"))
        assert status == 0
        assert "exit status: 0 done, 64" in log


def test_containers_are_removed_by_name_only() -> None:
    """The helper that all these tests use leaves nothing behind, and nobody else's things alone."""
    other, own = Site(), Site()
    kept, gone = other.volume(), own.volume()
    name = own.start("dbhandler-serf")
    own.close()
    try:
        assert docker("volume", "inspect", gone, check=False).returncode != 0
        assert docker("inspect", Container(name).name, check=False).returncode != 0
        assert docker("volume", "inspect", kept, check=False).returncode == 0
    finally:
        other.close()
