"""Asking all servers how they are, against a scripted RPC endpoint."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbhandler.requests.box import Keys
from dbhandler.requests.signer import Signer
from dbhandler.serf.members import Member, parsed
from dbhandler.serf.rpc import Serf
from dbhandler.status.servers import ServerStatus, all_ready, cluster_status, database_members
from dbhandler.trust.pool import Pool
from tests.support.fakes import Reply, RpcServer, ok
from tests.support.pools import CHANGING, OURS, THEIRS, changed, proven

ANSWER = {
    "status": "ok", "mysql": "ready", "ready": True, "engine": "mariadb", "version": "11.8.6-MariaDB", "spool": 3,
    "uptime": 60, "databases": 2, "host": "10.0.0.9", "port": 3307, "last_error": "it hurt",
    "last_error_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
PATIENCE = 20.0


def key(name: str) -> str:
    """A server's public key."""
    return base64.b64encode(name.encode().ljust(32, b"-")).decode()


def record(name: str, status: str = "alive", **tags: str) -> dict[str, object]:
    """A member as RPC shows it."""
    tags = {"role": "db", "key": key(name), "engine": "mariadb", "version": "11.8"} | tags
    return {"Name": name, "Addr": b"\x0a\x00\x00\x01", "Port": 7946, "Status": status, "Tags": tags}


@contextmanager
def cluster(
    members: Sequence[Mapping[str, object]],
    answers: Sequence[tuple[str, object]],
    done: bool = False,
    last: bytes = b"",
) -> Iterator[tuple[Serf, RpcServer]]:
    """A Serf agent that knows members, and passes answers of nodes on; `done` says that there are no more. `last`
    is what it sends after them."""

    def reply(command: str, _body: dict[str, object], seq: int) -> Reply:
        if command == "members":
            return ok(seq, {"Members": list(members)})
        if command != "query":
            return ok(seq)
        messages: list[object] = []
        for node, answer in answers:
            answer = answer(_body["Payload"]) if callable(answer) else answer
            payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            messages += [{"Seq": seq, "Error": ""}, {"Type": "response", "From": node, "Payload": payload}]
        return ok(seq, *messages, *([{"Seq": seq, "Error": ""}, {"Type": "done"}] if done else []), last)

    server = RpcServer(reply)
    try:
        with Serf(server.address) as serf:
            yield serf, server
    finally:
        server.close()


def test_it_stops_when_all_have_answered() -> None:
    members = [record("a"), record("b"), record("app", role="app"), record("gone", "failed")]
    answers = [("b", ANSWER), ("app", ANSWER), ("b", ANSWER), ("a", ANSWER)]
    # Whoever read on would find what is no message, and fail.
    with cluster(members, answers, last=b"\xc1") as (serf, server):
        statuses = cluster_status(serf, PATIENCE)
    assert [(status.node, status.state) for status in statuses] == [("a", "ready"), ("b", "ready"), ("gone", "failed")]
    [body] = [body for command, body in server.requests if command == "query"]
    assert (body["Name"], body["FilterTags"], body["FilterNodes"]) == ("status_db", {"role": "^db$"}, [])


def test_what_a_server_says_is_told() -> None:
    with cluster([record("a")], [("a", ANSWER)]) as (serf, _):
        [status] = cluster_status(serf, PATIENCE)
    assert status == ServerStatus(
        "a", True, "ready", "mariadb", "11.8.6-MariaDB", 2, 3, 60, "10.0.0.9", 3307, "it hurt", "2026-01-01T00:00:00Z"
    )
    assert status.ready


def test_who_does_not_answer_stands_there_with_what_its_tags_say() -> None:
    with cluster([record("a"), record("mute")], [("a", ANSWER)], done=True) as (serf, _):
        status = cluster_status(serf, PATIENCE)[1]
    assert (status.node, status.state, status.alive, status.ready) == ("mute", "no answer", True, False)
    assert (status.engine, status.version, status.host, status.databases) == ("mariadb", "11.8", "10.0.0.1", None)
    assert status.last_error == "it has not answered within 20 s"


@pytest.mark.parametrize(("told", "number"), [(3, 3), (0, 0), (None, None)])
def test_how_many_databases_are_over_their_quota_is_shown(told: int | None, number: int | None) -> None:
    with cluster([record("a")], [("a", {**ANSWER, "over_quota": told})]) as (serf, _):
        assert cluster_status(serf, PATIENCE)[0].over_quota == number


def test_the_deadline_ends_the_wait() -> None:
    with cluster([record("mute")], []) as (serf, _):
        [status] = cluster_status(serf, 0.05)
    assert status.state == "no answer"


def test_a_node_whose_agent_is_away_says_so_by_its_handler() -> None:
    answer = {"status": "unavailable", "reason": "refused"}
    with cluster([record("a")], [("a", answer)]) as (serf, _):
        [status] = cluster_status(serf, PATIENCE)
    assert (status.state, status.last_error) == ("no agent", "refused")


@pytest.mark.parametrize("status", ["failed", "left", "leaving"])
def test_nobody_is_asked_when_no_server_is_alive(status: str) -> None:
    with cluster([record("a", status)], []) as (serf, server):
        [told] = cluster_status(serf, PATIENCE)
    assert (told.state, told.alive, told.last_error) == (status, False, None)
    assert "query" not in [command for command, _ in server.requests]


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xff\x00", b"[1]", {"status": "ok"}, {"status": "ok", "mysql": 7, "uptime": "x", "databases": True}],
)
def test_garbage_is_no_answer_worth_the_name(answer: object) -> None:
    with cluster([record("a")], [("a", answer)]) as (serf, _):
        [status] = cluster_status(serf, PATIENCE)
    assert not status.ready
    assert (status.uptime, status.databases) == (None, None)


