"""A quota in a cluster: one node decides, on all of them nobody writes, and each ends sessions of its own."""

from __future__ import annotations

import json
import random
import time
from contextlib import closing
from typing import Any

import pymysql

from tests.support.docker import eventually
from tests.support.faults import Site
from tests.support.galera import Cluster, Node
from tests.support.operations import ENDED, box, is_ended, payload_text

OWNER, GIVEN = "the password of an owner", "the password that was given"
MIB = 2**20
WITHIN = 60
DENIED = 1142


def ask(node: Node, query: str, name: str, **more: Any) -> dict[str, Any]:
    payload = payload_text(node.tag("key"), box(query, name, OWNER, **more))
    return dict(json.loads(node.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME=query).splitlines()[-1]))


def session(node: Node, user: str = "shop", password: str = OWNER) -> Any:
    return pymysql.connect(
        host=node.address, user=user, password=password, database="shop", autocommit=True, read_timeout=30
    )


def done(node: Node, statement: str, user: str = "shop", password: str = OWNER) -> bool:
    """Is a statement carried out, by a session of its own? False where the quota forbids it."""
    for _ in range(10):
        try:
            with closing(session(node, user, password)) as connection, connection.cursor() as cursor:
                cursor.execute(statement)
        except pymysql.err.MySQLError as error:
            assert error.args[0] in (DENIED, *ENDED), error
            if error.args[0] == DENIED:
                return False
            time.sleep(0.1)
        else:
            return True
    raise AssertionError("each of its sessions is ended at once")


def writes(node: Node, user: str = "shop", password: str = OWNER) -> bool:
    return done(node, "INSERT INTO t (data) VALUES ('')", user, password)


def fill(node: Node) -> None:
    """Writes more than there is room for, as far as the cluster lets it."""
    for _ in range(26):
        if not done(node, f"INSERT INTO t (data) VALUES (REPEAT('x', {MIB}))"):
            break


def nobody_writes(nodes: list[Node]) -> bool:
    return not any(writes(node, *who) for node in nodes for who in ((), ("writer", GIVEN)))


def all_write(nodes: list[Node]) -> bool:
    return all(writes(node, *who) for node in nodes for who in ((), ("writer", GIVEN)))


def told(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if "the database 'shop' is over its quota" in node.logs]


def test_one_node_decides_and_all_obey_whoever_is_killed(site: Site) -> None:
    cluster = Cluster(site, name="quota", DBHANDLER_QUOTA_BYTES=str(20 * MIB))
    cluster.start(random.Random(5))
    cluster.wait_ready()
    first, second, third = cluster.nodes
    assert ask(first, "create_db", "shop")["status"] == "created"
    assert ask(second, "grant_db", "shop", account="writer", new_password=GIVEN, role="writer")["status"] == "created"
    with closing(session(first)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB)")
    before = first.sql("SELECT * FROM mysql.db WHERE Db = 'shop' ORDER BY User")
    with closing(session(second)) as owner, closing(session(third, "writer", GIVEN)) as writer:
        fill(first)
        eventually("the end of sessions", lambda: is_ended(owner) and is_ended(writer), WITHIN, 0.2)
    eventually("nobody to write", lambda: nobody_writes(cluster.nodes), WITHIN, 0.5)
    # Said after it is done.
    eventually("the word of one", lambda: told(cluster.nodes), WITHIN, 0.5)
    assert len(told(cluster.nodes)) == 1
    for node in cluster.nodes:
        # Its rows of the table are there before its own look.
        eventually("the word of each", lambda node=node: "reason" in ask(node, "create_db", "shop"), WITHIN, 0.5)  # type: ignore[misc]
    [decider] = [node for node in cluster.nodes if node.status("wsrep_local_index") == "0"]
    left = [node for node in cluster.nodes if node is not decider]
    decider.kill()
    eventually("the others", lambda: all(node.status("wsrep_cluster_size") == "2" for node in left), WITHIN, 0.5)
    assert nobody_writes(left)
    with closing(session(left[0])) as old:
        assert done(left[1], "TRUNCATE t")
        eventually("all to write", lambda: all_write(left), WITHIN, 0.5)
        eventually("the end of the session of before", lambda: is_ended(old), WITHIN, 0.2)
    decider.start()
    cluster.wait_ready()
    assert all_write(cluster.nodes)
    assert first.sql("SELECT * FROM mysql.db WHERE Db = 'shop' ORDER BY User") == before
    cluster.check_equal()
