"""Restores that are asked for: one at a time, bounded, each answered in a sentence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.backup import own_jobs
from dbhandler.backup.history import Unrecoverable
from dbhandler.backup.own_jobs import KEPT, MOST_ASKED, MOST_WAITING, OwnJobs
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, Unavailable
from dbhandler.requests.box import Keys
from dbhandler.requests.restore_box import Boxes, Wanted, seal_wanted
from tests.support.fakes import Clock

WANTED = Wanted("key-0123", "shop", "clerk", "hunter2-hunter2", "before", "before", "hunter3-hunter3", "latest")


class Restores:
    """In place of servers: says what it is told to."""

    def __init__(self) -> None:
        self.checked: list[Wanted] = []
        self.done: list[Wanted] = []
        self.check_says: Callable[[], bool] = lambda: False
        self.work_says: Callable[[], list[str]] = list

    def check(self, id: str, wanted: Wanted) -> bool:
        self.checked.append(wanted)
        return self.check_says()

    def carry_out(self, id: str, wanted: Wanted) -> list[str]:
        self.done.append(wanted)
        return self.work_says()


class Played:
    """Jobs, and whoever asks for them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.keys, self.clock, self.restores = Keys(folder / "key"), clock, Restores()
        self.jobs = OwnJobs(Boxes(self.keys, clock), self.restores, b"k", clock)
        self.asked = 0

    def ask(self, wanted: Wanted = WANTED) -> tuple[str, str | None]:
        self.asked += 1
        sealed = seal_wanted(self.keys.public, wanted, str(self.asked), self.clock.now)
        told = json.loads(self.jobs.answer(json.dumps({"sealed": sealed}).encode()))
        assert told["status"] == "working" or "hunter" not in str(told)
        return told["status"], told.get("reason")


@pytest.fixture
def played(tmp_path: Path, clock: Clock) -> Played:
    return Played(tmp_path, clock)


def raising(error: Exception) -> Callable[[], list[str]]:
    def act() -> list[str]:
        raise error

    return act


def other(number: int) -> Wanted:
    return replace(WANTED, database=f"shop{number}")


def test_from_the_first_question_to_the_last(played: Played) -> None:
    assert played.ask() == ("working", "it waits to be looked at")
    assert played.jobs.prove_one() and not played.jobs.prove_one()
    assert played.ask() == ("working", "it is being restored")
    assert played.jobs.work_one() and not played.jobs.work_one()
    assert played.ask() == played.ask() == ("restored", None)
    # However often it was asked.
    assert (len(played.restores.checked), len(played.restores.done)) == (1, 1)


def test_what_was_left_out_is_told(played: Played) -> None:
    played.restores.work_says = lambda: [f"view {number}" for number in range(7)]
    played.ask(), played.jobs.prove_one(), played.jobs.work_one()
    assert played.ask() == ("restored", "without view 0; view 1; view 2; view 3; view 4, and 2 more")


def test_what_was_done_before_is_done(played: Played) -> None:
    played.restores.check_says = lambda: True
    played.ask(), played.jobs.prove_one()
    assert played.ask() == ("restored", None) and not played.jobs.work_one()


