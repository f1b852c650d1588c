"""The tutorial's walkthrough, command by command, on today's Docker."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.containers import Container, Database, HostSerf, Site
from tests.support.docker import docker, eventually

BANNER = [
    "You can now connect to this MySQL Server using:",
    "",
    "    mysql -uadmin -p{password} -h<host> -P<port>",
    "",
    "Please remember to change the above password as soon as possible!",
]
ROOT = "MySQL user 'root' has no password but only allows local connections"
RULE = "=" * 72


def read_banner(container: Container) -> tuple[str, str]:
    """User and password, as somebody finds them who reads the log as the tutorial shows it."""
    # Only stdout, where the tutorial's scripts print; mysqld and the agent talk on stderr.
    output = subprocess.run(("docker", "logs", container.name), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = output.stdout.decode().splitlines()
    begun = lines.index("=> Creating MySQL admin user with random password")
    done = lines.index("=> Done!", begun)
    first = lines.index(RULE, done)
    last = lines.index(RULE, first + 1)
    user, password = re.fullmatch(
        r"    mysql -u(\w+) -p([A-Za-z0-9]{20,}) -h<host> -P<port>", lines[first + 3]
    ).groups()  # type: ignore[union-attr]
    assert lines[first + 1 : last - 1] == [line.format(password=password) for line in BANNER]
    assert lines[last - 1].startswith(ROOT)
    return user, password


def roles(serf: HostSerf) -> dict[str, str | None]:
    """What `serf members` on the host shows: the live nodes and their roles."""
    pattern = re.compile(r"^(\S+) +\S+:\d+ +alive *(?:.*\brole=([\w-]+))?.*$", re.MULTILINE)
    return dict(pattern.findall(serf("members")))


def show_databases(server: Database, user: str, password: str) -> set[str]:
    """`mysql -uadmin -p… -h127.0.0.1 -P49157`, then `show databases;`."""
    return {name for (name,) in server.sql("show databases", user, password)}


@pytest.fixture
def host_serf() -> Iterator[list[HostSerf]]:
    """Room for the host's Serf agents, which are ended at the end."""
    agents: list[HostSerf] = []
    yield agents
    for agent in agents:
        agent.close()


def test_the_tutorial_with_links(site: Site, engine: str, tmp_path: Path, host_serf: list[HostSerf]) -> None:
    # SERF_ID=$(docker run -d -p 7946 -p 7373 --name serf_agent serf)
    agent = Container(site.start("dbhandler-serf", options=("-p", "7946", "-p", "7373")))
    eventually("the agent to listen", agent.members)
    # nohup serf agent &
    serf = HostSerf(tmp_path, agent.gateway)
    host_serf.append(serf)
    assert roles(serf) == {serf.node: ""}
    # serf join $(docker port $SERF_ID 7946)
    published = docker("port", agent.name, "7946").stdout.split()
    assert published
    assert "Successfully joined cluster" in serf("join", *published)
    # serf members
    eventually("the serf_agent among the members", lambda: roles(serf) == {serf.node: "", agent.node: "serf-agent"})

    # MYSQL_ID=$(docker run -d -p 3306 -p 7946 -p 7373 --link serf_agent:serf_agent mysql)
    options = ("-p", "3306", "-p", "7946", "-p", "7373", "--link", f"{agent.name}:serf_agent")
    server = Database(site.start(f"dbhandler:{engine}", options=options), engine)
    # serf members
    both = {serf.node: "", agent.node: "serf-agent", server.node: "db"}
    eventually("the database among the members", lambda: roles(serf) == both)
    # docker logs $MYSQL_ID
    eventually("the banner", lambda: server.passwords)
    user, password = read_banner(server)
    assert user == "admin"
    assert "wordpress" not in show_databases(server, user, password)

    # serf event create_db wordpress
    assert serf("event", "create_db", "wordpress").startswith("Event 'create_db' dispatched! Coalescing enabled: true")
    # mysql -uadmin -p… -h127.0.0.1 -P49157; show databases
    eventually("wordpress", lambda: "wordpress" in show_databases(server, user, password))
    assert server.logged(r"\[dbhandler\]: event create_db #\d+: 'wordpress' created in [\d.]+ ms")
    with closing(server.connect(user, password, "wordpress")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE posts (id INT PRIMARY KEY)")


@pytest.mark.parametrize("form", ["host", "host and port, one of them away"])
def test_the_same_on_a_network_of_its_own(site: Site, tmp_path: Path, form: str, host_serf: list[HostSerf]) -> None:
    network = site.network()
    agent = site.agent(options=("--network", network))
    join = agent.name if form == "host" else f"nobody-here:7946,{agent.name}:7946"
    server = site.database(options=("--network", network), SERF_JOIN=join)
    serf = HostSerf(tmp_path, agent.gateway)
    host_serf.append(serf)
    serf("join", f"{agent.address}:7946")
    all_three = {serf.node: "", agent.node: "serf-agent", server.node: "db"}
    eventually("all three members", lambda: roles(serf) == all_three)
    eventually("the banner", lambda: server.passwords)
    user, password = read_banner(server)
    serf("event", "create_db", "wordpress")
    eventually("wordpress", lambda: "wordpress" in show_databases(server, user, password))


def test_everyone_agrees_on_the_members(site: Site) -> None:
    """What one agent knows, the others know: name, address and role."""
    network = site.network()
    agent = site.agent(options=("--network", network))
    server = site.database(options=("--network", network), SERF_JOIN=agent.name).wait_healthy().wait_ready()

    def seen_by(container: Container) -> set[tuple[str, str, str]]:
        members = container.members().values()
        return {(member["name"], member["addr"], member["tags"]["role"]) for member in members}

    expected = {
        (agent.node, f"{agent.address}:7946", "serf-agent"),
        (server.node, f"{server.address}:7946", "db"),
    }
    eventually("the agent to know both", lambda: seen_by(agent) == expected)
    eventually("the server to know both", lambda: seen_by(server) == expected)
    tags = server.tags()
    assert (tags["engine"], tags["port"], tags["mysql"]) == ("mariadb", "3306", "ready")
    [(version,)] = server.sql("SELECT VERSION()")
    assert version.split()[0] == tags["version"]
