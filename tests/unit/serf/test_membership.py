"""The node's place in the cluster, against a Serf that only records."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.serf.members import Member
from dbhandler.serf.membership import EAGER_INTERVAL, INTERVAL, JOIN_INTERVAL, REJOIN, Membership
from dbhandler.serf.proof import RENEWED, Believer, Prover, unproved
from dbhandler.trust.pool import Pool
from tests.support.fakes import Clock
from tests.support.pools import CHANGING, NEXT, OURS


class FakeSerf:
    """An agent whose members and temper a test sets; all connections to it are this one object."""

    def __init__(self) -> None:
        self.known = [node("me", 1)]
        self.joins: list[tuple[str, bool]] = []
        self.tags: dict[str, str] = {}
        self.away = False
        self.unreachable: set[str] = set()
        self.closed = 0
        self.sets, self.untold = 0, set[int]()
        self.deleted: list[str] = []

    def connect(self) -> FakeSerf:
        self._answer()
        return self

    def __enter__(self) -> FakeSerf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed += 1

    def members(self) -> list[Member]:
        self._answer()
        return self.known

    def self_name(self) -> str:
        return "me"

    def join(self, addresses: list[str], replay: bool, timeout: float) -> int:
        self.joins += [(address, replay) for address in addresses]
        if set(addresses) & self.unreachable:
            raise Unavailable("refused")
        return len(addresses)

    def set_tags(self, tags: Mapping[str, str], delete: Sequence[str] = ()) -> None:
        self.tags = {name: text for name, text in {**self.tags, **tags}.items() if name not in delete}
        self.deleted += delete
        self.known = [node("me", 1, tags=self.tags), *self.known[1:]]
        self.sets += 1
        if self.sets in self.untold:
            raise Unavailable("timeout waiting for update broadcast")

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("no Serf agent answers")


def node(name: str, port: int, status: str = "alive", tags: Mapping[str, str] | None = None) -> Member:
    return Member(name, "127.0.0.1", port, status, tags or {})


@pytest.fixture
def serf() -> FakeSerf:
    return FakeSerf()


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    return tmp_path / "peers.json"


class Build:
    """Makes the Membership under test."""

    def __init__(self, serf: FakeSerf, peers: Path, clock: Clock) -> None:
        self._serf, self._peers, self.clock = serf, peers, clock
        self.tags = {"mysql": "starting"}
        self.now = Clock(1_800_000_000.0)

    def __call__(self, *join: str, pool: Pool | None = None) -> Membership:
        prove = Prover(pool, self.now).proofs if pool else unproved
        return Membership(self._serf.connect, lambda: self.tags, join, self._peers, self.clock, prove=prove)  # type: ignore[arg-type]


@pytest.fixture
def build(serf: FakeSerf, peers: Path, clock: Clock) -> Build:
    return Build(serf, peers, clock)


def test_the_first_join_wants_no_history(serf: FakeSerf, build: Build) -> None:
    # A new server must not act on what was asked of others before it was there.
    build("127.0.0.1:2").look()
    assert serf.joins == [("127.0.0.1:2", False)]


def test_a_later_join_wants_what_was_missed(serf: FakeSerf, build: Build, peers: Path) -> None:
    peers.write_text('["127.0.0.1:2"]')
    build("127.0.0.1:2").look()
    assert serf.joins == [("127.0.0.1:2", True)]


def test_a_target_that_is_a_member_is_not_joined_again(serf: FakeSerf, build: Build) -> None:
    serf.known.append(node("other", 2))
    build("localhost:2", "127.0.0.1:1").look()
    assert serf.joins == []


def test_every_missing_target_is_joined_also_in_company(serf: FakeSerf, build: Build) -> None:
    serf.known += [node("other", 2), node("dead", 3, "failed")]
    build("127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4").look()
    assert [target for target, _ in serf.joins] == ["127.0.0.1:3", "127.0.0.1:4"]


def test_a_target_that_answers_under_another_address_is_joined_once(serf: FakeSerf, build: Build, clock: Clock) -> None:
    # Else every look would ask for the whole history again.
    membership = build("gateway.invalid:9")
    serf.known.append(node("behind the gateway", 2))
    for _ in range(5):
        membership.look()
        clock.advance(JOIN_INTERVAL)
    assert len(serf.joins) == 1


def test_a_node_that_is_alone_again_joins_its_targets_and_the_peers_it_knew(
    serf: FakeSerf, build: Build, clock: Clock
) -> None:
    membership = build("gateway.invalid:9")
    serf.known.append(node("other", 2))
    membership.look()
    serf.known = [node("me", 1), node("other", 2, "failed")]
    clock.advance(JOIN_INTERVAL)
    membership.look()
    assert serf.joins == [("gateway.invalid:9", False), ("gateway.invalid:9", True), ("127.0.0.1:2", True)]


def test_joins_that_show_nobody_become_rarer(serf: FakeSerf, build: Build, clock: Clock) -> None:
    # As after `serf force-leave -prune` of an agent that lives: it is joined, and in no list.
    membership = build("127.0.0.1:7")
    for _ in range(300):
        membership.look()
        clock.now += INTERVAL
    assert 5 < len(serf.joins) < 15
    serf.known = [node("me", 1), node("a", 7)]
    membership.look()
    serf.known = [node("me", 1)]
    count = len(serf.joins)
    for _ in range(5):
        membership.look()
        clock.now += REJOIN
    assert len(serf.joins) > count


def test_a_node_in_company_leaves_former_peers_alone(serf: FakeSerf, build: Build, peers: Path) -> None:
    peers.write_text('["127.0.0.1:7"]')
    serf.known.append(node("other", 2))
    build().look()
    assert serf.joins == []


def test_a_target_that_is_away_is_tried_again_but_not_at_every_look(
    serf: FakeSerf, build: Build, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    serf.unreachable = {"127.0.0.1:2"}
    membership = build("127.0.0.1:2")
    for _ in range(4):
        membership.look()
        clock.advance(JOIN_INTERVAL / 2)
    assert len(serf.joins) == 2
    assert caplog.text.count("cannot join 127.0.0.1:2") == 1


def test_a_complaint_that_was_over_is_made_again(
    serf: FakeSerf, build: Build, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    membership = build("127.0.0.1:2")
    for away in (True, False, True):
        serf.unreachable = {"127.0.0.1:2"} if away else set()
        clock.advance(JOIN_INTERVAL)
        membership.look()
    assert caplog.text.count("cannot join") == 2


def test_the_peers_are_remembered_for_the_next_start(serf: FakeSerf, build: Build, peers: Path) -> None:
    serf.known += [node("b", 3), node("a", 2), node("dead", 4, "failed")]
    build().look()
    assert json.loads(peers.read_text()) == ["127.0.0.1:2", "127.0.0.1:3"]
    serf.known = [node("me", 1)]
    build().look()
    assert json.loads(peers.read_text()) == ["127.0.0.1:2", "127.0.0.1:3"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "null", "3", '"a"', "\xff", "[1]", '["foo..bar"]', '["a:99999"]', '{"a:1": 1}', "[" * 100_000],
)
def test_a_spoilt_list_of_peers_is_set_aside(
    serf: FakeSerf, build: Build, peers: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    peers.write_bytes(content.encode("latin-1"))
    build("127.0.0.1:2").look()
    # It has been in a cluster, so it wants what it missed there.
    assert serf.joins == [("127.0.0.1:2", True)]
    assert peers.with_name("peers.json.damaged").exists()
    assert "is damaged, and set aside" in caplog.messages[0]
    serf.known.append(node("other", 3))
    build().look()
    assert json.loads(peers.read_text()) == ["127.0.0.1:3"]


def test_a_target_that_no_resolver_takes_stops_nothing(serf: FakeSerf, build: Build) -> None:
    build(f"{'a' * 64}.invalid:2", "127.0.0.1:2").look()
    assert ("127.0.0.1:2", False) in serf.joins and serf.tags


def test_tags_of_ours_that_somebody_else_has_spoilt_are_set_once(serf: FakeSerf, build: Build) -> None:
    membership = build()
    membership.look()
    # A wrong record is left out of what Serf tells.
    serf.known = []
    for _ in range(3):
        membership.look()
    assert serf.sets == 2


def test_tags_are_set_when_they_differ_and_only_then(serf: FakeSerf, build: Build) -> None:
    membership = build()
    membership.look()
    assert serf.tags == {"mysql": "starting"}
    serf.tags = {}
    membership.look()
    assert serf.tags == {}
    build.tags = {"mysql": "ready"}
    membership.look()
    assert serf.tags == {"mysql": "ready"}


def test_tags_are_put_back_after_serf_forgot_them(serf: FakeSerf, build: Build) -> None:
    membership = build()
    membership.look()
    serf.known, serf.tags = [node("me", 1, tags={"role": "db"})], {}
    membership.look()
    assert serf.tags == {"mysql": "starting"}


@pytest.mark.parametrize("lost", [{"mysql": "ready"}, {"port": "3306"}, {"mysql": "down", "port": "3306"}])
def test_one_tag_that_serf_lost_or_has_otherwise_is_put_back(
    serf: FakeSerf, build: Build, lost: dict[str, str]
) -> None:
    build.tags = {"mysql": "ready", "port": "3306"}
    membership = build()
    membership.look()
    serf.known, serf.tags = [node("me", 1, tags={"role": "db"} | lost)], lost
    for _ in range(3):
        membership.look()
    assert (serf.tags, serf.sets, serf.deleted) == (build.tags, 2, [])


def test_tags_are_set_once_though_others_are_joined_after(serf: FakeSerf, build: Build) -> None:
    build("127.0.0.1:2", "127.0.0.1:3").look()
    assert len(serf.joins) == 2 and serf.sets == 1


def test_what_makes_our_own_record_a_wrong_one_is_removed(serf: FakeSerf, build: Build) -> None:
    membership = build()
    membership.look()
    serf.known = []
    membership.look()
    # Whatever a database server may show, but for what we do show.
    assert "port" in serf.deleted and "mysql" not in serf.deleted


def test_tags_do_not_wait_for_a_join(serf: FakeSerf, build: Build) -> None:
    serf.unreachable = {"127.0.0.1:2"}
    build("127.0.0.1:2").look()
    assert serf.tags == {"mysql": "starting"}


def test_an_agent_that_is_away_is_complained_of_once_and_connected_to_again(
    serf: FakeSerf, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    membership = build()
    membership.look()
    assert membership.interval == INTERVAL
    serf.away = True
    membership.look()
    membership.look()
    assert caplog.text.count("no Serf agent answers") == 1
    assert membership.interval == EAGER_INTERVAL
    serf.away = False
    build.tags = {"mysql": "ready"}
    membership.look()
    assert serf.tags == {"mysql": "ready"}


def test_a_state_folder_that_cannot_be_written_stops_neither_tags_nor_joins(
    serf: FakeSerf, build: Build, peers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peers.parent.rmdir()
    serf.known.append(node("other", 2))
    build("127.0.0.1:3").look()
    assert (serf.tags, serf.joins) == ({"mysql": "starting"}, [("127.0.0.1:3", False)])
    assert "No such file" in caplog.text


def test_it_ends_when_told_and_closes_its_connection(serf: FakeSerf, build: Build) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=build().run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    # Stopped before the first look, it never had a connection.
    assert serf.closed <= 1


class Script:
    """An event that is waited for while the clock goes on, a step of `steps` at each time, and set after the last."""

    def __init__(self, clock: Clock, *steps: Callable[[], object]) -> None:
        self._clock, self._steps = clock, list(steps)

    def is_set(self) -> bool:
        return not self._steps

    def wait(self, seconds: float) -> bool:
        self._clock.advance(seconds)
        self._steps.pop(0)()
        return self.is_set()


def test_a_tag_that_is_not_true_any_more_does_not_wait_for_the_next_look(
    serf: FakeSerf, build: Build, clock: Clock
) -> None:
    told: list[tuple[float, str]] = []

    def note() -> None:
        told.append((clock(), serf.tags["mysql"]))

    build().run(Script(clock, note, lambda: build.tags.update(mysql="ready"), note, note))  # type: ignore[arg-type]
    assert [state for _, state in told] == ["starting", "ready", "ready"]
    assert told[-1][0] - told[0][0] < INTERVAL


def test_tags_that_cannot_be_read_for_a_moment_end_nothing(serf: FakeSerf, build: Build, clock: Clock) -> None:
    def fail() -> dict[str, str]:
        raise OSError("no such folder")

    membership = build()
    wanted = membership._desired_tags
    breaks = lambda: setattr(membership, "_desired_tags", fail)  # noqa: E731
    heals = lambda: setattr(membership, "_desired_tags", wanted)  # noqa: E731
    waits = [lambda: None] * round(2 * INTERVAL / EAGER_INTERVAL)
    membership.run(Script(clock, breaks, *waits, heals, *waits))  # type: ignore[arg-type]
    assert serf.tags == {"mysql": "starting"}


def test_a_target_that_was_a_member_and_is_gone_is_joined_again(serf: FakeSerf, build: Build, clock: Clock) -> None:
    # What replaces it under its name may know nobody, though this node itself is not alone.
    serf.known += [node("seed", 2), node("other", 3)]
    membership = build("127.0.0.1:2")
    membership.look()
    serf.known = [member for member in serf.known if member.name != "seed"]
    clock.advance(JOIN_INTERVAL)
    membership.look()
    assert [target for target, _ in serf.joins] == ["127.0.0.1:2"]


def test_a_member_joined_while_it_left_is_joined_again(serf: FakeSerf, build: Build, clock: Clock) -> None:
    # `docker restart` of the agent: it is still known, leaving or left, and answers one last join.
    seed, other = node("seed", 2), node("other", 3)
    membership = build("127.0.0.1:2")
    for status in ("alive", "leaving", "left", "left"):
        serf.known = [node("me", 1), node("seed", 2, status), other]
        membership.look()
        clock.advance(JOIN_INTERVAL)
    assert [target for target, _ in serf.joins] == ["127.0.0.1:2"] * 3
    serf.known = [node("me", 1), seed, other]
    membership.look()
    assert len(serf.joins) == 3


def test_a_target_under_another_address_is_joined_again_after_a_while_without_history(
    serf: FakeSerf, build: Build, clock: Clock
) -> None:
    serf.known += [node("other", 3)]
    membership = build("127.0.0.1:2")
    for _ in range(2):
        membership.look()
        serf.known = [member for member in serf.known if member.port != 2]
        clock.advance(REJOIN)
    assert [replay for _, replay in serf.joins][1:] == [False]


def test_tags_that_serf_may_have_told_nobody_are_set_again(serf: FakeSerf, build: Build) -> None:
    # It changes them first, waits for the gossip then, and may time out.
    serf.untold = {1}
    membership = build()
    for _ in range(4):
        membership.look()
    assert serf.sets == 2


# --- proofs ---


def is_proven(serf: FakeSerf, build: Build, pool: Pool = OURS) -> bool:
    """Would others believe what our member says?"""
    return Believer([pool.id], build.now).is_proven(node("me", 1, tags={"role": "db", **serf.tags}))


@pytest.fixture
def proving(build: Build) -> Build:
    build.tags = {"role": "db", "mysql": "ready"}
    return build


def test_proofs_are_set_together_with_what_they_prove(serf: FakeSerf, proving: Build) -> None:
    membership = proving(pool=OURS)
    for state in ("ready", "down", "ready"):
        proving.tags["mysql"] = state
        membership.look()
        assert serf.tags["mysql"] == state and is_proven(serf, proving)
    assert serf.sets == 3
    for _ in range(5):
        membership.look()
    assert serf.sets == 3, "what is proven is not proven again"


def test_what_others_have_set_beside_ours_is_proven_too(serf: FakeSerf, proving: Build) -> None:
    # The start program of a cluster's node sets tags of its own.
    serf.known = [node("me", 1, tags={"galera": "waiting"})]
    serf.tags = {"galera": "waiting"}
    proving(pool=OURS).look()
    assert serf.tags["galera"] == "waiting" and is_proven(serf, proving)


def test_a_proof_is_made_anew_before_it_is_worth_nothing(serf: FakeSerf, proving: Build) -> None:
    membership = proving(pool=OURS)
    for _ in range(4):
        membership.look()
        membership.look()
        assert is_proven(serf, proving)
        proving.now.advance(RENEWED)
    assert serf.sets == 4


def test_a_proof_that_somebody_has_spoilt_or_removed_is_put_back(serf: FakeSerf, proving: Build) -> None:
    membership = proving(pool=OURS)
    membership.look()
    for spoilt in ({"proof": "zz"}, {}, {"role": "web", "proof": "zz"}):
        serf.tags = {**{name: text for name, text in serf.tags.items() if name != "proof"}, **spoilt}
        serf.known = [node("me", 1, tags=serf.tags)]
        membership.look()
        assert is_proven(serf, proving)


def test_the_proof_of_a_former_secret_goes_when_the_secret_has_gone(serf: FakeSerf, proving: Build) -> None:
    proving(pool=CHANGING).look()
    assert is_proven(serf, proving, OURS) and is_proven(serf, proving, NEXT)
    # The agent is started again, with the new secret alone, and Serf has the tags still.
    membership = proving("127.0.0.1:2", "127.0.0.1:3", pool=NEXT)
    sets = serf.sets
    for _ in range(3):
        membership.look()
    assert "proof1" not in serf.tags and serf.deleted == ["proof1"]
    assert is_proven(serf, proving, NEXT) and not is_proven(serf, proving, OURS)
    assert serf.sets == sets + 1


def test_a_node_without_a_pool_shows_no_proof_of_before(serf: FakeSerf, proving: Build) -> None:
    proving(pool=OURS).look()
    proving().look()
    assert serf.tags == {"role": "db", "mysql": "ready"}


def test_without_room_for_a_proof_there_is_none_and_no_old_one(serf: FakeSerf, proving: Build) -> None:
    membership = proving(pool=OURS)
    membership.look()
    proving.tags["was"] = "x" * 400
    membership.look()
    assert "proof" not in serf.tags and serf.tags["was"] == "x" * 400
