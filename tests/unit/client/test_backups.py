"""Asking the backup: whom, how often, and whose answer counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbhandler.client.backups import Backups
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from dbhandler.requests.answer import encode
from dbhandler.requests.box import Keys
from dbhandler.requests.restore_box import Boxes, Wanted
from dbhandler.requests.signer import Signer
from dbhandler.serf.members import Member
from dbhandler.trust.pool import Pool
from tests.support.fakes import Clock
from tests.support.pools import OURS, THEIRS, PlayedCluster, PlayedServer, changed, proven

WANTED = Wanted("key-0123", "shop", "clerk", "hunter2-hunter2", "before", "before", "hunter3-hunter3", "latest")
WORKING = {"status": "working", "reason": "it is being restored"}
DONE: Mapping[str, object] = {"status": "restored"}


@dataclass
class PlayedBackup(PlayedServer):
    """One of a pool; answers one after another, the last one again and again."""

    answers: list[Mapping[str, object]] = field(default_factory=lambda: [DONE])

    def member(self) -> Member:
        made = Member(self.name, "10.0.0.9", 7946, self.status, {"role": "backup", "key": self.keys.public})
        return proven(made, self.pool) if self.pool else made

    def answer(self, query: str, payload: bytes) -> bytes:
        assert query == "restore_db"
        assert Boxes(self.keys, lambda: 0.0)._keys.content(json.loads(payload)["sealed"])["database"] == "shop"
        line = encode(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        return Signer(self.pool or Pool([]), self.keys).signed(query, payload, line)


Make = Callable[..., PlayedBackup]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def backup(name: str, *answers: Mapping[str, object], **more: object) -> PlayedBackup:
        return PlayedBackup(name, Keys(tmp_path / name), answers=[*answers] or [DONE], **more)  # type: ignore[arg-type]

    return backup


class Asker:
    """The client, its clock and what it tells."""

    def __init__(self, cluster: PlayedCluster, clock: Clock) -> None:
        self.cluster, self.told = cluster, list[str]()
        self.backups = Backups(
            lambda: cluster, [OURS.id], 10.0, self.told.append, clock, clock.advance  # type: ignore[arg-type, return-value]
        )  # fmt: skip

    def asked(self) -> list[str]:
        return [node for node, _ in self.cluster.asked()]


def test_it_is_asked_until_it_is_done(make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", *[WORKING] * 30, {"status": "restored", "reason": "without a view"})), clock)
    assert asker.backups.restore(WANTED) == "without a view"
    # However long that takes: it is at work, and not away.
    assert len(asker.asked()) == 31
    assert set(asker.told) == {"the backup 'b' restores 'shop': it is being restored"}


def test_each_question_has_a_box_of_its_own(make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", WORKING, WORKING, DONE)), clock)
    assert asker.backups.restore(WANTED) is None
    assert len({payload for _, _, payload, _ in asker.cluster.heard}) == 3
    assert not any(b"hunter" in payload or b"shop" in payload for _, _, payload, _ in asker.cluster.heard)


@pytest.mark.parametrize(
    ("status", "kind"), [("denied", Denied), ("invalid", InvalidRequest), ("failed", DbHandlerError)]
)
def test_a_refusal_ends_it(status: str, kind: type[Exception], make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", {"status": status, "reason": "so it is"})), clock)
    with pytest.raises(kind, match=f"^the backup 'b' says {status}: so it is$"):
        asker.backups.restore(WANTED)
    assert len(asker.asked()) == 1


def test_one_that_cannot_is_asked_again_and_another_one_meanwhile(make: Make, clock: Clock) -> None:
    no = {"status": "unavailable", "reason": "not backed up here"}
    asker = Asker(PlayedCluster(make("b", no), make("c", WORKING, DONE), make("a", no)), clock)
    assert asker.backups.restore(WANTED) is None
    # By their names; once one is at work the others are left alone.
    assert asker.asked() == ["a", "b", "c", "c"]


def test_where_none_can_it_gives_up(make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", {"status": "unavailable", "reason": "ask again"})), clock)
    with pytest.raises(TryLater, match="the backup 'b' says unavailable: ask again"):
        asker.backups.restore(WANTED)
    assert clock.now == 1009.0


@pytest.mark.parametrize("answer", [{}, {"status": "restored"}, {"status": "working"}])
def test_an_answer_that_is_not_its_own_counts_for_none(answer: Mapping[str, object], make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", {"status": "denied", "reason": "no"})), clock)
    asker.cluster.forge = lambda _node, _query, _payload, line: [changed(line, **answer, reason="forged")]
    with pytest.raises(TryLater, match="the backup 'b' has given a wrong answer: its signature is wrong"):
        asker.backups.restore(WANTED)


def test_one_that_is_silent(make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b")), clock)
    asker.cluster.forge = lambda *_: []
    with pytest.raises(TryLater, match="the backup 'b' has not answered"):
        asker.backups.restore(WANTED)


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_no_password_goes_to_whoever_says_that_he_is_a_backup(pool: Pool | None, make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", pool=pool)), clock)
    with pytest.raises(TryLater, match=r"waiting for a backup of the pool .*: 'b' cannot prove to be of it"):
        asker.backups.restore(WANTED)
    assert asker.asked() == []


@pytest.mark.parametrize("status", ["failed", "left"])
def test_one_that_is_gone_is_none(status: str, make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b", status=status), PlayedServer("a", make("a").keys)), clock)
    with pytest.raises(Unavailable, match="there is no backup in the Serf cluster"):
        asker.backups.restore(WANTED)
    assert asker.asked() == []


def test_what_no_query_carries(make: Make, clock: Clock) -> None:
    asker = Asker(PlayedCluster(make("b")), clock)
    long = Wanted("key-0123", "d" * 64, "u" * 80, "p" * 128, "t" * 64, "v" * 80, "q" * 128, "latest")
    with pytest.raises(InvalidRequest, match="are too long together"):
        asker.backups.restore(long)
    assert asker.asked() == []
