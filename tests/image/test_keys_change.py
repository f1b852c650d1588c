"""The cluster's keys change while applications ask: the gossip's by Serf or by settings, and RPC's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.containers import Container, Database, Site
from tests.support.docker import again_and_again, eventually

FIRST = "QS1nb3NzaXAta2V5LW9mLTMyLWJ5dGVzLW5vLTAxLi4="


class Cluster:
    """An agent that is asked, another one, and a server."""

    def __init__(self, site: Site) -> None:
        self.site, network = site, site.network()
        self.on = ("--network", network)
        self.asked = self.agent(FIRST)
        self.other = self.agent(FIRST, SERF_JOIN=self.asked.name)
        self.server = Database(
            site.start(
                "dbhandler:mariadb",
                options=self.on,
                SERF_JOIN=self.asked.name,
                SERF_ENCRYPT_KEY=FIRST,
                SERF_RPC_AUTH="one",
            ),
            "mariadb",
        )
        eventually("the server", lambda: self.request("first").returncode == 0)

    def agent(self, key: str, rpc: str = "one", **environ: str) -> Container:
        return Container(
            self.site.start("dbhandler-serf", options=self.on, SERF_ENCRYPT_KEY=key, SERF_RPC_AUTH=rpc, **environ)
        )

    def request(self, name: str, rpc: str = "one") -> subprocess.CompletedProcess[str]:
        return self.asked.run("dbhandler-request", name, "--timeout", "10", SERF_RPC_AUTH=rpc)

    def pool(self, *arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
        return self.asked.run("dbhandler-pool", *arguments, SERF_RPC_AUTH="one", SERF_ENCRYPT_KEY=key)

    def sees(self, member: Container) -> bool:
        known = self.asked.run("serf", "members", "-status=alive", SERF_RPC_AUTH="one").stdout
        return member.node in known

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Fails where an application does that asks meanwhile, again and again."""
        served: list[subprocess.CompletedProcess[str]] = []
        with again_and_again(lambda: served.append(self.request(f"load{len(served)}"))):
            yield
        failed = [done.stdout for done in served if done.returncode]
        assert not failed, failed
        assert served


@pytest.fixture(scope="module")
def cluster(site: Site) -> Cluster:
    return Cluster(site)


def test_the_gossip_key_changes_while_applications_ask(cluster: Cluster) -> None:
    with cluster.under_load():
        done = cluster.pool("rotate", "gossip")
        assert done.returncode == 0, done.stdout
        new, former = done.stdout.split()
        assert former == FIRST != new
        assert cluster.pool("rotate", "gossip").returncode == 77
        # Made anew with what was printed, as the owner does with all containers.
        late = cluster.agent(f"{new} {former}", SERF_JOIN=cluster.asked.name)
        eventually("a container with both keys", lambda: cluster.sees(late))
        done = cluster.pool("rotate", "gossip", "--end", key=new)
        assert done.stdout.split() == [new], done.stdout
        newest = cluster.agent(new, SERF_JOIN=cluster.asked.name)
        eventually("a container with the new key", lambda: cluster.sees(newest))
    # Who has the former key alone hears nothing any more.
    outsider = cluster.agent(FIRST, SERF_JOIN=cluster.asked.name)
    eventually("the outsider", lambda: "joining" in outsider.logs or "join" in outsider.logs)
    assert not cluster.sees(outsider)
    # Serf has written it down: it starts again with it.
    cluster.server.exec("sh", "-c", "kill -9 $(pidof serf)")
    eventually("the server's Serf", lambda: cluster.sees(cluster.server))
    assert cluster.request("last").returncode == 0


def test_a_key_that_nobody_has_ends_nothing(cluster: Cluster) -> None:
    done = cluster.pool("rotate", "gossip", "--end", key=FIRST[::-1].replace("=", "A")[:43] + "=")
    assert done.returncode == 64, done.stdout
    assert cluster.request("still").returncode == 0


def test_whoever_asks_tries_one_rpc_key_after_another(cluster: Cluster) -> None:
    assert cluster.request("keys", rpc="two\none").returncode == 0
    assert cluster.request("keys", rpc="two").returncode == 77
    moved = cluster.agent(FIRST, rpc="two\none")
    eventually("the agent", lambda: moved.run("serf", "members", SERF_RPC_AUTH="two").returncode == 0)
    assert moved.run("serf", "members", SERF_RPC_AUTH="one").returncode != 0
