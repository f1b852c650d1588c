"""A server whose state volume was lost: it serves, everybody is told, and one command leads the applications there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.client.asking import request_database
from dbhandler.client.connection import Connection
from dbhandler.errors import Denied, TryLater
from tests.support.containers import ENGINES, RPC_KEY, Database, Site
from tests.support.docker import eventually

LOST = "this server has lost its state volume"


def ask(server: Database, state: Path, timeout: float = 30.0, accept: str | None = None) -> Connection:
    return request_database(
        "shop", state_file=state, rpc_addr=server.rpc_address, rpc_auth=RPC_KEY, timeout=timeout, accept_server=accept
    )


def on(data: str, state: str) -> tuple[str, ...]:
    return ("-v", f"{data}:/var/lib/mysql", *(("-v", f"{state}:/var/lib/dbhandler") if state else ()))


@pytest.mark.parametrize("engine", ENGINES)
def test_data_without_their_state(site: Site, tmp_path: Path, engine: str) -> None:
    data, state_file = site.volume(), tmp_path / "state.json"
    first = site.database(engine, options=on(data, site.volume()), SERF_RPC_AUTH=RPC_KEY).wait_healthy()
    assert "is mounted at /var/lib/dbhandler" not in first.logs
    made = ask(first, state_file)
    assert LOST not in first.exec("dbhandler-health")
    first.stop()
    # As users of the official image do it: only the data are on a volume with a name.
    second = site.database(engine, options=on(data, ""), SERF_RPC_AUTH=RPC_KEY).wait_healthy()
    assert "no volume with a name is mounted at /var/lib/dbhandler" in second.logs
    assert "-v state:/var/lib/dbhandler" in second.logs
    eventually("the log", lambda: LOST in second.logs)
    assert LOST in second.exec("dbhandler-health")
    assert LOST in second.exec("dbhandler-status")
    with pytest.raises(TryLater, match=f"--accept-server {second.node}"):
        ask(second, state_file, timeout=2.0)
    assert ask(second, state_file, accept=second.node).password == made.password
    with pytest.raises(Denied):
        ask(second, tmp_path / "a stranger's")
    # It goes on saying so until its owner has accepted it.
    second.restart()
    second.wait_healthy()
    assert LOST in second.exec("dbhandler-health")
    second.exec("dbhandler-admin", "accept-state")
    for text in (second.exec("dbhandler-health"), second.exec("dbhandler-status")):
        assert LOST not in text
    assert second.tags()["was"]


@pytest.mark.parametrize("engine", ENGINES)
def test_with_the_pools_secret_data_bring_their_servers_key_along(site: Site, tmp_path: Path, engine: str) -> None:
    data, state_file, secret = site.volume(), tmp_path / "state.json", "A" * 43
    keys = {"SERF_RPC_AUTH": RPC_KEY, "DBHANDLER_POOL_SECRET": secret}
    first = site.database(engine, options=on(data, site.volume()), **keys).wait_healthy()
    made = ask(first, state_file)
    key = first.tags()["key"]
    first.stop()
    second = site.database(engine, options=on(data, site.volume()), **keys).wait_healthy()
    assert ask(second, state_file).password == made.password
    assert second.tags()["key"] == key
    assert "was" not in second.tags()
    assert LOST not in second.exec("dbhandler-health")
    assert "this server has its key from its data" in second.logs
    # Who has the volume has not the key.
    second.stop()
    other = {**keys, "DBHANDLER_POOL_SECRET": "B" * 42 + "A"}
    third = site.database(engine, options=on(data, site.volume()), **other).wait_healthy()
    eventually("its tags", lambda: "key" in third.tags())
    assert third.tags()["key"] != key
