"""Asking the pool's backups how they stand, against a scripted RPC endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from dbhandler.requests.backup_state import BackupState, Trouble, told
from dbhandler.requests.restore_box import source_id
from dbhandler.requests.signer import Signer
from dbhandler.serf.members import parsed
from dbhandler.status.backups import Backups, Row, backups
from dbhandler.trust.pool import Pool
from tests.support.pools import CHANGING, OURS, THEIRS, changed, proven
from tests.unit.status.test_servers import PATIENCE, cluster, key, record

STATES = [
    BackupState(source_id(key("a"), None), "a", 100, 200, 0, 150),
    BackupState("cluster-shop", "shop", 100, 200, 0, None, Trouble.BASE),
    BackupState("key-ffffffffffff", "gone", 100, 110, 1, 105, Trouble.AWAY),
]


def backup(name: str = "b", status: str = "alive", pool: Pool | None = None) -> Mapping[str, object]:
    """The record of a backup's member, which proves to be of a pool."""
    plain = {**record(name, status), "Tags": {"role": "backup"}}
    return {**plain, "Tags": proven(parsed(plain), pool).tags} if pool else plain


def server(name: str, pool: Pool | None = None, **tags: str) -> Mapping[str, object]:
    plain = record(name, **tags)
    return {**plain, "Tags": proven(parsed(plain), pool).tags} if pool else plain


Answer = Callable[[object], bytes]


def signed(pool: Pool, line: bytes = told(STATES)) -> Answer:
    """What a backup of this pool answers to whatever is asked."""
    return lambda asked: Signer(pool).signed(
        "backup_status", asked if isinstance(asked, bytes) else str(asked).encode(), line
    )


def test_where_no_backup_is_a_member_nothing_is_asked_or_said() -> None:
    with cluster([server("a"), backup(status="left")], []) as (serf, rpc):
        assert backups(serf, PATIENCE) == Backups()
    assert "query" not in [command for command, _ in rpc.requests]


def test_what_it_says_is_told_the_most_worrying_first() -> None:
    members = [server("a"), server("n1", cluster="shop"), server("n2", cluster="shop"), backup()]
    with cluster(members, [("a", told([])), ("b", told(STATES))], last=b"\xc1") as (serf, rpc):
        found = backups(serf, PATIENCE)
    assert [row.name for row in found.rows] == ["shop", "gone", "a"]
    assert {node: state.id for node, state in found.of_node.items()} == {
        "a": STATES[0].id, "n1": "cluster-shop", "n2": "cluster-shop",
    }  # fmt: skip
    assert (found.more, found.complaints) == (0, [])
    [body] = [body for command, body in rpc.requests if command == "query"]
    assert (body["Name"], body["FilterTags"]) == ("backup_status", {"role": "^backup$"})


def test_a_server_of_which_no_backup_knows_is_told_first() -> None:
    members = [server("a"), server("new"), server("m", cluster="other"), record("dead", "failed"), backup()]
    with cluster(members, [("b", told(STATES))]) as (serf, _):
        found = backups(serf, PATIENCE)
    assert found.rows[:2] == [Row("new", None), Row("other", None)] and len(found.rows) == 5


def test_but_not_where_an_answer_had_no_room_for_all() -> None:
    many = [BackupState(f"key-{number:012}", "x" * 60, 1, 2, 0, 2) for number in range(50)]
    with cluster([server("a"), backup()], [("b", told(many))]) as (serf, _):
        found = backups(serf, PATIENCE)
    assert all(row.state for row in found.rows) and len(found.rows) + found.more == 50


def test_of_two_backups_that_know_one_server_the_one_that_has_more_counts() -> None:
    other = [replace(STATES[0], last=None, first=None, trouble=Trouble.BASE)]
    for answers in ([("b", told(STATES)), ("c", told(other))], [("b", told(other)), ("c", told(STATES))]):
        with cluster([server("a"), backup(), backup("c")], answers) as (serf, _):
            assert backups(serf, PATIENCE).of_node["a"] == STATES[0]


def test_one_that_does_not_answer_is_told_and_no_server_is_called_not_backed_up() -> None:
    with cluster([server("a"), backup()], []) as (serf, _):
        found = backups(serf, 0.05)
    assert found == Backups(complaints=["the backup 'b' does not answer"])


def test_one_that_has_failed_is_told_unless_another_lives() -> None:
    with cluster([backup("old", "failed")], []) as (serf, _):
        assert backups(serf, PATIENCE).complaints == ["the backup 'old' is no live member (failed)"]
    with cluster([backup("old", "failed"), backup()], [("b", told([]))]) as (serf, _):
        assert backups(serf, PATIENCE).complaints == []


# --- whom to believe ---


def test_what_a_backup_of_the_pool_has_signed_is_told() -> None:
    for pool in (OURS, CHANGING):
        with cluster([server("a", pool), backup("b", pool=pool)], [("b", signed(pool))], last=b"\xc1") as (serf, _):
            assert len(backups(serf, PATIENCE, OURS.ids).rows) == 3


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_who_cannot_prove_to_be_of_the_pool_is_told_and_nothing_of_what_it_says(pool: Pool | None) -> None:
    with cluster([backup("x\x1b", pool=None), backup("b", pool=pool)], [("b", signed(THEIRS))], done=True) as (serf, _):
        found = backups(serf, PATIENCE, OURS.ids)
    assert found == Backups(complaints=["the backup 'b' cannot prove to be of the pool"])


def test_the_signed_answer_counts_behind_a_forged_one_and_alone_no_forged_one_does() -> None:
    true, members = signed(OURS), [server("a", OURS), backup("b", pool=OURS)]
    for forged in (told(STATES), b"", lambda asked: changed(true(asked), more=9), signed(THEIRS), true(b"{}")):
        with cluster(members, [("b", forged), ("b", true)], last=b"\xc1") as (serf, _):
            assert len(backups(serf, PATIENCE, OURS.ids).rows) == 3
        with cluster(members, [("b", forged)], done=True) as (serf, _):
            found = backups(serf, PATIENCE, OURS.ids)
        assert found == Backups(complaints=["the backup 'b' does not answer"])


@pytest.mark.parametrize("line", [b"", b"\xff\x00", b'{"status": "ok"}', b'{"status": "invalid", "reason": "no"}'])
def test_garbage_is_no_answer(line: bytes) -> None:
    with cluster([backup()], [("b", line)], done=True) as (serf, _):
        assert backups(serf, PATIENCE).complaints == ["the backup 'b' does not answer"]


def test_a_stranger_learns_and_changes_nothing_by_a_proof_that_is_none() -> None:
    for proof in ("zz.x", "1", ".", "1." + "A" * 86, "f" * 400 + "." + "A" * 86):
        stranger = {**record("b"), "Tags": {"role": "backup", "proof": proof}}
        with cluster([stranger], []) as (serf, _):
            assert backups(serf, PATIENCE, OURS.ids).rows == []


def test_the_question_names_the_pools_and_a_word_only_where_there_are_any() -> None:
    payloads: list[Any] = []
    for pools in ((), OURS.ids):
        with cluster([backup(pool=OURS)], [], done=True) as (serf, rpc):
            backups(serf, PATIENCE, pools)
        payloads += [body["Payload"] for command, body in rpc.requests if command == "query"]
    assert payloads[0] in (b"", "")
    assert set(json.loads(payloads[1])) == {"nonce", "pool"}