def member(name: str, status: str, key: str | None) -> Member:
    tags = {"role": "db"} | ({"key": key} if key else {})
    return Member(name, "10.0.0.1", 7946, status, tags)


def test_a_dead_member_that_was_replaced_on_its_volume_is_left_out() -> None:
    replaced, live = member("old", "failed", "k"), member("new", "alive", "k")
    other, fresh, dead = member("x", "left", "l"), member("y", "alive", None), member("z", "failed", None)
    assert database_members([replaced, live, other, fresh, dead]) == [live, other, fresh, dead]


def test_whoever_left_in_order_does_not_count() -> None:
    ready, left = ServerStatus("a", True, "ready"), ServerStatus("b", False, "left")
    failed, down = ServerStatus("c", False, "failed"), ServerStatus("d", True, "down")
    assert all_ready([ready, left])
    assert not all_ready([ready, failed])
    assert not all_ready([ready, down])


# --- whom to believe ---


def proved(name: str, pool: Pool = OURS, status: str = "alive") -> dict[str, object]:
    """The record of a member that proves its tags."""
    plain = record(name, status)
    return {**plain, "Tags": proven(parsed(plain), pool).tags}


@pytest.fixture
def signed(tmp_path: Path) -> Callable[[Pool], Callable[[object], bytes]]:
    """Answers to whatever is asked, signed by a pool."""
    keys, line = Keys(tmp_path / "key"), json.dumps(ANSWER).encode() + b"\n"

    def by(pool: Pool) -> Callable[[object], bytes]:
        signer = Signer(pool, keys, lambda: None)
        return lambda asked: signer.signed(
            "status_db", asked if isinstance(asked, bytes) else str(asked).encode(), line
        )

    return by


Signed = Callable[[Pool], Callable[[object], bytes]]


def test_what_a_server_of_the_pool_has_signed_is_told(signed: Signed) -> None:
    for pool in (OURS, CHANGING):
        with cluster([proved("a", pool)], [("a", signed(pool))], last=b"\xc1") as (serf, _):
            [status] = cluster_status(serf, PATIENCE, [OURS.id])
        assert (status.state, status.version, status.uptime) == ("ready", "11.8.6-MariaDB", 60)


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_who_cannot_prove_to_be_of_the_pool_is_told_and_nothing_of_what_it_says(signed: Signed, pool: object) -> None:
    stranger = proved("x", THEIRS) if pool else record("x")
    with cluster([proved("a"), stranger], [("x", signed(THEIRS)), ("a", signed(OURS))]) as (serf, _):
        ours, theirs = cluster_status(serf, PATIENCE, [OURS.id])
    assert (ours.node, ours.state) == ("a", "ready")
    complaint = f"it cannot prove to be of the pool {OURS.id}"
    assert theirs == ServerStatus("x", True, "unproven", host="10.0.0.1", last_error=complaint)
    assert not all_ready([ours, theirs])


@pytest.mark.parametrize(("status", "counts"), [("failed", True), ("left", False)])
def test_of_a_dead_stranger_no_more_is_told_than_that_it_is_dead(signed: Signed, status: str, counts: bool) -> None:
    with cluster([proved("a"), record("x", status)], [("a", signed(OURS))]) as (serf, _):
        statuses = cluster_status(serf, PATIENCE, [OURS.id])
    assert [(told.node, told.state, told.version) for told in statuses] == [
        ("a", "ready", "11.8.6-MariaDB"), ("x", status, None),
    ]  # fmt: skip
    assert all_ready(statuses) is not counts


def test_a_stranger_with_the_key_of_a_server_replaces_nobody(signed: Signed) -> None:
    dead, rogue = proved("a", status="failed"), record("x", key=key("a"))
    with cluster([dead, rogue], []) as (serf, _):
        statuses = cluster_status(serf, 0.05, [OURS.id])
    assert [(told.node, told.state) for told in statuses] == [("x", "unproven"), ("a", "failed")]


def test_the_signed_answer_counts_behind_a_forged_one_and_alone_no_forged_one_does(signed: Signed) -> None:
    true = signed(OURS)
    for forged in (ANSWER, b"", lambda asked: changed(true(asked), mysql="down"), signed(THEIRS), true(b"{}")):
        with cluster([proved("a")], [("a", forged), ("a", true)], last=b"\xc1") as (serf, _):
            [status] = cluster_status(serf, PATIENCE, [OURS.id])
        assert status.state == "ready"
        with cluster([proved("a")], [("a", forged)], done=True) as (serf, _):
            [status] = cluster_status(serf, PATIENCE, [OURS.id])
        assert (status.state, status.last_error, status.uptime) == ("no answer", "it has given a wrong answer", None)


def test_who_believes_nobody_in_particular_asks_as_every_version_understands_it() -> None:
    with cluster([record("a")], [("a", ANSWER)]) as (serf, server):
        cluster_status(serf, PATIENCE)
    with cluster([proved("a")], [], done=True) as (serf, other):
        cluster_status(serf, PATIENCE, [OURS.id])
    payloads = [body["Payload"] for command, body in [*server.requests, *other.requests] if command == "query"]
    assert payloads[0] in (b"", "")
    assert set(json.loads(str(payloads[1]) if isinstance(payloads[1], str) else payloads[1])) == {"nonce", "pool"}  # type: ignore[arg-type]
