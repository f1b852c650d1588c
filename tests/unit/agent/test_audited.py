"""What the audit trail is told of requests: each change and each refusal, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler.agent import audited
from dbhandler.agent.audited import Audited
from dbhandler.agent.outcome_log import BURST, WINDOW
from dbhandler.agent.worker import Worker
from dbhandler.audit.record import Entry
from dbhandler.audit.under_way import UnderWay
from dbhandler.errors import Busy, Denied, InvalidRequest, ServerError, Unavailable
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.payload import Request
from dbhandler.requests.vocabulary import Status
from tests.support.fakes import Clock

EVENT = "event create_db #7:"
CHANGES = frozenset(Status) - {
    Status.EXISTS, Status.ABSENT, Status.OK, Status.WORKING, Status.UNAVAILABLE, Status.ELSEWHERE, Status.DROPPED,
    Status.PLACED,
}  # fmt: skip


class Doing:
    """Provisioner, life cycle and grants in one: ends as a test says."""

    def __init__(self) -> None:
        self.end: Outcome | Exception = Outcome(Status.CREATED, "shop", "app")
        self.meanwhile: Callable[[], object] = lambda: None

    def create_all(self, _requests: tuple[Request, ...], _ltime: int = 0) -> list[Outcome]:
        return [self.rotate(_requests[0])]

    def refused(self, _requests: tuple[Request, ...]) -> Outcome | None:
        return None

    def rotate(self, _request: Request) -> Outcome:
        self.meanwhile()
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    drop = grant = revoke = renew = rotate


@pytest.fixture
def told() -> list[Entry]:
    return []


@pytest.fixture
def doing() -> Doing:
    return Doing()


@pytest.fixture
def worker(doing: Doing, clock: Clock, told: list[Entry], tmp_path: Path) -> Worker:
    parts = (doing, doing, doing)
    return Worker(*parts, doing, clock, audit=told.append, under_way=UnderWay(tmp_path / "note"))  # type: ignore[arg-type]


def test_a_change_is_told_with_who_asked_for_it(worker: Worker, doing: Doing, told: list[Entry]) -> None:
    worker.create(b"shop", EVENT)
    doing.end = Outcome(Status.ROTATED, "shop", "app")
    worker.rotate(b"shop")
    assert told == [
        Entry("create_db", "created", "shop", "app", origin="event create_db #7"),
        Entry("rotate_db", "rotated", "shop", "app", origin="query rotate_db"),
    ]


@pytest.mark.parametrize("status", Status)
def test_what_changes_nothing_is_not_told(worker: Worker, doing: Doing, told: list[Entry], status: Status) -> None:
    doing.end = Outcome(status, "shop")
    worker.create(b"shop", EVENT)
    assert [entry.outcome for entry in told] == [status] * (status in CHANGES)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Denied("not yours"), "denied"), (InvalidRequest("no box"), "invalid"), (ServerError("no", 1), "failed")],
)
def test_a_refusal_says_why(worker: Worker, doing: Doing, told: list[Entry], error: Exception, outcome: str) -> None:
    doing.end = error
    worker.drop(b"shop")
    assert told == [Entry("drop_db", outcome, "shop", reason=str(error), origin="query drop_db")]


def test_a_payload_that_cannot_be_read_is_refused(worker: Worker, told: list[Entry]) -> None:
    worker.create(b"", EVENT)
    worker.drop(b"a b")
    assert [(entry.outcome, entry.database) for entry in told] == [("invalid", None)] * 2


@pytest.mark.parametrize("error", [Unavailable("away"), Busy("wait", 1.0)])
def test_what_is_tried_again_is_not_told(worker: Worker, doing: Doing, told: list[Entry], error: Exception) -> None:
    doing.end = error
    with pytest.raises(Unavailable):
        worker.create(b"shop", EVENT)
    assert told == []


# --- what may have been done ---


def test_a_kill_in_the_middle_is_told_by_the_next_agent(
    worker: Worker, doing: Doing, told: list[Entry], tmp_path: Path
) -> None:
    left: list[Entry] = []
    doing.meanwhile = lambda: (tmp_path / "copy").write_bytes((tmp_path / "note").read_bytes())
    worker.create(b"shop", EVENT)
    UnderWay(tmp_path / "copy").tell_left(left.append)
    assert [(entry.operation, entry.outcome, entry.database, entry.origin) for entry in left] == [
        ("create_db", "unknown", "shop", "event create_db #7")
    ]
    UnderWay(tmp_path / "note").tell_left(lambda _: pytest.fail("it has ended"))


def test_what_is_there_after_a_try_that_was_cut_short_is_told(
    worker: Worker, doing: Doing, told: list[Entry], clock: Clock
) -> None:
    doing.end = Unavailable("the server went away")
    with pytest.raises(Unavailable):
        worker.create(b"shop", EVENT)
    doing.end = Outcome(Status.EXISTS, "shop")
    worker.create(b"shop", EVENT)
    worker.create(b"shop", EVENT)
    [entry] = told
    assert entry.outcome == "exists" and entry.reason and "may have made it" in entry.reason


def test_a_second_try_that_works_is_told_as_any_other(worker: Worker, doing: Doing, told: list[Entry]) -> None:
    made, doing.end = doing.end, Unavailable("the server went away")
    with pytest.raises(Unavailable):
        worker.create(b"shop", EVENT)
    doing.end = made
    worker.create(b"shop", EVENT)
    doing.end = Outcome(Status.EXISTS, "shop")
    worker.create(b"shop", EVENT)
    assert [(entry.outcome, entry.reason) for entry in told] == [("created", None)]


def test_only_so_many_names_are_remembered(told: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audited, "MOST_CUT", 2)
    made = Audited(told.append, UnderWay())
    for name in "abc":
        made.cut_short(name)
    for name in "abc":
        made.told("", "create_db", Outcome(Status.EXISTS, name))
    assert [entry.database for entry in told] == ["b", "c"]


# --- a flood ---


def test_a_flood_of_refusals_becomes_a_number_and_hides_no_change(
    worker: Worker, doing: Doing, told: list[Entry], clock: Clock
) -> None:
    made, doing.end = doing.end, Denied("no")
    for _ in range(BURST + 500):
        worker.drop(b"shop")
    doing.end = made
    for _ in range(BURST + 1):
        worker.create(b"shop", EVENT)
    clock.advance(WINDOW)
    worker.idle()
    assert [entry.outcome for entry in told] == ["denied"] * BURST + ["created"] * (BURST + 1) + ["refused"]
    assert told[-1] == Entry("requests", "refused", reason="500 more, of which none has a line of its own")
