import pytest
from fakes import Clock

from dbhandler.outcome_log import BURST, WINDOW, OutcomeLog
from dbhandler.provision import Outcome

REFUSED, MADE = Outcome("invalid", "a", reason="a rule"), Outcome("created", "b")


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
