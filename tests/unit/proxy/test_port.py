"""One database's port: where it leads, and when new connections wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.proxy.gate import PATIENCE
from dbhandler.proxy.port import INTERVAL, SOON, Port
from tests.support.fakes import Clock
from tests.support.haproxy import Recording
from tests.support.pools import OURS, PlayedCluster, PlayedServer
from tests.unit.proxy.test_finding import HERE, MOVING, SILENT, Looked, Says, all_say, placed
from tests.unit.proxy.test_keeper import tag

SHOP = "database.shop"
ADDRESSES = {name: f"10.0.0.{ord(name)}:3306" for name in "abcd"}


class Kept:
    """The port of the database shop in a pool that is played."""

    def __init__(self, pool: Looked, clock: Clock) -> None:
        for server in pool.servers.values():
            server.tags = {**server.tags, "port": "3306"}
        self.pool, self.clock, self.haproxy = pool, clock, Recording()
        self.agent: Callable[[], PlayedCluster] = lambda: pool.cluster
        self.port = Port("shop", lambda: self.agent(), self.haproxy, [OURS.id], clock)  # type: ignore[arg-type, return-value]
        pool.cluster.close = lambda: None  # type: ignore[attr-defined]

    def at(self, name: str, answer: Says = HERE) -> None:
        """From now on it is on this server, which says this."""
        self.pool.says(**all_say(placed(name)) | {name: answer})

    def look(self, seconds: float = 1.0) -> list[str]:
        """What HAProxy is told at one look, after so many seconds."""
        self.clock.advance(seconds)
        self.haproxy.told.clear()
        self.pause = self.port.look()
        return list(self.haproxy.told)


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Kept:
    return Kept(Looked(tmp_path), clock)


@pytest.fixture
def shop(kept: Kept, caplog: pytest.LogCaptureFixture) -> Kept:
    """Its database is on the server b."""
    kept.at("b")
    kept.look()
    caplog.clear()
    return kept


def serves(name: str, slot: int = 1) -> str:
    return f"{SHOP}: {name} serves at {ADDRESSES[name]} (alone{slot})"


def over(name: str) -> str:
    return f"{SHOP}: {name} serves no more (alone1)"


def test_a_port_leads_to_the_server_that_has_the_database(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    kept.at("b")
    assert kept.look() == [f"hold {SHOP}", serves("b"), f"let go {SHOP}"]
    assert kept.look() == [] and kept.pause == INTERVAL
    # What took no time is not told.
    told = f"database 'shop': b serves at {ADDRESSES['b']} (alone1)"
    assert [line for line in caplog.messages if "wait" not in line and "through" not in line] == [told]


def test_while_it_moves_new_connections_wait_and_then_go_to_the_new_server(
    shop: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shop.at("b", MOVING)
    # Those that are open go on: their server ends them.
    assert shop.look() == [f"hold {SHOP}"] and shop.pause == SOON
    assert shop.look() == []
    shop.at("c", MOVING)
    assert shop.look() == [] and shop.pause == SOON
    shop.at("c")
    assert shop.look() == [over("b"), serves("c"), f"let go {SHOP}"] and shop.pause == INTERVAL
    assert caplog.messages == [
        "database 'shop': new connections wait: it is being moved",
        "database 'shop': b serves no more (alone1)",
        f"database 'shop': c serves at {ADDRESSES['c']} (alone1)",
        "database 'shop': new connections come through, after 3.0 s",
    ]


def test_a_move_that_was_given_up(shop: Kept) -> None:
    shop.at("b", MOVING)
    shop.look()
    shop.at("b")
    assert shop.look() == [f"let go {SHOP}"]


def test_a_switch_that_nobody_has_told_of_is_made_all_the_same(shop: Kept) -> None:
    shop.at("c")
    assert shop.look() == [f"hold {SHOP}", over("b"), serves("c"), f"let go {SHOP}"]


def test_a_server_that_does_not_say_itself_that_it_has_it_gets_nobody(
    shop: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shop.at("c", SILENT)
    assert shop.look() == [f"hold {SHOP}"] and shop.pause == SOON
    assert caplog.messages == [
        "database 'shop': new connections wait: the server 'c' shall have it, and does not say so itself yet"
    ]
    shop.at("c")
    assert shop.look()[1:] == [serves("c"), f"let go {SHOP}"]


@pytest.mark.parametrize("how", ["agent", "all", "holder"])
def test_where_nobody_says_anything_connections_go_where_they_went(
    shop: Kept, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> PlayedCluster:
        raise Unavailable("no Serf agent answers")

    if how == "agent":
        shop.port._kept.close()
        shop.agent = away
    shop.pool.says(**all_say(SILENT if how != "holder" else placed("b")) | {"b": SILENT})
    for _ in range(5):
        assert shop.look(PATIENCE) == []
    beginning = "database 'shop': connections go where they went: "
    assert all(line.startswith(beginning) for line in caplog.messages)
    assert caplog.messages[0].removeprefix(beginning) == (
        "no Serf agent answers" if how == "agent" else "'b' did not say where it is"
    )


def test_a_move_of_which_nothing_more_is_heard_holds_nobody_for_ever(
    shop: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    shop.at("b", MOVING)
    assert shop.look() == [f"hold {SHOP}"]
    shop.pool.says(**all_say(SILENT))
    assert shop.look(PATIENCE - 1) == []
    assert shop.look(2) == [f"let go {SHOP}"]
    shop.at("b", MOVING)
    assert shop.look() == []
    assert "database 'shop': new connections are held no longer: it is being moved" in caplog.messages
    shop.at("b")
    assert shop.look() == []
    # The next one is another one.
    shop.at("b", MOVING)
    assert shop.look() == [f"hold {SHOP}"]


def test_a_database_that_nobody_has_is_told_of_once_and_held_until_it_is_there(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kept.pool.says()
    assert kept.look() == [f"hold {SHOP}"]
    assert kept.look() == [] and kept.pause == INTERVAL
    assert caplog.messages == ["database 'shop': new connections wait: no server of the pool has it"]
    assert kept.look(PATIENCE) == [f"let go {SHOP}"]
    kept.at("b")
    assert kept.look() == [serves("b")]
    assert caplog.messages[-1] == f"database 'shop': new connections come through, after {PATIENCE + 2:.1f} s"


def test_one_that_is_gone_leads_nowhere_any_more(shop: Kept) -> None:
    shop.pool.says()
    assert shop.look() == [f"hold {SHOP}", over("b")]


def test_a_server_that_is_away_has_its_connections_wait(shop: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shop.pool.servers["b"].status = "failed"
    assert shop.look() == [f"hold {SHOP}", over("b")]
    assert caplog.messages[-1] == "database 'shop': new connections wait: its server 'b' is away"
    shop.pool.servers["b"].status = "alive"
    assert shop.look() == [serves("b"), f"let go {SHOP}"]


def test_a_server_whose_agent_starts_anew_keeps_its_connections(shop: Kept) -> None:
    tags = shop.pool.servers["b"].tags
    shop.pool.servers["b"].tags = {**tags, "mysql": "starting"}
    assert shop.look() == []


def test_a_container_in_place_of_another_is_the_same_server(shop: Kept) -> None:
    old = shop.pool.servers["b"]
    old.status = "failed"
    new = PlayedServer("e", old.keys, tags=old.tags, says={"where_db": HERE})
    shop.pool.cluster.servers.append(new)
    assert shop.look() == [
        f"hold {SHOP}", over("b"), f"{SHOP}: e serves at 10.0.0.101:3306 (alone1)", f"let go {SHOP}",
    ]  # fmt: skip


def test_the_nodes_of_a_cluster_are_checked_and_the_first_one_wins(kept: Kept) -> None:
    for name in "bc":
        server = kept.pool.servers[name]
        server.tags = {**server.tags, "cluster": "trio", "galera": tag(name, "synced")}
    kept.pool.says(**all_say(placed("c")) | {"b": HERE, "c": HERE})
    assert kept.look() == [
        f"hold {SHOP}",
        f"{SHOP}: b serves at {ADDRESSES['b']} (node1)",
        f"{SHOP}: c serves at {ADDRESSES['c']} (node2)",
        f"let go {SHOP}",
    ]
    # From a cluster to a server alone.
    kept.at("d")
    told = kept.look()
    assert serves("d") in told and told[-1] == f"let go {SHOP}"
    assert [line.rpartition(" ")[2] for line in told if "no more" in line] == ["(node1)", "(node2)"]


def test_who_proves_nothing_gets_no_connection(kept: Kept) -> None:
    kept.at("b")
    for server in kept.pool.servers.values():
        server.pool = None
    assert kept.look() == [f"hold {SHOP}"]


def test_a_haproxy_that_does_not_obey_is_told_again(shop: Kept, caplog: pytest.LogCaptureFixture) -> None:
    shop.haproxy.refuses = Unavailable("haproxy does not answer: Connection refused")
    shop.at("c")
    assert shop.look() == [] and "haproxy does not answer" in caplog.text
    shop.haproxy.refuses = None
    assert shop.look() == [f"hold {SHOP}", over("b"), serves("c"), f"let go {SHOP}"]


def test_before_the_first_look_new_connections_wait(kept: Kept) -> None:
    stop = threading.Event()
    stop.set()
    kept.at("b")
    kept.port.run(stop)
    assert kept.haproxy.told == [f"hold {SHOP}", serves("b"), f"let go {SHOP}"]
