"""queries.py: what the agent does with payloads and queries, and the one line it logs for each request."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Clock, RecordingServer

from dbhandler import sql
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.last_error import LastError
from dbhandler.provision import Outcome
from dbhandler.queries import Queries, Worker
from dbhandler.registry import Registry
from dbhandler.request import Request
from dbhandler.spool import Spool
from dbhandler.watch import ServerWatch


class FakeProvisioner:
    """Answers with what a test sets; takes its time by a clock that stands still otherwise."""

    def __init__(self, clock: Clock) -> None:
        self.asked: list[Request] = []
        self.outcomes: list[Outcome] = []
        self.error: Exception | None = None
        self._clock = clock

    def create_all(self, requests: tuple[Request, ...], ltime: int = 0) -> list[Outcome]:
        self.asked += requests
        self._clock.advance(0.004)
        if self.error:
            raise self.error
        return self.outcomes or [Outcome("created", request.database) for request in requests]


@pytest.fixture
def provisioner(clock: Clock) -> FakeProvisioner:
    return FakeProvisioner(clock)


@pytest.fixture
def worker(provisioner: FakeProvisioner, clock: Clock) -> Worker:
    return Worker(provisioner, None, clock)  # type: ignore[arg-type]


@pytest.fixture
def ask(worker: Worker, tmp_path: Path) -> Callable[[str, bytes], dict[str, object]]:
    """Asks the Queries under test and decodes the answer."""
    server = RecordingServer({sql.database_exists("there"): [(1,)]})
    watch = ServerWatch(server, "mariadb", "admin")  # type: ignore[arg-type]
    registry, spool = Registry(tmp_path / "registry"), Spool(str(tmp_path))
    whereabouts = {"host": "10.0.0.1", "port": 3306}
    queries = Queries(worker, server, watch, registry, spool, lambda: whereabouts, LastError())  # type: ignore[arg-type]

    def ask(name: str, payload: bytes) -> dict[str, object]:
        line = queries.answer(name, payload)
        assert line.count(b"\n") == 1
        return dict(json.loads(line))

    return ask


def test_a_request_is_one_log_line_with_what_was_asked_what_happened_and_how_long_it_took(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.create(b"wordpress", "event create_db #7:")
    assert caplog.record_tuples == [
        ("dbhandler.outcome_log", logging.INFO, "event create_db #7: 'wordpress' created in 4.0 ms")
    ]


def test_each_name_of_a_payload_has_its_line(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.create(b"a b", "event:")
    assert caplog.messages == ["event: 'a' created in 2.0 ms", "event: 'b' created in 2.0 ms"]


@pytest.mark.parametrize(
    ("status", "level"), [("invalid", logging.WARNING), ("denied", logging.WARNING), ("failed", logging.ERROR)]
)
def test_a_refusal_is_told_with_its_reason(
    worker: Worker, provisioner: FakeProvisioner, caplog: pytest.LogCaptureFixture, status: str, level: int
) -> None:
    provisioner.outcomes = [Outcome(status, "a", reason="a rule")]
    worker.create(b"a", "event:")
    assert caplog.record_tuples == [("dbhandler.outcome_log", level, f"event: 'a' {status} in 4.0 ms: a rule")]


def test_an_account_is_named_and_existing_is_no_warning(
    worker: Worker, provisioner: FakeProvisioner, caplog: pytest.LogCaptureFixture
) -> None:
    provisioner.outcomes = [Outcome("exists", "a", "u")]
    worker.create(b"a", "event:")
    assert caplog.record_tuples == [
        ("dbhandler.outcome_log", logging.INFO, "event: 'a' exists for account 'u' in 4.0 ms")
    ]


@pytest.mark.parametrize("payload", [b"", b" \n", b"a\0", b"\xff", b"x" * 65, b"x" * 70_000, b"{", b'{"x": 1}'])
def test_a_payload_that_breaks_a_rule_is_one_warning_and_reaches_nothing(
    worker: Worker, provisioner: FakeProvisioner, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    [outcome] = worker.create(payload, "event create_db #7:")
    assert (outcome.status, provisioner.asked) == ("invalid", [])
    [record] = caplog.records
    assert record.getMessage().startswith("event create_db #7: invalid in ")
    assert record.getMessage().endswith(f": {outcome.reason}")


def test_a_server_that_is_away_is_the_callers_matter_and_no_line(
    worker: Worker, provisioner: FakeProvisioner, caplog: pytest.LogCaptureFixture
) -> None:
    provisioner.error = Unavailable("away")
    with pytest.raises(Unavailable):
        worker.create(b"a", "event:")
    assert caplog.messages == []


def test_a_query_is_answered_with_the_outcome_and_the_whereabouts(
    ask: Callable[[str, bytes], dict[str, object]],
) -> None:
    assert ask("create_db", b"a") == {"status": "created", "database": "a", "host": "10.0.0.1", "port": 3306}


def test_of_several_names_the_one_that_was_refused_is_the_answer(
    ask: Callable[[str, bytes], dict[str, object]], provisioner: FakeProvisioner
) -> None:
    provisioner.outcomes = [Outcome("created", "a"), Outcome("failed", "b", reason="disk"), Outcome("created", "c")]
    answer = ask("create_db", b"a b c")
    assert (answer["status"], answer["database"], answer["reason"]) == ("failed", "b", "disk")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Unavailable("away"), "unavailable"), (ServerError("no", 1), "failed"), (OSError(), "unavail")],
)
def test_a_query_is_always_answered(
    ask: Callable[[str, bytes], dict[str, object]], provisioner: FakeProvisioner, error: Exception, status: str
) -> None:
    provisioner.error = error
    answer = ask("create_db", b"a")
    assert str(answer["status"]).startswith(status)
    assert answer["reason"]


@pytest.mark.parametrize("name", ["", "drop_everything", "__init__", "answer", "_create", "\x00\x1b[2J", "x" * 10_000])
def test_an_unknown_query_is_invalid_and_looked_up_nowhere(
    ask: Callable[[str, bytes], dict[str, object]], provisioner: FakeProvisioner, name: str
) -> None:
    answer = ask(name, b"a")
    assert answer["status"] == "invalid"
    assert str(answer["reason"]).startswith("unknown query ")
    assert provisioner.asked == []


def test_an_invalid_payload_is_an_invalid_answer(ask: Callable[[str, bytes], dict[str, object]]) -> None:
    assert ask("create_db", b"\xff")["status"] == "invalid"


def test_whether_a_database_is_here_can_be_asked(ask: Callable[[str, bytes], dict[str, object]]) -> None:
    assert ask("find_db", b"there")["status"] == "exists"
    assert ask("find_db", b"elsewhere")["status"] == "absent"
    assert ask("find_db", b"one two")["status"] == "invalid"


def test_errors_of_ours_all_have_a_status() -> None:
    # Whoever adds a kind of error has to say what is answered for it.
    assert {kind.__name__ for kind in DbHandlerError.__subclasses__()} == {
        "ConfigError", "Denied", "InvalidRequest", "ServerError", "Unavailable",
    }  # fmt: skip


class Observed:
    """The worker and the queries of one agent, with a record of what they were observed to do."""

    def __init__(self, provisioner: FakeProvisioner, clock: Clock, folder: Path) -> None:
        self.seen: list[tuple[str, str, float]] = []
        self.server = RecordingServer()
        self.worker = Worker(provisioner, None, clock, self._observe)  # type: ignore[arg-type]
        self.queries = Queries(
            self.worker, self.server, ServerWatch(self.server, "mariadb", "admin"),  # type: ignore[arg-type]
            Registry(folder / "registry"), Spool(str(folder)), dict, LastError(), clock, self._observe,
        )  # fmt: skip

    def _observe(self, operation: str, outcome: str, seconds: float) -> None:
        self.seen.append((operation, outcome, round(seconds, 6)))


@pytest.fixture
def observed(provisioner: FakeProvisioner, clock: Clock, tmp_path: Path) -> Observed:
    return Observed(provisioner, clock, tmp_path)


def test_each_name_of_an_event_or_a_query_is_observed_once(observed: Observed) -> None:
    observed.worker.create(b"a b", "event create_db #7:", 7)
    observed.queries.answer("create_db", b"c")
    observed.queries.answer("create_db", b"\xff")
    assert observed.seen == [
        ("create_db", "created", 0.002), ("create_db", "created", 0.002), ("create_db", "created", 0.004),
        ("create_db", "invalid", 0),
    ]  # fmt: skip


def test_what_is_unavailable_is_observed_for_a_query_and_waits_as_an_event(
    observed: Observed, provisioner: FakeProvisioner
) -> None:
    provisioner.error = Unavailable("away")
    with pytest.raises(Unavailable):
        observed.worker.create(b"a", "event create_db #7:", 7)
    assert observed.seen == []
    observed.queries.answer("create_db", b"a")
    assert observed.seen == [("create_db", "unavailable", 0.004)]


def test_questions_are_observed_and_what_nobody_knows_has_one_name(observed: Observed) -> None:
    for name, payload in (("find_db", b"x"), ("list_db", b""), ("status_db", b"x"), ("a\nb", b""), ("c", b"")):
        observed.queries.answer(name, payload)
    assert [(operation, outcome) for operation, outcome, _ in observed.seen] == [
        ("find_db", "absent"), ("list_db", "ok"), ("status_db", "invalid"), ("unknown", "invalid"),
        ("unknown", "invalid"),
    ]  # fmt: skip


def test_a_defect_is_observed_as_failed(observed: Observed, provisioner: FakeProvisioner) -> None:
    provisioner.error = KeyError("a defect")
    observed.queries.answer("create_db", b"a")
    assert [seen[:2] for seen in observed.seen] == [("create_db", "failed")]


def test_the_answer_to_status_db_tells_the_last_error_and_always_fits(observed: Observed, clock: Clock) -> None:
    observed.server.replies[sql.server_facts()] = Unavailable('\N{SNOWMAN}\n"' * 500)
    observed.server.replies[sql.uptime()] = [("Uptime", "4294967295")]
    watch = ServerWatch(observed.server, "mariadb", "admin", clock)  # type: ignore[arg-type]
    watch.look()
    long_place = {"host": "h" * 253, "port": 65535}
    queries = Queries(
        observed.worker, observed.server, watch, None, observed.queries._spool, lambda: long_place,  # type: ignore[arg-type]
        LastError(lambda: 0),
    )  # fmt: skip
    answer = json.loads(queries.answer("status_db", b""))
    assert (answer["status"], answer["ready"], answer["last_error_at"]) == ("ok", False, "1970-01-01T00:00:00Z")
    assert answer["last_error"].startswith('\N{SNOWMAN} "\N{SNOWMAN}')
