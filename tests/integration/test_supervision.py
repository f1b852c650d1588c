"""Every process comes back; a server that cannot run ends the container; a stop is orderly."""

from __future__ import annotations

import os
import re
import signal
import xmlrpc.client
from contextlib import suppress

import pytest
from loopback import DatabaseNode, SerfNode, wait_for

from tests.integration.conftest import Cluster


@pytest.fixture(scope="module")
def peer(cluster: Cluster) -> SerfNode:
    """A Serf agent that sees what becomes of the node."""
    return cluster.serf()


@pytest.fixture(scope="module")
def node(cluster: Cluster, peer: SerfNode) -> DatabaseNode:
    """A database node in the peer's cluster."""
    node = cluster.database(join=peer.gossip)
    wait_for("two members", lambda: status(peer, node) == "alive")
    return node


@pytest.fixture(scope="module", autouse=True)
def unstartable(cluster: Cluster) -> DatabaseNode:
    """A node whose server cannot start. supervisord takes its time to see that, so it begins with the first test."""
    node = cluster.database("unstartable", start=False)
    node.start("--no-such-option")
    return node


def status(peer: SerfNode, node: SerfNode) -> str | None:
    """What the peer thinks of the node."""
    return next((member.status for member in peer.members() if member.name == node.name), None)


@pytest.mark.parametrize("program", ["mysqld", "agent", "serf"])
def test_a_process_that_is_killed_is_back(node: DatabaseNode, peer: SerfNode, program: str) -> None:
    pid = node.pid(program)
    os.kill(pid, signal.SIGKILL)
    wait_for(f"another {program}", lambda: node.pid(program) not in (0, pid))
    node.wait_ready()
    wait_for("the peer to see it", lambda: status(peer, node) == "alive")
    peer.fire(f"after_{program}")
    wait_for("the database", lambda: node.holds(f"after_{program}"))


def test_a_reload_of_serf_makes_it_forget_no_tag(node: DatabaseNode) -> None:
    os.kill(node.pid("serf"), signal.SIGHUP)
    # Serf forgets what was set at run time; the agent puts it back.
    wait_for("the reload", lambda: "Reloading configuration" in node.log)
    node.wait_ready()


def test_stop_leaves_the_cluster_shuts_down_cleanly_and_exits_0(node: DatabaseNode, peer: SerfNode) -> None:
    begin = len(node.log)
    assert node.stop() == 0
    wait_for("the peer to hear of it", lambda: status(peer, node) != "alive")
    wait_for("the leave to be complete", lambda: status(peer, node) == "left")
    assert "Shutdown complete" in node.log[begin:]
    assert "[ERROR]" not in node.log[begin:]
    assert node.processes() == []
    node.start()
    node.wait_ready()
    wait_for("the peer to see it again", lambda: status(peer, node) == "alive")
    # A clean shutdown has nothing to recover.
    assert "crash recovery" not in node.log[begin:]


def test_interrupted_from_the_keyboard_it_is_a_stop(node: DatabaseNode) -> None:
    assert node.end(signal.SIGINT) == 0
    assert node.processes() == []


def test_a_server_that_cannot_start_ends_the_container(unstartable: DatabaseNode) -> None:
    assert unstartable.process
    assert unstartable.process.wait(60) == 1
    # On a busy machine each try takes so long that it counts as a start.
    assert re.search("mysqld (cannot be started|has ended .*): this container ends", unstartable.log)
    assert "Traceback" not in unstartable.log
    assert "no-such-option" in unstartable.log
    assert unstartable.processes() == []


def test_a_server_that_keeps_dying_ends_the_container(own_cluster: Cluster) -> None:
    node = own_cluster.database()
    killed = 0

    def ended() -> bool:
        nonlocal killed
        # supervisord, on its way out, does not answer any more.
        with suppress(OSError, xmlrpc.client.Error):
            if (pid := node.pid("mysqld")) not in (0, killed):
                os.kill(pid, signal.SIGKILL)
                killed = pid
        assert node.process
        return node.process.poll() is not None

    wait_for("the end of the container", ended)
    assert node.process
    assert node.process.returncode == 1
    assert ": this container ends" in node.log
    assert node.processes() == []


def test_a_wrong_setting_ends_the_container_with_one_sentence(own_cluster: Cluster) -> None:
    node = own_cluster.database(start=False, DBHANDLER_MAX_DATABASES="many")
    done = node.run("dbhandler-entrypoint")
    assert done.returncode != 0
    assert done.stderr.decode().count("\n") == 1
    assert "DBHANDLER_MAX_DATABASES has to be" in done.stderr.decode()
