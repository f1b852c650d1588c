"""Roles and ends in a cluster: given at one node they are there on all, and what ends ends on all."""

from __future__ import annotations

import json
import time
from contextlib import closing, suppress
from typing import Any

import pymysql

from tests.support.containers import ACCESS_DENIED
from tests.support.docker import eventually
from tests.support.galera import Cluster, Node
from tests.support.operations import box, is_ended, payload_text

OWNER, GIVEN = "the password of an owner", "the password that was given"
GONE = 4.0
"""Seconds: a node ends within one what another has dropped, and the machine is busy."""


def ask(node: Node, query: str, name: str, password: str = OWNER, **more: Any) -> dict[str, Any]:
    payload = payload_text(node.tag("key"), box(query, name, password, **more))
    answer = node.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME=query)
    return dict(json.loads(answer.splitlines()[-1]))


def done(node: Node, query: str, name: str, *statuses: str, **more: Any) -> None:
    """Asks until it is done: another node may have been at it in that moment."""
    answers: list[dict[str, Any]] = []

    def is_done() -> bool:
        answers.append(ask(node, query, name, **more))
        return answers[-1]["status"] in statuses

    with suppress(TimeoutError):
        eventually(f"{query} at {node.name}", is_done, 30, 0.3)


def session(node: Node, user: str, password: str) -> Any:
    return pymysql.connect(host=node.address, user=user, password=password, autocommit=True, read_timeout=15)


def opens(node: Node, user: str, password: str) -> bool:
    try:
        session(node, user, password).close()
    except pymysql.err.OperationalError as error:
        assert error.args[0] in ACCESS_DENIED, error
        return False
    return True


def test_what_one_node_gives_all_nodes_end(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    done(first, "create_db", "shared", "created")
    done(second, "grant_db", "shared", "created", account="lodger", new_password=GIVEN, role="writer", ttl=8)
    done(third, "grant_db", "shared", "created", account="keeper", new_password=GIVEN, role="reader")
    began = time.monotonic()
    eventually("the accounts", lambda: all(opens(node, "lodger", GIVEN) for node in cluster.nodes))
    with (
        closing(session(first, "lodger", GIVEN)) as here,
        closing(session(third, "lodger", GIVEN)) as there,
        closing(session(third, "keeper", GIVEN)) as keeper,
    ):
        eventually("the end", lambda: is_ended(here) and is_ended(there), 60, 0.1)
        assert 7 < time.monotonic() - began < 8 + GONE
        assert not any(opens(node, "lodger", GIVEN) for node in cluster.nodes)
        assert not is_ended(keeper)
        done(first, "revoke_db", "shared", "revoked", account="keeper")
        eventually("the other end", lambda: is_ended(keeper), GONE, 0.1)
    assert not any(opens(node, "keeper", GIVEN) for node in cluster.nodes)


def test_a_box_is_good_for_one_time_at_all_nodes_together(cluster: Cluster) -> None:
    first, second, _ = cluster.nodes
    done(first, "create_db", "once", "created")
    done(first, "grant_db", "once", "created", account="visitor", new_password=GIVEN, role="reader")
    # All nodes of a cluster have keys of their own: a box is for one of them.
    payload = payload_text(first.tag("key"), box("revoke_db", "once", OWNER, account="visitor"))
    answers = [first.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME="revoke_db") for _ in range(2)]
    assert '"revoked"' in answers[0] and '"absent"' in answers[1]
    done(second, "grant_db", "once", "created", account="visitor", new_password=GIVEN, role="reader")
    assert '"denied"' in first.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME="revoke_db")
    assert opens(second, "visitor", GIVEN)


def test_two_passwords_at_all_nodes(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    done(first, "create_db", "turned", "created")
    done(second, "rotate_db", "turned", "rotated", new_password="the second password", keep_old=6)
    began = time.monotonic()
    assert all(opens(node, "turned", one) for node in cluster.nodes for one in (OWNER, "the second password"))
    eventually("the end", lambda: not any(opens(node, "turned", OWNER) for node in cluster.nodes), 60, 0.1)
    assert 5 < time.monotonic() - began < 6 + GONE
    assert opens(third, "turned", "the second password")


def test_a_database_ends_on_all_nodes(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    done(first, "create_db", "passing", "created", ttl=6)
    with closing(session(third, "passing", OWNER)) as there:
        eventually("the end", lambda: is_ended(there), 6 + GONE, 0.1)
    eventually(
        "the drop", lambda: not any("passing" in node.made("passing") for node in (first, second, third)), 90, 0.5
    )
    assert not any(opens(node, "passing", OWNER) for node in cluster.nodes)
    cluster.wait_ready()
    cluster.check_equal()
