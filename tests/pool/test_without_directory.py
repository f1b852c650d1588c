"""A small pool without a directory: everybody is asked, and who is lost is given up by one word of the operator."""

from __future__ import annotations

import pytest

from tests.support.containers import RPC_KEY, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import eventually


@pytest.fixture(scope="module")
def pool(site: Site) -> DirectoryPool:
    return DirectoryPool(site, ("mariadb",) * 4, directory="")


def test_everybody_is_asked(pool: DirectoryPool) -> None:
    pool.request("shop", "--state", "/tmp/shop.json")
    assert len(pool.holders("shop")) == 1
    stranger = pool.request("shop", "--timeout", "5", check=False)
    assert stranger.returncode == 77, stranger.stdout
    refused = pool.request("fast", "--where", "ssd", "--timeout", "5", check=False)
    assert refused.returncode == 64 and "DBHANDLER_DIRECTORY" in refused.stdout
    asked = pool.servers["db2"].run("dbhandler-pool", "status", SERF_RPC_AUTH=RPC_KEY)
    assert asked.returncode == 64 and "DBHANDLER_DIRECTORY is not set" in asked.stdout


def test_who_is_lost_is_named_with_the_way_out(pool: DirectoryPool) -> None:
    db4 = pool.servers.pop("db4")
    db4.kill()
    eventually("gossip to see it", lambda: pool.agent.members()["db4"]["status"] == "failed")
    waits = pool.request("new", "--state", "/tmp/new.json", "--timeout", "4", check=False)
    assert waits.returncode == 75 and "dbhandler-pool forget db4" in waits.stdout, waits.stdout
    told = pool.servers["db1"].exec("dbhandler-pool", "forget", "db4", SERF_RPC_AUTH=RPC_KEY)
    assert "'db4' is forgotten" in told
    pool.request("new", "--state", "/tmp/new.json", "--timeout", "20")
    assert len(pool.holders("new")) == 1
