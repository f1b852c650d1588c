"""The agent remembers what it was asked for last."""

from __future__ import annotations

import pytest

from dbhandler.agent.recent import MOST, Recent, nobody
from dbhandler.audit.record import Entry
from dbhandler.errors import InvalidRequest
from dbhandler.requests.question import new_nonce
from dbhandler.requests.recent import heard, question
from dbhandler.trust.safe import Safe
from tests.support.fakes import Clock

SAFE = Safe([b"1" * 32])


def test_the_trail_is_told_and_who_asks_is_answered(clock: Clock) -> None:
    told: list[Entry] = []
    recent, word = Recent(told.append, SAFE, clock), new_nonce()
    entries = [Entry("create_db", "created", "shop"), Entry("drop_db", "denied", None, reason="no")]
    for entry in entries:
        recent(entry)
    first, second = heard(recent.answer(question(word, 0)), word, SAFE)
    assert told == entries and first.number < second.number and (first.at, first.database) == (1000, "shop")
    assert (second.operation, second.outcome, second.database, second.reason) == ("drop_db", "denied", "", "no")
    assert heard(recent.answer(question(word, first.number)), word, SAFE) == [second]
    assert heard(recent.answer(question(word, second.number)), word, SAFE) == []


def test_after_a_restart_numbers_grow_on(clock: Clock) -> None:
    word, former = new_nonce(), Recent(lambda _: None, SAFE, clock)
    for _ in range(5):
        former(Entry("create_db", "created", "shop"))
    last = heard(former.answer(question(word, 0)), word, SAFE)[-1].number
    clock.advance(1)
    again = Recent(lambda _: None, SAFE, clock)
    again(Entry("create_db", "created", "blog"))
    assert [one.database for one in heard(again.answer(question(word, last)), word, SAFE)] == ["blog"]


def test_only_the_last_are_remembered(clock: Clock) -> None:
    recent = Recent(lambda _: None, SAFE, clock)
    for number in range(MOST + 10):
        recent(Entry("create_db", "created", f"x{number}"))
    assert len(recent._known) == MOST and recent._known[0].database == "x10"


def test_without_a_secret_nobody_is_answered() -> None:
    for answer in (Recent(lambda _: None, None).answer, nobody, Recent(lambda _: None, SAFE).answer):
        with pytest.raises(InvalidRequest):
            answer(b"")
