"""What is killed comes back, what cannot run ends the container, and no event is lost meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.containers import ENGINES, RPC_KEY, SERVERS, Container, Database, Site
from tests.support.docker import docker, eventually, inspect, together

FULL = "/var/lib/dbhandler/filler"


class Cluster:
    """One Serf agent, and one database that joins it."""

    def __init__(self, site: Site, engine: str) -> None:
        network = site.network()
        self.agent = site.agent(options=("--network", network))
        self.server = site.database(
            engine, options=("--network", network), SERF_JOIN=self.agent.name, SERF_RPC_AUTH=RPC_KEY
        )
        self.server.wait_healthy().wait_ready()

    def fire(self, *names: str) -> None:
        """Fires one event for each name from the agent's container, as an application would."""
        for name in names:
            self.agent.serf("event", "-coalesce=false", "create_db", name)

    def sees(self, status: str) -> bool:
        """Does the agent see the server in that state?"""
        return bool(self.agent.members()[self.server.node]["status"] == status)


@pytest.fixture(scope="module")
def cluster(site: Site, engine: str) -> Iterator[Cluster]:
    made = Cluster(site, engine)
    yield made
    made.server.remove()
    made.agent.remove()


@pytest.fixture(scope="module")
def mariadb(site: Site) -> Cluster:
    """For what does not depend on the engine."""
    return Cluster(site, "mariadb")


def names(word: str, count: int = 10) -> list[str]:
    return [f"{word}{number}" for number in range(count)]


def test_nothing_runs_as_root(cluster: Cluster) -> None:
    lines = docker("top", cluster.server.name, "-eo", "pid,uid,args").stdout.splitlines()[1:]
    programs = " ".join(lines)
    for program in (SERVERS[cluster.server.engine], "serf agent", "dbhandler-agent", "dbhandler-entrypoint"):
        assert program in programs
    # Docker starts the health check as the container's user; it becomes ours before it does anything.
    assert {line.split()[1] for line in lines if "dbhandler-health" not in line} == {"999"}


@pytest.mark.parametrize("program", ["mysqld", "serf", "agent"])
def test_a_killed_process_is_back(cluster: Cluster, program: str) -> None:
    server = cluster.server
    killed = server.pid(program)
    assert killed
    server.exec("sh", "-c", f"kill -9 {killed}")
    eventually(f"another {program}", lambda: server.pid(program) not in (0, killed))
    server.wait_healthy().wait_ready()
    eventually("the agent to see it alive", lambda: cluster.sees("alive"))
    name = f"after_{program}_was_killed"

    def made() -> bool:
        # An event that is fired while Serf itself is away reaches nobody.
        cluster.fire(name)
        return server.holds(name)

    eventually(f"a database after {program} was killed", made)


def test_a_killed_supervisor_ends_the_container(site: Site) -> None:
    """Its process number is 1, so only the engine can kill it; nothing may linger half alive."""
    server = site.database().wait_healthy()
    server.kill()
    assert server.wait_ended() == 137
    server.start()
    server.wait_healthy()
    assert server.opens(*server.admin)


def test_a_lock_of_a_former_life_stops_nobody(site: Site, tmp_path: Path) -> None:
    """MySQL's lock of its socket survives a kill of the container, and its number soon is another process's."""
    # Process 1 is then one of the same user, and neither mysqld nor its parent, whom mysqld would not mind.
    server = site.database("mysql", options=("--init", "--user", "mysql")).wait_healthy()
    lock = tmp_path / "lock"
    lock.write_text("1\n")
    server.kill()
    docker("cp", str(lock), f"{server.name}:/run/mysqld/mysqld.sock.lock")
    server.start()
    server.wait_healthy()
    assert server.opens(*server.admin)
    server.remove()


@pytest.mark.parametrize("content", [b"", bytes(100), bytes(24576)], ids=["empty", "too short", "without its header"])
def test_a_log_that_was_not_yet_one_stops_nobody(site: Site, content: bytes) -> None:
    """MariaDB makes tc.log in three steps, and does not start when it was killed between them."""
    volume = ("-v", f"{site.volume()}:/var/lib/mysql")
    server = site.database(options=volume).wait_healthy()
    server.kill()
    shell = ("run", "--rm", "-i", *volume, "--entrypoint", "sh", "dbhandler:mariadb")
    docker(*shell, "-c", "cat > /var/lib/mysql/tc.log", stdin=content)
    server.start()
    server.wait_healthy()
    assert server.opens(*server.admin)
    server.remove()


