"""An event whose handler said yes is never lost, whatever is stopped or killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from loopback import DatabaseNode, SerfNode, wait_for

from tests.integration.conftest import Cluster

ROOM = 8192
"""Bytes on the smallest disk that a test makes."""


@pytest.fixture(scope="module")
def peer(cluster: Cluster) -> SerfNode:
    """A Serf agent that stays up all the time."""
    return cluster.serf()


@pytest.fixture(scope="module")
def node(cluster: Cluster, peer: SerfNode) -> DatabaseNode:
    """A database node that has known the peer."""
    node = cluster.database(join=peer.gossip)
    wait_for("two members", lambda: len(peer.members()) == 2)
    wait_for("the peer to be remembered", lambda: Path(node.environ["DBHANDLER_STATE_DIR"], "peers.json").exists())
    return node


@pytest.fixture
def ten(request: pytest.FixtureRequest) -> list[str]:
    """Ten names that no other test asks for."""
    return [f"{request.node.name[:50]}_{number}" for number in range(10)]


def fire_and_wait_for_spool(node: DatabaseNode, names: list[str]) -> None:
    """Fires one event per name; returns when all are in the spool."""
    for name in names:
        node.fire(name)
    # Not they alone: after a restart the peers deliver older events again.
    wait_for("the spool to hold them", lambda: set(names) <= node.spooled())


def wait_for_databases(node: DatabaseNode, names: list[str]) -> None:
    wait_for("the databases", lambda: node.holds(*names))
    wait_for("an empty spool", lambda: not node.spooled())


def test_mysqld_away_while_ten_events_arrive(node: DatabaseNode, ten: list[str]) -> None:
    node.stop_program("mysqld")
    wait_for("the cluster to see it", lambda: node.state() == "down")
    fire_and_wait_for_spool(node, ten)
    node.start_program("mysqld")
    wait_for_databases(node, ten)
    wait_for("the cluster to see it", lambda: node.state() == "ready")


def test_mysqld_killed_while_ten_events_arrive(node: DatabaseNode, ten: list[str]) -> None:
    for name in ten[:5]:
        node.fire(name)
    os.kill(node.pid("mysqld"), signal.SIGKILL)
    for name in ten[5:]:
        node.fire(name)
    wait_for_databases(node, ten)


def test_the_agent_killed_while_ten_events_arrive(node: DatabaseNode, ten: list[str]) -> None:
    for name in ten[:5]:
        node.fire(name)
    os.kill(node.pid("agent"), signal.SIGKILL)
    for name in ten[5:]:
        node.fire(name)
    wait_for_databases(node, ten)


def test_serf_killed_while_ten_events_wait(node: DatabaseNode, ten: list[str]) -> None:
    node.stop_program("mysqld")
    fire_and_wait_for_spool(node, ten[:9])
    os.kill(node.pid("serf"), signal.SIGKILL)
    node.start_program("mysqld")
    wait_for_databases(node, ten[:9])
    wait_for("Serf", lambda: node.state() == "ready")
    node.fire(ten[9])
    wait_for_databases(node, ten)


def test_everything_killed_while_ten_events_wait(node: DatabaseNode, ten: list[str]) -> None:
    node.stop_program("mysqld")
    fire_and_wait_for_spool(node, ten)
    node.kill()
    node.start()
    wait_for_databases_after_start(node, ten)


def test_everything_stopped_while_ten_events_wait(node: DatabaseNode, ten: list[str]) -> None:
    node.stop_program("mysqld")
    fire_and_wait_for_spool(node, ten)
    assert node.stop() == 0
    node.start()
    wait_for_databases_after_start(node, ten)


def test_events_fired_while_the_whole_node_was_away(node: DatabaseNode, peer: SerfNode, ten: list[str]) -> None:
    # The peers remember them; a node that has been in the cluster asks for what it missed.
    assert node.stop() == 0
    for name in ten:
        peer.fire(name)
    node.start()
    wait_for_databases_after_start(node, ten)


def wait_for_databases_after_start(node: DatabaseNode, names: list[str]) -> None:
    node.wait_ready()
    wait_for_databases(node, names)


@contextmanager
def spool_gone(spool: Path) -> Iterator[None]:
    """No spool folder, which fails for root as well."""
    away = spool.rename(spool.with_name("spool.away"))
    yield
    # The agent, were it started anew meanwhile, would have made one.
    if spool.exists():
        spool.rmdir()
    away.rename(spool)


@contextmanager
def spool_full(spool: Path) -> Iterator[None]:
    """A spool on a disk without room."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(spool)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs more rights than we have")
    filler = spool / ".filler"
    try:
        filler.write_bytes(bytes(ROOM))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(spool)], check=True)


@pytest.mark.parametrize(
    ("trouble", "words"), [(spool_gone, "No such file or directory"), (spool_full, "No space left on device")]
)
def test_a_spool_that_cannot_be_written_is_told_and_recovers(
    node: DatabaseNode, trouble: Callable[[Path], AbstractContextManager[None]], words: str
) -> None:
    agent, begin = node.pid("agent"), len(node.log)
    with trouble(Path(node.environ["DBHANDLER_STATE_DIR"], "spool")):
        node.fire(f"during_{trouble.__name__}")
        wait_for("the line in the node's log", lambda: words in node.log[begin:])
        done = node.run("dbhandler-create", stdin=f"by_hand_{trouble.__name__}".encode())
        assert done.returncode == os.EX_IOERR
        assert words in done.stderr.decode()
    after = f"after_{trouble.__name__}"
    node.fire(after)
    # Kept in memory, though nothing more than that was promised.
    wait_for_databases(node, [after, f"during_{trouble.__name__}", f"by_hand_{trouble.__name__}"])
    complaint = next(line for line in node.log[begin:].splitlines() if words in line)
    assert "[ERROR] [dbhandler]: create_db not stored, is kept in memory only: spool " in complaint
    # It waited; it did not die of it.
    assert node.pid("agent") == agent


def test_a_disk_that_has_room_again_is_used_again(node: DatabaseNode) -> None:
    spool = Path(node.environ["DBHANDLER_STATE_DIR"], "spool")
    with spool_full(spool):
        assert node.run("dbhandler-create", stdin=b"room_again").returncode == os.EX_IOERR
        (spool / ".filler").unlink()
        assert node.run("dbhandler-create", stdin=b"room_again").returncode == 0
        wait_for_databases(node, ["room_again"])
