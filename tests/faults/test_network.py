"""A server that could not be reached gets what it missed, and the cluster finds itself again."""

from __future__ import annotations

import time

import pytest

from tests.faults.scale import SCALE
from tests.support.docker import docker, eventually
from tests.support.faults import STATE, Container, Server, Site, numbered

MISSED = 100


@pytest.fixture
def agent(own_site: Site) -> Container:
    """The member that everybody joins."""
    return own_site.agent(name=own_site.name("serf_agent"), options=("--ip", own_site.address(10)))


@pytest.fixture
def server(own_site: Site, agent: Container) -> Server:
    return joined(own_site, agent, 100)


def joined(site: Site, agent: Container, number: int) -> Server:
    """A database node that has been in the agent's cluster."""
    server = site.server(join=agent.name, options=("--ip", site.address(number))).wait_ready()
    eventually("the agent to see it", lambda: server.node in agent.alive())
    eventually("the peer to be remembered", lambda: "10." in server.exec("cat", f"{STATE}/peers.json", check=False))
    return server


def test_a_server_cut_off_and_healed(own_site: Site, agent: Container, server: Server) -> None:
    docker("network", "disconnect", own_site.network, server.name)
    eventually("the cluster to miss it", lambda: server.node not in agent.alive())
    names = numbered("cut", MISSED)
    agent.fire(names)
    time.sleep(SCALE.cut_off)
    assert not server.made("cut")
    docker("network", "connect", "--ip", own_site.address(100), own_site.network, server.name)
    server.wait_for(names)
    eventually("both to see each other", lambda: server.node in agent.alive() and agent.node in server.alive())
    after = numbered("healed", 3)
    agent.fire(after)
    server.wait_for(after)


def test_a_server_that_was_down(agent: Container, server: Server) -> None:
    server.stop()
    names = numbered("down", MISSED)
    agent.fire(names)
    server.start()
    server.wait_for(names)


@pytest.mark.parametrize("servers", [1, 2])
def test_the_agent_replaced_by_one_with_another_address(own_site: Site, agent: Container, servers: int) -> None:
    # Two servers still have each other; that must not keep them from looking for whom they were told to join.
    group = [joined(own_site, agent, 100 + number) for number in range(servers)]
    old = agent.node
    own_site.remove(agent)
    new = own_site.agent(name=agent.name, options=("--ip", own_site.address(11)))
    assert new.node != old
    eventually("the new agent to see them all", lambda: {server.node for server in group} <= new.alive())
    names = numbered("new", 5)
    new.fire(names)
    for server in group:
        server.wait_for(names)