def test_a_stop_is_a_clean_shutdown_and_a_leave(cluster: Cluster) -> None:
    server = cluster.server
    server.stop()
    assert inspect(server.name, ".State.ExitCode") == 0
    eventually("the agent to see that it has left", lambda: cluster.sees("left"))
    assert server.logged(rf"{SERVERS[server.engine]}: Shutdown complete")
    before = server.logs
    server.start()
    server.wait_healthy().wait_ready()
    eventually("the agent to see it alive", lambda: cluster.sees("alive"))
    # It was killed before, by other tests; this time there was nothing to recover from.
    assert "ready for connections" in server.logs[len(before) :]
    assert "crash recovery" not in server.logs[len(before) :].lower()


def test_a_stop_of_the_serf_image_is_a_leave(site: Site, mariadb: Cluster) -> None:
    network = next(iter(inspect(mariadb.agent.name, ".NetworkSettings.Networks")))
    second = site.agent(options=("--network", network), SERF_JOIN=mariadb.agent.name)
    eventually("both to know each other", lambda: mariadb.agent.node in second.members())
    second.stop()
    assert inspect(second.name, ".State.ExitCode") == 0
    assert mariadb.agent.members()[second.node]["status"] == "left"


def test_a_server_that_cannot_run_ends_the_container(site: Site) -> None:
    images = [f"dbhandler:{engine}" for engine in ENGINES]
    for status, log in together(*(partial(site.once, image, "--no-such-option=1") for image in images)):
        assert status not in (0, 137)
        assert "no-such-option" in log, "the server's own complaint"
        assert re.search(r"\[dbhandler\]: mysqld (cannot be started|has ended .*): this container ends", log), log


def test_events_wait_while_the_server_is_away(cluster: Cluster) -> None:
    server, wanted = cluster.server, names("waiting")
    assert server.supervisorctl("stop", "dbhandler:mysqld") == "dbhandler:mysqld: stopped\n"
    assert server.run("dbhandler-health").returncode == 1
    eventually("the tag to tell", lambda: server.tags().get("mysql") == "down")
    cluster.fire(*wanted)
    # More may wait: after a restart of Serf old events are delivered again.
    eventually("ten events to wait", lambda: server.query("status_db", b"")["spool"] >= len(wanted))
    assert server.query("create_db", "asked")["status"] == "unavailable"
    server.supervisorctl("start", "dbhandler:mysqld")
    server.wait_healthy()
    eventually("all ten", lambda: server.holds(*wanted))
    eventually("the tag to tell", lambda: server.tags().get("mysql") == "ready")
    assert server.query("status_db", b"")["spool"] == 0
    assert "asked" not in server.databases()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_events_are_caught_up_after_a_restart(mariadb: Cluster, end: str) -> None:
    """Five wait in the spool when the container ends, five are fired while it is away."""
    server, wanted = mariadb.server, names(f"missed_{end}")
    assert server.supervisorctl("stop", "dbhandler:mysqld") == "dbhandler:mysqld: stopped\n"
    mariadb.fire(*wanted[:5])
    eventually("five events to wait", lambda: waiting(server) == 5)
    {"stop": server.stop, "kill": server.kill}[end]()
    mariadb.fire(*wanted[5:])
    server.start()
    server.wait_healthy()
    eventually("all ten", lambda: server.holds(*wanted))


def waiting(server: Database) -> int:
    """Events in the spool."""
    return len(server.exec("sh", "-c", "ls /var/lib/dbhandler/spool/*.create_db 2>/dev/null; true").split())


def test_a_new_container_on_the_volumes_catches_up_too(site: Site) -> None:
    network = site.network()
    agent = site.agent(options=("--network", network))
    volumes = ("-v", f"{site.volume()}:/var/lib/mysql", "-v", f"{site.volume()}:/var/lib/dbhandler")
    make: Callable[[], Database] = partial(
        site.database, options=("--network", network, *volumes), SERF_JOIN=agent.name
    )
    first = make().wait_healthy().wait_ready()
    password = first.admin[1]
    # From then on it is a node that has been in this cluster, and so wants to know what it missed.
    eventually("it to note its peers", lambda: first.run("test", "-e", "/var/lib/dbhandler/peers.json").returncode == 0)
    first.remove()
    agent.serf("event", "-coalesce=false", "create_db", "missed")
    second = make().wait_healthy()
    eventually("what it missed", lambda: ("missed",) in second.sql("SHOW DATABASES", "admin", password))
    second.remove()
    agent.remove()


