"""Who is believed: a proof is of one member, of all that it says, and of a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from dbhandler.serf.members import MAX_TAG, Member, parsed
from dbhandler.serf.proof import (
    LIFETIME,
    RENEWED,
    SKEW,
    Believer,
    Prover,
    names_of,
    outlived,
    shows_proof,
    unproved,
)
from dbhandler.serf.tags import PROOFS, Tag
from dbhandler.trust.pool import Pool
from tests.support.fakes import Clock
from tests.support.pools import CHANGING, NEXT, OURS, THEIRS, proven

PLAIN = Member("db1", "10.0.0.1", 7946, "alive", {"role": "db", "mysql": "ready", "port": "3306", "owner": "me"})


@pytest.fixture
def clock() -> Clock:
    """Proofs hold whole seconds."""
    return Clock(1_800_000_000.0)


@pytest.fixture
def member(clock: Clock) -> Member:
    return proven(PLAIN, OURS, clock)


@pytest.fixture
def believer(clock: Clock) -> Believer:
    return Believer([OURS.id], clock)


def with_tags(member: Member, **tags: str) -> Member:
    return replace(member, tags={**member.tags, **tags})


def test_what_a_member_of_the_pool_says_is_believed(member: Member, believer: Believer) -> None:
    assert believer.is_proven(member)
    assert believer.believed([member]) == [member]
    assert believer.unproven([member]) == []


@pytest.mark.parametrize("field", [{"name": "db2"}, {"host": "10.0.0.2"}, {"port": 7947}])
def test_a_copied_proof_is_worth_nothing_to_another_one(
    member: Member, believer: Believer, field: dict[str, object]
) -> None:
    copy = replace(member, **field)  # type: ignore[arg-type]
    assert not believer.is_proven(copy)
    assert (believer.believed([copy]), believer.unproven([copy])) == ([], [copy])


@pytest.mark.parametrize("tag", sorted(set(Tag) - set(PROOFS)))
def test_a_proof_is_of_every_tag(tag: str, clock: Clock, believer: Believer) -> None:
    shown = proven(with_tags(PLAIN, **dict.fromkeys(set(Tag) - {*PROOFS, "role"}, "1")), OURS, clock)
    assert believer.is_proven(shown)
    assert not believer.is_proven(with_tags(shown, **{tag: "2"}))
    left = {name: text for name, text in shown.tags.items() if name != tag}
    assert not believer.is_proven(replace(shown, tags=left))


def test_a_tag_that_was_put_there_is_not_proven(member: Member, believer: Believer) -> None:
    assert not believer.is_proven(with_tags(member, was="0123456789ab"))


def test_other_tags_are_nobodys_business(member: Member, believer: Believer) -> None:
    assert believer.is_proven(with_tags(member, owner="you", more="x"))


def test_the_status_is_serfs_and_needs_no_proof(member: Member, believer: Believer) -> None:
    assert believer.is_proven(replace(member, status="leaving"))


@pytest.mark.parametrize("proof", ["", "1.", f"1.{'A' * 86}", f"ffffffffff.{'-' * 86}"])
def test_what_is_no_proof_proves_nothing(member: Member, believer: Believer, proof: str) -> None:
    for tag in PROOFS:
        assert not believer.is_proven(with_tags(PLAIN, **{tag: proof}))
        # Nor does it take anything from one that is good.
        assert believer.is_proven(with_tags(member, **{tag: proof})) is (tag != Tag.PROOF)


def test_a_good_proof_with_another_time_is_none(member: Member, believer: Believer, clock: Clock) -> None:
    signature = member.tags["proof"].partition(".")[2]
    assert not believer.is_proven(with_tags(member, proof=f"{int(clock.now) + 1:x}.{signature}"))


def test_a_proof_counts_for_its_time_and_the_difference_of_clocks(
    member: Member, believer: Believer, clock: Clock
) -> None:
    for seconds, counts in (
        (0, True), (LIFETIME, True), (LIFETIME + SKEW, True), (LIFETIME + SKEW + 1, False), (10**8, False),
        # Signed by a clock that is ahead.
        (-SKEW, True), (-SKEW - 1, False),
    ):  # fmt: skip
        now = clock.now + seconds
        assert Believer([OURS.id], lambda now=now: now).is_proven(member) is counts, seconds  # type: ignore[misc]


@pytest.mark.parametrize("status", ["failed", "left", "leaving", "none"])
def test_of_one_that_is_dead_the_time_does_not_count_but_all_else_does(
    member: Member, believer: Believer, clock: Clock, status: str
) -> None:
    dead = replace(member, status=status)
    clock.advance(100 * LIFETIME)
    assert believer.is_proven(dead)
    assert not believer.is_proven(with_tags(dead, mysql="down"))
    assert not believer.is_proven(replace(dead, name="db2"))


def test_another_pool_s_proof_is_none(clock: Clock, believer: Believer) -> None:
    stranger = proven(PLAIN, THEIRS, clock)
    assert believer.unproven([stranger]) == [stranger]
    for pools in ([THEIRS.id, OURS.id], [OURS.id, THEIRS.id]):
        assert Believer(pools, clock).believed([stranger]) == [stranger]


def test_who_believes_no_pool_believes_everybody(member: Member, clock: Clock) -> None:
    believer = Believer([], clock)
    assert believer.believed([PLAIN, member]) == [PLAIN, member]
    assert believer.unproven([PLAIN, member]) == []


def test_whoever_is_no_database_has_nothing_to_prove(believer: Believer) -> None:
    web = with_tags(PLAIN, role="web")
    assert (believer.believed([web]), believer.unproven([web])) == ([web], [])


# --- what is shown ---


def test_what_is_shown_stays_while_it_is_true_and_fresh_and_is_renewed_then(member: Member, clock: Clock) -> None:
    prover = Prover(OURS, clock)
    clock.advance(RENEWED - 1)
    assert prover.proofs(member) == {"proof": member.tags["proof"]}
    clock.advance(1)
    renewed = prover.proofs(member)["proof"]
    assert renewed.startswith(f"{int(clock.now):x}.")
    assert renewed != member.tags["proof"]


def test_a_change_of_tags_is_proven_with_the_time_that_is_shown(
    member: Member, clock: Clock, believer: Believer
) -> None:
    # Two processes of one node that set tags leave each other's proof alone.
    clock.advance(RENEWED - 1)
    different = with_tags(member, mysql="down")
    for other in (clock, Clock(clock.now - 5)):
        proofs = Prover(OURS, other).proofs(different)
        assert proofs["proof"].partition(".")[0] == member.tags["proof"].partition(".")[0]
        assert believer.is_proven(replace(different, tags={**different.tags, **proofs}))


def test_a_clock_that_was_put_back_makes_the_proof_anew(member: Member, clock: Clock, believer: Believer) -> None:
    clock.advance(-2 * SKEW)
    again = with_tags(member, **Prover(OURS, clock).proofs(member))
    assert believer.is_proven(again)


@pytest.mark.parametrize("proof", ["zz", "", "zz.x", "-5.x", "0x5.x", "f" * 400])
def test_what_somebody_else_has_put_in_its_place_stops_nothing(proof: str, clock: Clock, believer: Believer) -> None:
    # Tags of a member whose role is another one are not checked, and whoever has RPC's key may change it.
    spoilt = with_tags(PLAIN, proof=proof)
    assert believer.is_proven(with_tags(spoilt, **Prover(OURS, clock).proofs(spoilt)))


def test_a_proof_is_what_members_may_show(member: Member) -> None:
    record = {"Name": "db1", "Addr": b"\x0a\x00\x00\x01", "Port": 7946, "Status": "alive", "Tags": member.tags}
    assert parsed(record) == member


def test_of_several_secrets_each_is_proven_and_either_is_believed(clock: Clock) -> None:
    proofs = Prover(CHANGING, clock).proofs(PLAIN)
    assert list(proofs) == ["proof", "proof1"]
    both = with_tags(PLAIN, **proofs)
    for pool in (OURS, NEXT):
        assert Believer([pool.id], clock).is_proven(both)
    assert not Believer([THEIRS.id], clock).is_proven(both)
    only_new = with_tags(PLAIN, proof=proofs["proof"])
    assert Believer([NEXT.id], clock).is_proven(only_new) and not Believer([OURS.id], clock).is_proven(only_new)


def size(tags: Mapping[str, str]) -> int:
    """Bytes of a table of texts in Serf's old msgpack, behind the byte by which it knows it."""
    texts = [text for pair in tags.items() for text in pair]
    return 1 + (1 if len(tags) < 16 else 3) + sum(len(text) + (1 if len(text) < 32 else 3) for text in texts)


