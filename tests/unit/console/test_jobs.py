"""What is being done: told meanwhile, and once at the end, to whoever has asked."""

from __future__ import annotations

import re
import threading
import time

import pytest

from dbhandler.client.options import check, parser
from dbhandler.console.actions import Actions, Done, Progress
from dbhandler.console.doing import BY_NAME, Doing, Form
from dbhandler.console.guard import Reader
from dbhandler.console.jobs import KEPT, MOST, MOST_LINES, Job, Jobs
from dbhandler.errors import Denied, InvalidRequest, TryLater
from tests.support.fakes import Clock

OPERATOR = Reader("ann", "token")
PATIENCE = 20.0


def over(jobs: Jobs, id: str, owner: str = "token") -> Job:
    deadline = time.monotonic() + PATIENCE
    while not jobs._jobs[id].is_over:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    job = jobs.look(id, owner)
    assert job
    return job


def test_what_comes_of_it_is_told_once_and_to_nobody_else() -> None:
    jobs = Jobs()
    id = jobs.begin("x", "token", lambda tell: Done("it is done"))
    assert jobs.look(id, "another") is None and jobs.look("other", "token") is None
    assert over(jobs, id).done == Done("it is done")
    assert jobs.look(id, "token") is None


def test_meanwhile_it_tells_what_it_waits_for() -> None:
    jobs, go = Jobs(), threading.Event()

    def act(tell: Progress) -> Done:
        for number in range(2 * MOST_LINES):
            tell(f"waiting {number}\x1b")
            tell(f"waiting {number}\x1b")
        go.wait(PATIENCE)
        return Done("done")

    id = jobs.begin("x", "token", act)
    deadline = time.monotonic() + PATIENCE
    while len((job := jobs.look(id, "token")).lines) < MOST_LINES:  # type: ignore[union-attr]
        assert time.monotonic() < deadline
    assert job and not job.is_over and len(set(job.lines)) == MOST_LINES and "\x1b" not in "".join(job.lines)
    go.set()
    over(jobs, id)


def test_a_refusal_is_a_sentence_and_a_defect_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refused(_: Progress) -> Done:
        raise Denied("the name\x1b is taken")

    def broken(_: Progress) -> Done:
        raise ZeroDivisionError("secret")

    jobs = Jobs()
    assert over(jobs, jobs.begin("x", "token", refused)).failed == "the name\\x1b is taken"
    assert "secret" not in over(jobs, jobs.begin("x", "token", broken)).failed + caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_only_some_at_a_time() -> None:
    jobs, go = Jobs(), threading.Event()

    def act(_: Progress) -> Done:
        go.wait(PATIENCE)
        return Done("")

    ids = [jobs.begin("x", "token", act) for _ in range(MOST)]
    with pytest.raises(TryLater):
        jobs.begin("x", "token", act)
    go.set()
    for id in ids:
        over(jobs, id)
    over(jobs, jobs.begin("x", "token", act))


def test_what_nobody_looks_at_is_forgotten(clock: Clock) -> None:
    jobs = Jobs(clock)
    id = jobs.begin("x", "token", lambda _: Done("a password"))
    while not jobs._jobs[id].is_over:
        time.sleep(0.01)
    clock.advance(KEPT)
    assert jobs.look(id, "token") is None and not jobs._jobs


class Recording(Actions):
    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("nobody is asked"), ())
        self.asked: list[object] = []

    def request(self, progress: Progress, name: str, user: str = "", where: str = "") -> Done:
        self.asked.append((name, user, where))
        return Done("made")


@pytest.fixture
def doing() -> Doing:
    return Doing(Recording(), Jobs())


def test_a_form_becomes_what_it_says(doing: Doing) -> None:
    id = doing.begin("request", {"name": " shop ", "user": "", "token": "x", "other": "y"}, OPERATOR)
    over(doing._jobs, id)
    assert doing._actions.asked == [("shop", "", "")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("request", {}), ("request", {"name": " "}), ("request", {"name": "x" * 257}), ("request", {"name": "a\nb"}),
        ("nothing", {}), ("__class__", {}), ("rotate", {"name": "x"}), ("drain", {"node": "a"}),
    ],
)  # fmt: skip
def test_what_is_no_form_of_ours_is_refused(doing: Doing, form: str, given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        doing.begin(form, given, OPERATOR)


def test_who_may_only_look_sees_commands_and_no_form(doing: Doing) -> None:
    text = doing.main(Reader())
    assert "<form" not in text and "dbhandler-request NAME" in text
    assert doing.main(OPERATOR).count("<form") == 3
    assert doing.job("x", Reader()) is None


def test_each_button_stands_beside_the_command_that_does_the_same(doing: Doing) -> None:
    text = doing.main(OPERATOR)
    for form in BY_NAME.values():
        assert form.command.startswith(("dbhandler-request ", "dbhandler-pool "))
        assert (form.button in text) is not form.needs_directory


@pytest.mark.parametrize("form", [form for form in BY_NAME.values() if form.command.startswith("dbhandler-request")])
def test_the_command_that_is_shown_is_one(form: Form) -> None:
    words = re.sub(r"[\[\]]", "", form.command).split()[1:]
    known = parser().parse_args([{"LABELS": "ssd", "NAME": "shop", "TARGET": "old"}.get(word, word) for word in words])
    check(known, [])
