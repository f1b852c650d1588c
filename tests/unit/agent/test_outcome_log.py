import pytest

from dbhandler.agent.outcome_log import BURST, WINDOW, OutcomeLog
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.vocabulary import Status
from tests.support.fakes import Clock

REFUSED, MADE = Outcome(Status.INVALID, "a", reason="a rule"), Outcome(Status.CREATED, "b")


def test_a_flood_of_refusals_becomes_a_number(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = OutcomeLog(clock)
    for _ in range(2000):
        log.write("event:", REFUSED, 1.0)
    assert len(caplog.messages) == BURST
    clock.advance(WINDOW)
    log.write("event:", REFUSED, 1.0)
    assert caplog.messages[BURST:] == [
        f"{2000 - BURST} more requests were refused within 10 s",
        "event: 'a' invalid in 1.0 ms: a rule",
    ]


def test_what_is_served_is_always_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = OutcomeLog(clock)
    for outcome in [REFUSED] * 100 + [MADE] * 100:
        log.write("event:", outcome, 1.0)
    assert caplog.messages.count("event: 'b' created in 1.0 ms") == 100


def test_a_flood_of_delays_becomes_a_number_of_its_own(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = OutcomeLog(clock)
    for _ in range(BURST + 7):
        log.write_delay("event:", "a\n", "its account is full")
    log.write("event:", REFUSED, 1.0)
    clock.advance(WINDOW)
    log.flush()
    assert caplog.messages[0] == "event: 'a\\n' waits: its account is full"
    assert caplog.messages[BURST:] == ["event: 'a' invalid in 1.0 ms: a rule", "7 more requests wait within 10 s"]
