"""Reading what agents count."""

from __future__ import annotations

import socket

import pytest
from prometheus_client import generate_latest

from dbhandler.agent.metrics import Metrics
from dbhandler.agent.observe import Sources
from dbhandler.console.scraped import MOST_KINDS, Counted, Counts, counted, scrape
from dbhandler.errors import Unavailable
from dbhandler.metrics.scrape import serve


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics(Sources(tags=dict, spool=lambda: 0, databases=lambda: 0, errors=lambda: 0))
    made.observe("create_db", "created", 0.25)
    made.observe("create_db", "created", 0.25)
    made.observe("create_db", "denied", 0.5)
    return made


def test_what_our_agent_serves_is_read(metrics: Metrics) -> None:
    server = serve(("127.0.0.1", 0), metrics.registry)
    try:
        found = scrape("127.0.0.1", server.server_port, None)
    finally:
        server.shutdown()
        server.server_close()
    assert found.requests == (Counted("create_db", "created", 2.0), Counted("create_db", "denied", 1.0))
    assert (found.seconds, found.timed) == (1.0, 3.0)
    assert counted(generate_latest(metrics.registry).decode()) == found


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="no metrics"):
        scrape("127.0.0.1", port, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "\x00" * 100, 'dbhandler_requests_total{operation="<b>",outcome="x"} 1', "dbhandler_requests_total 5",
        'dbhandler_requests_total{operation="a",outcome="b"} NaN', 'dbhandler_requests_total{operation="a"} 1',
    ],
)  # fmt: skip
def test_what_is_no_count_is_passed_over(text: str) -> None:
    assert counted(text) == Counts()


def test_of_a_flood_some_is_read() -> None:
    kinds = [f"{first}{second}" for first in "abcdefghijklmnopqrstuvwxyz" for second in "abcdefghijklmnopqrstuvwxyz"]
    text = "".join(f'dbhandler_requests_total{{operation="{kind}",outcome="x"}} 1e400\n' for kind in kinds)
    found = counted(text)
    assert len(found.requests) == MOST_KINDS and found.requests[0].number == 1e15
