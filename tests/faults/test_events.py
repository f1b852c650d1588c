"""No event is lost, whatever dies while events arrive."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.scale import SCALE
from tests.support.docker import eventually
from tests.support.faults import IMAGE, STATE, Container, Server, Site, numbered

PER_SECOND = 100.0
ROOM = "16m"
"""The size of the state volume: a full one is made by filling it, so it has to be small."""


@pytest.fixture(scope="module")
def agent(site: Site) -> Container:
    """The member that fires."""
    return site.agent()


@pytest.fixture(scope="module")
def server(site: Site, agent: Container) -> Server:
    """A database node that has been in the cluster."""
    volume = site.volume("-o", "type=tmpfs", "-o", "device=tmpfs", "-o", f"o=size={ROOM},mode=1777")
    # Docker forgets such a volume's content with the last container that uses it; a disk does not.
    site.run(IMAGE, "sleep", "infinity", options=("-v", f"{volume}:{STATE}"))
    server = site.server(join=agent.name, options=("-v", f"{volume}:{STATE}", "--ip", site.address(100)))
    server.wait_ready()
    eventually("two members", lambda: len(agent.alive()) == 2)
    eventually("the peer to be remembered", lambda: server.exec("ls", f"{STATE}/peers.json", check=False))
    return server


@pytest.fixture(scope="module")
def sustainable(server: Server) -> float:
    """Events per second that this machine's handlers keep up with, at most PER_SECOND.

    What waits in a Serf agent dies with it, and of what was fired its peers remember the last 512. So no set-up can
    keep what exceeds both: where Serf is ended, the stream must not be faster than its handlers.
    """
    names, began = numbered("pace", 100), time.monotonic()
    server.fire(names)
    server.wait_for(names)
    return min(PER_SECOND, 0.7 * len(names) / (time.monotonic() - began))


def kill_mysqld(server: Server) -> None:
    server.crash("mysqld")


def kill_agent(server: Server) -> None:
    server.crash("agent")


def kill_serf(server: Server) -> None:
    server.crash("serf")


def stop_and_start(server: Server) -> None:
    server.stop()
    server.start()


def fill_disk(server: Server) -> None:
    server.exec("sh", "-c", f"cat /dev/zero > {STATE}/.filler", check=False)
    time.sleep(SCALE.disk_full)
    server.exec("rm", f"{STATE}/.filler")


# Those first after which history is delivered again: it is short then, and its events are handled one by one.
FAULTS = (kill_serf, stop_and_start, kill_mysqld, kill_agent, fill_disk)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_paced_stream_survives(
    server: Server, agent: Container, sustainable: float, fault: Callable[[Server], None]
) -> None:
    ends_serf = fault in (kill_serf, stop_and_start)
    per_second = sustainable if ends_serf and SCALE.adapts else PER_SECOND
    # What waits for a handler and what is fired until a new agent has joined must not exceed the 512 events that peers
    # remember: the longer an agent is away, the earlier it has to go.
    moment = 0.1 if fault is stop_and_start else 0.3
    names = numbered(fault.__name__, SCALE.paced)
    before = len(server.logs)
    with ThreadPoolExecutor(1) as pool:
        firing = pool.submit(agent.fire, names, per_second)
        time.sleep(moment * SCALE.paced / per_second)
        fault(server)
        firing.result()
    server.wait_for(names)
    eventually("an empty spool", lambda: server.waiting() == 0)
    if ends_serf:
        # What was missed comes again with what was not; the log tells one from the other.
        repeated = server.logs[before:]
        assert "asking for what was missed" in repeated
        assert any(f"'{name}' exists" in repeated for name in names)
    if fault is fill_disk:
        assert "No space left on device" in server.logs[before:]


def test_a_burst_from_another_member(server: Server, agent: Container) -> None:
    names = numbered("burst", SCALE.burst)
    agent.fire(names)
    server.wait_for(names)


def test_a_burst_at_the_servers_own_agent(server: Server) -> None:
    names = numbered("own", SCALE.own)
    server.fire(names)
    server.wait_for(names)
