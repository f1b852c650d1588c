"""queries.py: what the agent does with payloads and queries, and the one line it logs for each request."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler import errors
from dbhandler.agent.backoff import FIRST, MOST, REMEMBERED, SLOW, Backoff
from dbhandler.agent.last_error import LastError
from dbhandler.agent.proofs import Proofs
from dbhandler.agent.queries import PROOF, Queries, fitting
from dbhandler.agent.watch import ServerWatch
from dbhandler.agent.worker import Worker
from dbhandler.engine import group_sql, sql
from dbhandler.errors import Busy, DbHandlerError, ServerError, Unavailable
from dbhandler.provisioning.provision import Outcome
from dbhandler.provisioning.quota import Reading
from dbhandler.requests.answer import MAX_BYTES
from dbhandler.requests.payload import Request
from dbhandler.requests.vocabulary import Status
from dbhandler.spool import Spool
from tests.support.fakes import Clock, RecordingServer, Remembering


class FakeProvisioner:
    """Answers with what a test sets; takes its time by a clock that stands still otherwise."""

    def __init__(self, clock: Clock) -> None:
        self.asked: list[Request] = []
        self.outcomes: dict[str, Outcome] = {}
        self.error: Exception | None = None
        self.seconds = 0.004
        self._clock = clock

    def create_all(self, requests: tuple[Request, ...], ltime: int = 0) -> list[Outcome]:
        self.asked += requests
        self._clock.advance(self.seconds)
        if self.error:
            raise self.error
        made = [Outcome(Status.CREATED, request.database) for request in requests]
        return [self.outcomes.get(str(outcome.database), outcome) for outcome in made]

    def refused(self, requests: tuple[Request, ...]) -> Outcome | None:
        return None


@pytest.fixture
def provisioner(clock: Clock) -> FakeProvisioner:
    return FakeProvisioner(clock)


@pytest.fixture
def worker(provisioner: FakeProvisioner, clock: Clock) -> Worker:
    return Worker(provisioner, None, None, None, clock)  # type: ignore[arg-type]


@pytest.fixture
def ask(worker: Worker, tmp_path: Path) -> Callable[[str, bytes], dict[str, object]]:
    """Asks the Queries under test and decodes the answer."""
    server = RecordingServer({sql.database_exists("there"): [(1,)]})
    watch = ServerWatch(server, "mariadb", "admin")  # type: ignore[arg-type]
    registry, spool = Remembering(), Spool(str(tmp_path))
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
        ("dbhandler.agent.outcome_log", logging.INFO, "event create_db #7: 'wordpress' created in 4.0 ms")
    ]


def test_each_name_of_a_payload_has_its_line(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.create(b"a b", "event:")
    assert caplog.messages == ["event: 'a' created in 4.0 ms", "event: 'b' created in 4.0 ms"]


@pytest.mark.parametrize(
    ("status", "level"),
    [(Status.INVALID, logging.WARNING), (Status.DENIED, logging.WARNING), (Status.FAILED, logging.ERROR)],
)
def test_a_refusal_is_told_with_its_reason(
    worker: Worker, provisioner: FakeProvisioner, caplog: pytest.LogCaptureFixture, status: Status, level: int
) -> None:
    provisioner.outcomes["a"] = Outcome(status, "a", reason="a rule")
    worker.create(b"a", "event:")
    assert caplog.record_tuples == [("dbhandler.agent.outcome_log", level, f"event: 'a' {status} in 4.0 ms: a rule")]


def test_an_account_is_named_and_existing_is_no_warning(
    worker: Worker, provisioner: FakeProvisioner, caplog: pytest.LogCaptureFixture
) -> None:
    provisioner.outcomes["a"] = Outcome(Status.EXISTS, "a", "u")
    worker.create(b"a", "event:")
    assert caplog.record_tuples == [
        ("dbhandler.agent.outcome_log", logging.INFO, "event: 'a' exists for account 'u' in 4.0 ms")
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


class Tried:
    """A worker, whether its server serves, and what the tries of one request raise."""

    def __init__(self, provisioner: FakeProvisioner, clock: Clock) -> None:
        self.serves, self._provisioner, self.clock = True, provisioner, clock
        self.worker = Worker(provisioner, None, None, None, clock, serves=lambda: self.serves)  # type: ignore[arg-type]

    def fails(self, name: str = "a", seconds: float = 0.0) -> Unavailable:
        self._provisioner.error, self._provisioner.seconds = Unavailable("locked"), seconds
        with pytest.raises(Unavailable) as caught:
            self.worker.carry_out(Request(name), "event:")
        self._provisioner.error, self._provisioner.seconds = None, 0.004
        return caught.value


@pytest.fixture
def tried(provisioner: FakeProvisioner, clock: Clock) -> Tried:
    return Tried(provisioner, clock)


def test_what_fails_while_the_server_serves_is_the_requests_own_matter(tried: Tried) -> None:
    assert isinstance(tried.fails(), Busy)
    tried.serves = False
    assert not isinstance(tried.fails(), Busy)


def test_a_request_that_fails_again_and_again_is_to_wait_longer_each_time(tried: Tried) -> None:
    waits = [error.wait for _ in range(9) if isinstance(error := tried.fails(), Busy)]
    assert waits[:4] == pytest.approx([FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST])
    assert waits[-1] == MOST
    tried.worker.carry_out(Request("a"), "event:")
    again = tried.fails()
    assert isinstance(again, Busy)
    assert again.wait == FIRST


def test_a_name_that_waited_for_a_lock_is_not_tried_again_at_once_by_anybody(
    tried: Tried, provisioner: FakeProvisioner
) -> None:
    tried.fails(seconds=SLOW)
    asked = len(provisioner.asked)
    with pytest.raises(Busy, match="'a' could not be carried out a moment ago: locked"):
        tried.worker.create(b"a", "query create_db:")
    assert len(provisioner.asked) == asked
    assert tried.worker.create(b"b", "query create_db:")[0].status == "created"
    tried.clock.advance(MOST)
    assert tried.worker.create(b"a", "query create_db:")[0].status == "created"


def test_a_failure_at_once_bars_nobody_else_from_the_name(tried: Tried) -> None:
    tried.fails(seconds=0.1)
    assert tried.worker.create(b"a", "query create_db:")[0].status == "created"


def test_failures_that_are_remembered_have_a_limit(clock: Clock) -> None:
    backoff = Backoff(clock)
    for number in range(REMEMBERED + 1):
        backoff.failed(str(number), "locked", SLOW)
    backoff.check("0")
    with pytest.raises(Busy):
        backoff.check(str(REMEMBERED))


def test_a_query_is_answered_with_the_outcome_and_the_whereabouts(
    ask: Callable[[str, bytes], dict[str, object]],
) -> None:
    assert ask("create_db", b"a") == {"status": "created", "database": "a", "host": "10.0.0.1", "port": 3306}


def test_of_several_names_the_one_that_was_refused_is_the_answer(
    ask: Callable[[str, bytes], dict[str, object]], provisioner: FakeProvisioner
) -> None:
    provisioner.outcomes["b"] = Outcome(Status.FAILED, "b", reason="disk")
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


def test_a_list_leaves_room_for_its_proof() -> None:
    accounts = [[f"account-{number:02}", "reader", 3600] for number in range(40)]
    line = fitting("accounts", accounts, MAX_BYTES - PROOF)
    answer = json.loads(line)
    assert answer["count"] == 40 and 5 < len(answer["accounts"]) < 40
    assert len(line) <= MAX_BYTES - PROOF < len(fitting("accounts", accounts))


def test_errors_of_ours_all_have_a_status() -> None:
    # Whoever adds a kind of error has to say what is answered for it.
    assert {kind.__name__ for kind in DbHandlerError.__subclasses__() if kind.__module__ == errors.__name__} == {
        "ConfigError", "Denied", "InvalidRequest", "ServerError", "Unavailable",
    }  # fmt: skip


class Observed:
    """The worker and the queries of one agent, with a record of what they were observed to do."""

    def __init__(self, provisioner: FakeProvisioner, clock: Clock, folder: Path) -> None:
        self.seen: list[tuple[str, str, float]] = []
        self.server = RecordingServer()
        self.worker = Worker(provisioner, None, None, None, clock, self._observe)  # type: ignore[arg-type]
        self.watch = ServerWatch(self.server, "mariadb", lambda: True)  # type: ignore[arg-type]
        self.queries = Queries(
            self.worker, self.server, self.watch,  # type: ignore[arg-type]
            Remembering(), Spool(str(folder)), dict, LastError(), clock, self._observe,
        )  # fmt: skip

    def _observe(self, operation: str, outcome: str, seconds: float) -> None:
        self.seen.append((operation, outcome, round(seconds, 6)))


@pytest.fixture
def observed(provisioner: FakeProvisioner, clock: Clock, tmp_path: Path) -> Observed:
    return Observed(provisioner, clock, tmp_path)


def test_each_name_of_an_event_or_a_query_is_observed_once(observed: Observed) -> None:
    observed.worker.create(b"a b", "event create_db #7:")
    observed.queries.answer("create_db", b"c")
    observed.queries.answer("create_db", b"\xff")
    assert observed.seen == [
        ("create_db", "created", 0.004), ("create_db", "created", 0.004), ("create_db", "created", 0.004),
        ("create_db", "invalid", 0),
    ]  # fmt: skip


def test_what_is_unavailable_is_observed_for_a_query_and_waits_as_an_event(
    observed: Observed, provisioner: FakeProvisioner
) -> None:
    provisioner.error = Unavailable("away")
    with pytest.raises(Unavailable):
        observed.worker.create(b"a", "event create_db #7:")
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
        LastError(lambda: 0), quota=lambda: Reading(1, frozenset(map(str, range(10_000)))),
    )  # fmt: skip
    answer = json.loads(queries.answer("status_db", b""))
    assert (answer["status"], answer["ready"], answer["last_error_at"]) == ("ok", False, "1970-01-01T00:00:00Z")
    assert answer["last_error"].startswith('\N{SNOWMAN} "\N{SNOWMAN}')


def test_how_many_databases_are_over_their_quota_is_told_where_any_is(observed: Observed) -> None:
    observed.server.replies[sql.uptime()] = [("Uptime", "5")]
    for over, told in ((frozenset[str](), None), (frozenset({"a", "b"}), 2)):
        observed.queries._quota = lambda over=over: Reading(1000, over)  # type: ignore[misc]
        assert json.loads(observed.queries.answer("status_db", b"")).get("over_quota") == told


# --- proofs ---


def test_every_answer_is_handed_to_who_proves_it(observed: Observed) -> None:
    seen: list[tuple[str, bytes, bytes]] = []

    def sign(name: str, payload: bytes, line: bytes) -> bytes:
        seen.append((name, payload, line))
        return b"proved"

    observed.server.replies[sql.uptime()] = [("Uptime", "5")]
    queries = observed.queries
    queries._proofs = Proofs(sign=sign)
    for name, payload in (("create_db", b"a"), ("find_db", b"a"), ("find_db", b""), ("status_db", b""), ("x", b"y")):
        assert queries.answer(name, payload) == b"proved"
        assert seen[-1][:2] == (name, payload)
    assert [json.loads(line)["status"] for _, _, line in seen] == ["created", "absent", "invalid", "ok", "invalid"]


@pytest.mark.parametrize(
    ("payload", "status"),
    [(b"", "ok"), (b'{"nonce": "AAAAAAAAAAAAAAAAAAAAAA"}', "ok"), (b"x", "invalid"), (b'{"nonce": "x"}', "invalid"),
     (b"{}", "invalid")],
)  # fmt: skip
def test_how_a_server_is_may_be_asked_with_a_nonce(observed: Observed, payload: bytes, status: str) -> None:
    observed.server.replies[sql.uptime()] = [("Uptime", "5")]
    assert json.loads(observed.queries.answer("status_db", payload))["status"] == status


# --- a pool with a directory ---


class FakePlaces:
    """Who has what: it notes for which names it is asked."""

    def __init__(self, **holders: str) -> None:
        self.holders, self.asked = holders, list[str]()
        self.error: Exception | None = None

    def holder(self, name: str) -> str | None:
        self.asked.append(name)
        if self.error:
            raise self.error
        return self.holders.get(name)


@pytest.fixture
def places(observed: Observed) -> FakePlaces:
    """What the observed queries ask of the directory; their server is reached at db1:3306."""
    places = FakePlaces(elsewhere="db2")
    observed.server.replies[sql.database_exists("there")] = [(1,)]
    observed.queries._places = places  # type: ignore[assignment]
    observed.queries._whereabouts = lambda: {"host": "db1", "port": 3306}
    return places


def test_where_a_database_is_that_is_not_here_can_be_asked(observed: Observed, places: FakePlaces) -> None:
    answer = json.loads(observed.queries.answer("find_db", b"elsewhere"))
    # An address would be this server's.
    assert answer == {"status": "placed", "database": "elsewhere", "server": "db2"}
    assert json.loads(observed.queries.answer("find_db", b"nowhere"))["status"] == "absent"
    assert places.asked == ["elsewhere", "nowhere"]


def test_for_a_database_that_is_here_the_directory_is_not_asked(observed: Observed, places: FakePlaces) -> None:
    places.error = Unavailable("the directory is away")
    answer = json.loads(observed.queries.answer("find_db", b"there"))
    assert answer == {"status": "exists", "database": "there", "host": "db1", "port": 3306}
    assert places.asked == []


def test_while_the_directory_is_away_nobody_says_that_a_database_is_absent(
    observed: Observed, places: FakePlaces
) -> None:
    places.error = Unavailable("the directory is away")
    answer = json.loads(observed.queries.answer("find_db", b"elsewhere"))
    assert answer == {"status": "unavailable", "reason": "the directory is away"}


def test_where_a_database_is_the_directory_says_whatever_is_here(observed: Observed, places: FakePlaces) -> None:
    """What is here may be on its way here, or kept for a while after it has gone."""
    places.holders["there"] = "db2"

    def ask(payload: bytes) -> dict[str, object]:
        return dict(json.loads(observed.queries.answer("where_db", payload)))

    assert ask(b"there") == {"status": "placed", "database": "there", "server": "db2"}
    assert ask(b"elsewhere") == {"status": "placed", "database": "elsewhere", "server": "db2"}
    del places.holders["there"]
    assert ask(b"there") == {"status": "exists", "database": "there"}
    assert ask(b'{"database": "nowhere"}') == {"status": "absent", "database": "nowhere"}
    assert ask(b"two names")["status"] == "invalid"
    places.error = Unavailable("the directory is away")
    assert ask(b"there") == {"status": "unavailable", "reason": "the directory is away"}


def test_a_database_in_which_nobody_is_let_in_says_so_until_that_is_over(
    observed: Observed, places: FakePlaces
) -> None:
    asked: list[str] = []
    moves = iter([True, False])

    def moving(name: str) -> bool:
        asked.append(name)
        assert len(places.asked) < len(asked)
        return next(moves)

    observed.queries._moving = moving
    answer = json.loads(observed.queries.answer("where_db", b"there"))
    # Before the directory: what is switched between the two is not taken for what is over.
    assert answer == {"status": "exists", "database": "there", "moving": True}
    assert json.loads(observed.queries.answer("where_db", b"there")) == {"status": "exists", "database": "there"}
    assert asked == ["there", "there"]


def test_a_request_for_a_database_of_another_server_is_answered_with_that_ones_name(
    observed: Observed, provisioner: FakeProvisioner, places: FakePlaces, caplog: pytest.LogCaptureFixture
) -> None:
    provisioner.outcomes["a"] = Outcome(Status.PLACED, "a", reason="the server 'db2' has it", server="db2")
    answer = json.loads(observed.queries.answer("create_db", b"a"))
    assert answer == {"status": "placed", "database": "a", "server": "db2", "reason": "the server 'db2' has it"}
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "query create_db: 'a' placed in 4.0 ms: the server 'db2' has it")
    ]


def test_why_a_new_database_is_here_is_told_and_is_no_warning(
    observed: Observed, provisioner: FakeProvisioner, places: FakePlaces, caplog: pytest.LogCaptureFixture
) -> None:
    provisioner.outcomes["a"] = Outcome(Status.CREATED, "a", reason="it is less loaded")
    answer = json.loads(observed.queries.answer("create_db", b"a"))
    assert (answer["status"], answer["host"], answer["reason"]) == ("created", "db1", "it is less loaded")
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize("status", [Status.PLACED, Status.DENIED, Status.FAILED])
def test_a_reason_of_what_was_made_hides_no_refusal(
    observed: Observed, provisioner: FakeProvisioner, places: FakePlaces, status: Status
) -> None:
    provisioner.outcomes["a"] = Outcome(Status.CREATED, "a", reason="it is less loaded")
    provisioner.outcomes["c"] = Outcome(status, "c", reason="a rule")
    answer = json.loads(observed.queries.answer("create_db", b"a b c"))
    assert (answer["status"], answer["database"], answer["reason"]) == (status, "c", "a rule")
    assert json.loads(observed.queries.answer("create_db", b"b a"))["database"] == "b"


@pytest.mark.parametrize("name", ["create_db", "rotate_db", "drop_db", "grant_db", "revoke_db", "renew_db", "copy_db"])
def test_a_replica_says_whom_to_ask_and_is_asked_nothing(observed: Observed, name: str) -> None:
    facts = {sql.server_facts(): [("11.8", 3306, 1)], group_sql.sources("mariadb"): [("db1",)]}
    observed.server.replies.update(facts)  # type: ignore[arg-type]
    observed.watch.look()
    asked = len(observed.server.executed)
    answer = json.loads(observed.queries.answer(name, b"shop"))
    assert (answer["status"], answer["reason"]) == (Status.UNAVAILABLE, observed.watch.reason)
    assert len(observed.server.executed) == asked


def test_an_event_is_left_to_the_source_of_a_replica(
    provisioner: FakeProvisioner, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    worker = Worker(provisioner, None, None, None, clock, leaves=lambda: True)  # type: ignore[arg-type]
    outcome = worker.carry_out(Request("shop"), "event create_db #7:", 7)
    assert (outcome.status, provisioner.asked) == (Status.ELSEWHERE, [])
    assert "'shop' left to another node" in caplog.text
