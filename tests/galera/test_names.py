"""A node takes all data of another one, whatever word of the servers' own is the name of a database; and what the nodes
send each other, and keep, holds no password."""

from __future__ import annotations

import random
from pathlib import Path

from dbhandler.client.asking import request_database, rotate_password
from tests.support import gathered
from tests.support.containers import RPC_KEY
from tests.support.docker import eventually
from tests.support.faults import Site
from tests.support.galera import IMAGE, PASSWORD, PATIENCE, Cluster, Node


def test_a_state_transfer_with_every_name_that_is_served(site: Site, rng: random.Random, tmp_path: Path) -> None:
    names = gathered.served(gathered.words(IMAGE))
    assert len(names) > 300
    made = Cluster(site, count=2, name="names")
    made.start(rng)
    made.wait_ready()
    sender, receiver = made.nodes
    sender.exec("mariadb", stdin=";".join(f"CREATE DATABASE `{name}`" for name in names))
    where = {"state_file": tmp_path / "state.json", "rpc_addr": f"{sender.address}:7373", "rpc_auth": RPC_KEY}
    first = request_database("asked", **where, timeout=120.0)  # type: ignore[arg-type]
    rotated = rotate_password(**where, timeout=120.0)  # type: ignore[arg-type]
    receiver.wipe()
    receiver.run_member(int(receiver.address.rpartition(".")[2]), size=2)
    eventually("the receiver", lambda: receiver.ready, PATIENCE)
    assert receiver.transfers() == 1
    for node in made.nodes:
        assert set(node.sql("SHOW DATABASES")) >= set(names)
        assert files_with(node, PASSWORD, first.password, rotated.password) == ""
    # What was sent is kept there.
    assert "galera.cache" in files_with(sender, "IDENTIFIED BY PASSWORD")


def files_with(node: Node, *words: str) -> str:
    """The files of both volumes, and of what is disposable, that contain one of these words."""
    patterns = [part for word in words for part in ("-e", word)]
    folders = ("/var/lib/mysql", "/var/lib/dbhandler", "/run", "/tmp", "/dev/shm")
    return node.exec("grep", "-rslF", "-D", "skip", *patterns, *folders, check=False)
