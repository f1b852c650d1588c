"""A pool whose directory is on a cluster: any node of it will do, and a single server beside it gets databases, too."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from dbhandler.trust.secret import new_secret
from tests.support.containers import RPC_KEY
from tests.support.docker import eventually, together
from tests.support.faults import Server, Site
from tests.support.galera import ENGINE, IMAGE, PATIENCE, Cluster, Node

SECRET, NAME = new_secret(), "shelf"
POOL = {"DBHANDLER_POOL_SECRET": SECRET, "DBHANDLER_DIRECTORY": NAME}
"""What all servers of the pool are given."""


class Shelf:
    """The cluster, and the single server."""

    def __init__(self, site: Site) -> None:
        self.cluster = Cluster(site, 3, NAME, ENGINE, **POOL)
        self.cluster.start(random.Random(18))
        settings = {
            **POOL, "SERF_JOIN": ",".join(node.name for node in self.cluster.nodes), "SERF_RPC_AUTH": RPC_KEY,
            "DBHANDLER_LABELS": "single",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
        self.single = Server(site.run(IMAGE, options=options, name=site.name("single")))
        self.cluster.wait_ready()
        self.single.wait_ready()
        eventually("both in the directory", lambda: len(self.standings()) == 2, PATIENCE)

    def standings(self) -> list[dict[str, Any]]:
        output = self.single.exec("dbhandler-pool", "status", "--json", check=False)
        return list(json.loads(output.splitlines()[-1])["servers"]) if output.startswith("{") else []

    def holders(self, name: str) -> list[str]:
        """Who has a database: `cluster`, of which all nodes have it, and `single`."""
        nodes = [name in node.made(name) for node in self.cluster.nodes if node.running]
        assert len(set(nodes)) == 1, f"not all nodes have {name}, or have it not"
        return ["cluster"] * nodes[0] + ["single"] * (name in self.single.made(name))


@pytest.fixture(scope="module")
def shelf(site: Site) -> Iterator[Shelf]:
    made = Shelf(site)
    yield made
    site.remove(made.single)


def asked(server: Server, query: str, payload: dict[str, object]) -> dict[str, Any]:
    line = server.exec("dbhandler-query", stdin=json.dumps(payload), SERF_QUERY_NAME=query)
    return dict(json.loads(line.splitlines()[-1]))


def test_a_cluster_is_one_server_of_it(shelf: Shelf) -> None:
    rows = {row["state"]: row for row in shelf.standings()}
    assert set(rows) == {"ready"}
    assert sorted(tuple(row["labels"]) for row in shelf.standings()) == [(), ("single",)]
    for node in shelf.cluster.nodes:
        assert node.tag("dir") == "1" and node.tag("proof")


def test_names_that_are_asked_for_everywhere_at_once_have_one_server(shelf: Shelf) -> None:
    servers = [*shelf.cluster.nodes, shelf.single]
    for number in range(6):
        name = f"all{number}"

        def is_answered(server: Server, name: str = name) -> bool:
            return asked(server, "create_db", {"database": name})["status"] in ("created", "exists", "placed")

        # Two nodes that claim at once are one too many: who comes second asks again.
        together(*(partial(eventually, "an answer", partial(is_answered, one), 30, 0.3) for one in servers))
        eventually("all nodes to have it, or none", partial(_is_settled, shelf, name), 30, 0.3)
        assert len(shelf.holders(name)) == 1


def _is_settled(shelf: Shelf, name: str) -> bool:
    return len({name in node.made(name) for node in shelf.cluster.nodes}) == 1


def test_labels_lead_to_the_single_one(shelf: Shelf) -> None:
    answer = asked(shelf.cluster.nodes[0], "create_db", {"database": "lonely", "where": "single"})
    assert (answer["status"], answer["server"]) == ("placed", shelf.single.node)
    assert asked(shelf.single, "create_db", {"database": "lonely"})["status"] == "created"
    assert shelf.holders("lonely") == ["single"]


def test_one_node_that_is_away_stops_nobody(shelf: Shelf) -> None:
    first = min(shelf.cluster.nodes, key=lambda node: node.node)
    first.kill()
    for number in range(4):

        def is_made(name: str = f"without{number}") -> bool:
            return asked(shelf.single, "create_db", {"database": name, "where": "here"})["status"] in (
                "created", "exists",
            )  # fmt: skip

        eventually("a name in the directory", is_made, 30, 0.3)
    _restarted(first)
    shelf.cluster.wait_ready()
    eventually("all nodes to be equal", partial(_is_equal, shelf), PATIENCE, 1.0)


def _is_equal(shelf: Shelf) -> bool:
    # The servers tell the directory how they stand, now and then.
    with suppress(AssertionError):
        shelf.cluster.check_equal()
        return True
    return False


def _restarted(node: Node) -> None:
    node.start()


def test_a_database_moves_from_the_single_one_to_the_cluster(shelf: Shelf) -> None:
    asked = ("dbhandler-request", "parcel", "--where", "single", "--state", "/tmp/parcel.json", "--format", "json")
    made = json.loads(shelf.single.exec(*asked).splitlines()[-1])
    login = ("mariadb", "--protocol=tcp", "-h", "127.0.0.1", "-uparcel", f"-p{made['password']}", "parcel", "-BNe")
    for statement in (
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, word TEXT, KEY (word(9)))",
        "INSERT INTO t (word) SELECT CONCAT('w', seq) FROM seq_1_to_5000",
        "CREATE VIEW v AS SELECT COUNT(*) AS number FROM t",
    ):
        shelf.single.exec(*login, statement)
    told = shelf.single.exec("dbhandler-pool", "move", "parcel", "--to", NAME, "--keep", "0")
    assert "switched" in told or "done" in told, told
    eventually("it to be gone here", lambda: "parcel" not in shelf.single.made("parcel"), PATIENCE)
    assert shelf.holders("parcel") == ["cluster"]
    eventually("all nodes to be equal", partial(_is_equal, shelf), PATIENCE, 1.0)
    # Its account is the same, on each node.
    for node in shelf.cluster.nodes:
        assert node.exec(*login, "SELECT number, MAX(id) FROM v, t").split() == ["5000", "5000"]
    back = shelf.single.exec("dbhandler-pool", "move", "parcel", "--to", shelf.single.node, check=False)
    assert "is a node of a cluster" in back