def test_a_new_server_does_not_act_on_old_events(site: Site, mariadb: Cluster) -> None:
    mariadb.fire("of_old")
    eventually("the old event to be handled", lambda: mariadb.server.holds("of_old"))
    network = next(iter(inspect(mariadb.agent.name, ".NetworkSettings.Networks")))
    newcomer = site.database(options=("--network", network), SERF_JOIN=mariadb.agent.name)
    newcomer.wait_healthy().wait_ready()
    eventually("it to be known", lambda: newcomer.node in mariadb.agent.members())
    mariadb.fire("of_new")
    eventually("both to have the new one", lambda: newcomer.holds("of_new") and mariadb.server.holds("of_new"))
    assert "of_old" not in newcomer.databases()
    newcomer.remove()


def test_a_full_disk_is_an_error_that_passes(site: Site) -> None:
    state = "type=tmpfs,destination=/var/lib/dbhandler,tmpfs-size=2m"
    server = site.database(options=("--mount", state), SERF_RPC_AUTH=RPC_KEY).wait_healthy()
    fill = f"cat /dev/zero > {FULL}; true"
    server.exec("sh", "-c", fill)
    assert "100%" in server.exec("df", "/var/lib/dbhandler")
    by_hand = server.run("sh", "-c", "echo byhand | dbhandler-create")
    assert by_hand.returncode == 74
    assert "create_db not stored" in by_hand.stdout
    complaints = server.logs.count("create_db not stored")
    server.serf("event", "-coalesce=false", "create_db", "nospace")
    eventually("the log to tell", lambda: server.logs.count("create_db not stored") > complaints)
    assert server.logged(r"create_db not stored, is kept in memory only: spool .*No space left")
    assert server.running

    server.exec("rm", FULL)
    server.serf("event", "-coalesce=false", "create_db", "space")
    eventually("all three once there is room", lambda: server.holds("space", "byhand", "nospace"))
    eventually("nothing to wait", lambda: waiting(server) == 0)
    assert leftovers(server) == ""


def leftovers(container: Container) -> str:
    """Unfinished files in the spool."""
    return container.exec("find", "/var/lib/dbhandler/spool", "-name", ".tmp-*")


def test_a_server_found_by_its_peers_when_they_move(site: Site) -> None:
    """The Serf agent is replaced by another container: the server joins the name it was given again."""
    network = site.network()
    first = site.agent(options=("--network", network, "--network-alias", "gossip"))
    server = site.database(options=("--network", network), SERF_JOIN="gossip")
    together(server.wait_healthy, lambda: eventually("the first", lambda: server.node in first.members()))
    first.remove()
    second = site.agent(options=("--network", network, "--network-alias", "gossip"))
    eventually("the second to know the server", lambda: server.node in second.members())


def test_a_restarted_serf_agent_is_found_again(site: Site, mariadb: Cluster) -> None:
    """It has nobody to join: the servers, who are not alone without it, have to find it."""
    network = next(iter(inspect(mariadb.agent.name, ".NetworkSettings.Networks")))
    second = site.database(options=("--network", network), SERF_JOIN=mariadb.agent.name).wait_healthy()
    for _ in range(2):
        eventually("both servers to be known", lambda: knows(mariadb.agent, mariadb.server, second))
        mariadb.agent.restart()
    eventually("both servers to be known again", lambda: knows(mariadb.agent, mariadb.server, second))
    second.remove()


def knows(agent: Container, *servers: Database) -> bool:
    """Does the agent see all these servers alive?"""
    members = agent.members()
    return all(members.get(server.node, {}).get("status") == "alive" for server in servers)


def test_a_serf_agent_that_cannot_run_ends_no_server_and_is_told(site: Site) -> None:
    server = site.database(SERF_BIND="1.2.3.4").wait_healthy()
    mysqld = server.pid("mysqld")
    reason = r"no Serf agent has answered for \d+ s: .* status 1: .*1\.2\.3\.4:7946: bind: cannot assign"
    eventually(
        "the health check to name the cause", lambda: re.match(reason, server.exec("dbhandler-health", check=False))
    )
    told = server.run("dbhandler-status")
    assert told.returncode == 69 and "1.2.3.4:7946" in told.stdout
    assert server.pid("mysqld") == mysqld and server.opens(*server.admin)
    server.remove()