def test_all_that_is_shown_has_room_and_the_present_secret_s_proof_first(clock: Clock) -> None:
    prover, seen = Prover(Pool([*CHANGING.secrets, *THEIRS.secrets]), clock), list[int]()
    for padding in range(440):
        shown = with_tags(PLAIN, padding="x" * padding)
        proofs = prover.proofs(shown)
        assert size(with_tags(shown, **proofs).tags) <= MAX_TAG
        assert list(proofs) == list(PROOFS[: len(proofs)])
        seen.append(len(proofs))
    assert seen == sorted(seen, reverse=True) and set(seen) == {0, 1, 2, 3}
    # Nor is room left that a proof would have fitted into, but for a few bytes.
    longest = with_tags(PLAIN, padding="x" * (seen.index(0) - 1))
    assert size(with_tags(longest, **prover.proofs(longest)).tags) > MAX_TAG - 15


def test_no_room_is_told_once_until_there_is_some(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    prover, full = Prover(OURS, clock), with_tags(PLAIN, padding="x" * 400)
    for member in (PLAIN, full, full, PLAIN, full):
        assert bool(prover.proofs(member)) is (member is PLAIN)
    assert caplog.messages == ["this node's tags have no room for their proof: nobody believes them"] * 2
    # What it showed before takes no room from what it shows now.
    assert prover.proofs(with_tags(PLAIN, proof="x" * 96, proof1="x" * 96, proof2="x" * 96))


def test_what_a_node_without_a_pool_shows() -> None:
    assert unproved(PLAIN) == {}


def test_who_knows_of_proofs(member: Member) -> None:
    assert shows_proof(member)
    assert not shows_proof(PLAIN)
    assert not shows_proof(with_tags(member, role="web"))


def test_proofs_that_are_none_any_more() -> None:
    shown = {"role": "db", "proof": "a", "proof2": "c"}
    assert outlived(shown, {"proof": "b"}) == ["proof2"]
    assert outlived(shown, {}) == ["proof", "proof2"]
    assert outlived({"role": "db"}, {}) == []


def test_names_of_members_are_quoted() -> None:
    assert names_of([PLAIN, replace(PLAIN, name="a\nb")]) == "'db1', 'a\\nb'"
