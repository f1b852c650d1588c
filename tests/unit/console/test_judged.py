"""The sentences: who is waited for, and what is not protected."""

from __future__ import annotations

import time

from dbhandler.console.judged import MOST, MOST_GROUPS, waits, warnings
from dbhandler.console.sight import Heard
from dbhandler.group.node import Holds, Mode, Node, encode
from dbhandler.group.transactions import Transactions
from dbhandler.serf.members import Member, parsed
from dbhandler.serf.proof import Believer
from dbhandler.status.backups import Backups
from tests.support.played_agent import record
from tests.support.pools import OURS, proven

ANYBODY, POOL = Believer(()), Believer(OURS.ids)
UUID = "11111111-2222-3333-4444-555555555555"


def member(name: str, status: str = "alive", **tags: str) -> Member:
    return parsed(record(name, status, **tags))


def node(name: str, id: str, mode: Mode = Mode.WAITING, seqno: int = 5, group: str = "shop") -> Member:
    said = Node(id, mode, Holds.DATA, uuid=UUID, has=Transactions.up_to(seqno), view=frozenset({"aa", "bb"}))
    return member(name, mysql="starting", cluster=group, galera=encode(said))


def sentences(*members: Member) -> str:
    return "\n".join(waits(Heard(members), ANYBODY, 3))


def test_nobody_waits_where_all_serve() -> None:
    assert sentences(member("a"), member("gone", "left")) == ""
    assert waits(Heard(), ANYBODY, 3) == []


def test_a_server_that_is_away_and_one_that_does_not_serve() -> None:
    told = sentences(member("a", "failed"), member("b", mysql="down"), member("c", key="", mysql=""))
    assert "waiting for the server 'a', which is failed; if it is gone for good, dbhandler-pool forget a" in told
    assert "waiting for the server 'b', which is down" in told and "'c'" not in told


def test_a_node_that_is_away_is_not_waited_for_while_its_cluster_serves() -> None:
    synced = node("n1", "aa", Mode.SYNCED)
    serving = member("n1", **{**synced.tags, "mysql": "ready"})
    assert sentences(serving, member("n2", "failed", cluster="shop")) == ""
    assert "'n2'" in sentences(member("n2", "failed", cluster="shop"))


def test_nodes_say_themselves_whom_they_wait_for() -> None:
    told = sentences(node("n1", "aa"), member("n2", "failed", cluster="shop"))
    assert "'n1' of the cluster 'shop': waiting for" in told


def test_an_empty_server_waits_for_its_backup() -> None:
    assert "'a' waits for a backup to fill it with 'old@now'" in sentences(member("a", restore="old@now"))


def test_thousands_of_made_up_nodes_cost_no_time() -> None:
    crowd = [node(f"n{number}", f"{number:x}") for number in range(3000)]
    groups = [node(f"m{number}", f"{number:x}", group=f"g{number}") for number in range(3000)]
    began = time.monotonic()
    assert len(waits(Heard([*crowd, *groups]), ANYBODY, 3)) == MOST + 1
    assert time.monotonic() - began < 5
    assert MOST_GROUPS < 3000


# --- what is not protected ---


def warned(*members: Member, believer: Believer = POOL, encrypted: bool | None = True) -> list[str]:
    return warnings(Heard(members), believer, encrypted)


def test_all_is_protected() -> None:
    assert warned(proven(member("a"))) == []
    assert warnings(Heard(), POOL, False) == [], "nothing is known yet"


def test_gossip_without_a_key_is_told_and_not_where_nobody_knows() -> None:
    assert "no gossip key (SERF_ENCRYPT_KEY)" in warned(encrypted=False)[0]
    assert warned(encrypted=None) == []


def test_a_page_that_believes_everybody_says_so() -> None:
    assert "no DBHANDLER_POOL" in warned(proven(member("a")), believer=ANYBODY)[0]


def test_strangers_clusters_without_a_secret_and_old_images() -> None:
    assert "not believed: 'a', 'b', 'c' and 1 more" in warned(*map(member, "abcd"))[0]
    told = "\n".join(warned(member("a", cluster="shop"), member("old"), believer=ANYBODY))
    assert "the cluster 'shop' has no DBHANDLER_POOL_SECRET" in told and "'old': an image older than" in told


def test_what_is_wrong_with_backups() -> None:
    heard = Heard([], backups=Backups(complaints=["the backup 'b' does not answer"]))
    assert warnings(heard, POOL, True) == ["the backup 'b' does not answer"]