@pytest.mark.parametrize("stage", ["check_says", "work_says"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Denied("not his"), "denied"),
        (InvalidRequest("no moment"), "invalid"),
        (Unrecoverable("known is nothing yet"), "invalid"),
    ],
)
def test_a_refusal_is_told_as_it_is(stage: str, error: Exception, status: str, played: Played) -> None:
    setattr(played.restores, stage, raising(error))
    played.ask(), played.jobs.prove_one(), played.jobs.work_one()
    assert played.ask() == played.ask() == (status, str(error))
    played.clock.advance(KEPT + 1)
    assert played.ask()[0] == "working", "who asks later asks anew"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DbHandlerError("mariadb failed: of another's secret_table"), "failed"),
        (OSError(28, "No space left on device", "/backups/secret_table"), "failed"),
        (KeyError("secret_table"), "failed"),
        (Unavailable("the repository s3:secret_table is away"), "unavailable"),
    ],
)
def test_what_may_be_of_others_stays_in_the_log(
    error: Exception, status: str, played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    played.restores.work_says = raising(error)
    played.ask(), played.jobs.prove_one(), played.jobs.work_one()
    told = played.ask()
    assert told[0] == status and "the backup's log says why" in str(told[1]) and "secret_table" not in str(told[1])
    assert "'shop'" in caplog.text and "hunter" not in caplog.text


def test_what_is_not_possible_now_is_asked_anew(played: Played) -> None:
    played.restores.check_says = raising(Unavailable("the server does not answer"))  # type: ignore[assignment]
    played.ask(), played.jobs.prove_one()
    assert played.ask() == ("unavailable", "the server does not answer")
    assert played.ask() == ("working", "it waits to be looked at")


def test_a_box_that_was_opened_before_tells_nothing(played: Played) -> None:
    sealed = seal_wanted(played.keys.public, WANTED, "word", played.clock.now)
    first, second = (json.loads(played.jobs.answer(json.dumps({"sealed": sealed}).encode())) for _ in range(2))
    assert first["status"] == "working"
    assert second == {
        "status": "unavailable", "reason": "the sealed box was opened before: ask again with a new one",
    }  # fmt: skip


def test_hundreds_at_once_are_refused_beyond_a_bound(played: Played) -> None:
    for number in range(MOST_ASKED):
        assert played.ask(other(number))[0] == "working"
    for number in range(300):
        told = played.ask(other(1000 + number))
        assert told == ("unavailable", "32 restores have been asked for just now: ask again")
    assert len(played.jobs._known) == MOST_ASKED


def test_the_proven_ones_wait_for_each_other(played: Played) -> None:
    for number in range(MOST_WAITING + 1):
        played.ask(other(number)), played.jobs.prove_one()
    assert played.ask(other(0)) == ("working", "it is being restored")
    assert played.ask(other(2)) == ("working", "it waits for 2 others")
    assert played.ask(other(MOST_WAITING)) == ("unavailable", "16 restores wait already: ask again")


def test_nobody_takes_two_places(played: Played) -> None:
    played.ask(), played.jobs.prove_one()
    second = replace(WANTED, target="again")
    played.ask(second), played.jobs.prove_one()
    assert played.ask(second) == ("unavailable", "another restore of this database is not done yet: ask again")


def test_who_proves_nothing_takes_nobodys_place(played: Played) -> None:
    played.restores.check_says = raising(Denied("no"))  # type: ignore[assignment]
    for number in range(100):
        played.ask(other(number)), played.jobs.prove_one()
    assert not played.jobs._waiting and not played.jobs._asked
    played.restores.check_says = lambda: False
    played.ask(), played.jobs.prove_one()
    assert played.ask() == ("working", "it is being restored")


def test_what_has_ended_is_forgotten_beyond_a_bound(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_jobs, "MOST_KNOWN", 5)
    played.restores.check_says = raising(Denied("no"))  # type: ignore[assignment]
    for number in range(20):
        played.ask(other(number)), played.jobs.prove_one()
    assert len(played.jobs._known) <= 6


def test_one_at_a_time_in_their_threads(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_jobs, "PAUSE", 0.001)
    at_once, most, lock, stop = 0, 0, threading.Lock(), threading.Event()

    def work() -> list[str]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.005)
        with lock:
            at_once -= 1
        return []

    played.restores.work_says = work
    threads = [threading.Thread(target=run, args=(stop,)) for run in (played.jobs.prove, played.jobs.work)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    for number in range(10):
        while played.ask(other(number))[0] != "restored" and time.monotonic() < deadline:
            time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join(5)
    assert (most, len(played.restores.done)) == (1, 10)
