"""What Prometheus is told, and how it is served."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from dbhandler import __version__
from dbhandler.agent import observe, scrape
from dbhandler.agent.metrics import Metrics
from dbhandler.agent.observe import Sources
from dbhandler.agent.scrape import ScrapeServer
from dbhandler.requests.vocabulary import Query
from dbhandler.settings.config import MetricsSettings
from dbhandler.volume import tls
from dbhandler.volume.certificate import ServerCertificate

PATIENCE = 20.0
NO_FILES = (Path("no certificate"), Path("no key"))
TAGS = {"mysql": "ready", "engine": "mariadb", "version": "11.8.6"}


class World:
    """What the readings are taken from."""

    def __init__(self) -> None:
        self.tags: Mapping[str, str] = TAGS
        self.databases: int | None = 7
        self.spool: int | Exception = 3

    def sources(self) -> Sources:
        return Sources(lambda: self.tags, self._spool, lambda: self.databases, lambda: 2)

    def _spool(self) -> int:
        if isinstance(self.spool, Exception):
            raise self.spool
        return self.spool


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def metrics(world: World) -> Metrics:
    return Metrics(world.sources())


@pytest.fixture
def serve() -> Iterator[Callable[[CollectorRegistry], str]]:
    """Serves a registry on a free port; returns the URL."""
    servers: list[ScrapeServer] = []

    def start(registry: CollectorRegistry) -> str:
        servers.append(scrape.serve(("127.0.0.1", 0), registry))
        return f"http://127.0.0.1:{servers[-1].server_port}/metrics"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_over_tls_with_the_servers_certificate_of_the_moment(world: World, tmp_path: Path) -> None:
    tls.ensure_keys("mariadb", tmp_path)
    server = scrape.serve(
        ("127.0.0.1", 0), Metrics(world.sources()).registry, (tmp_path / tls.CERTIFICATE, tmp_path / tls.KEY)
    )
    try:
        # As renewed while it serves.
        for number in (1, 2):
            certificate = ServerCertificate(tmp_path, [bytes([number]) * 32])
            certificate.ensure(["127.0.0.1"])
            context = ssl.create_default_context(cadata=certificate.root())
            with urllib.request.urlopen(f"https://127.0.0.1:{server.server_port}/metrics", context=context) as response:
                assert b"dbhandler_databases" in response.read()
        with pytest.raises(urllib.error.URLError):
            get(f"https://127.0.0.1:{server.server_port}/metrics")
        with pytest.raises((OSError, http.client.HTTPException)):
            get(f"http://127.0.0.1:{server.server_port}/metrics")
    finally:
        server.shutdown()
        server.server_close()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return str(response.read().decode())


def test_requests_are_counted_by_operation_and_outcome(metrics: Metrics) -> None:
    for outcome, seconds in (("created", 0.002), ("created", 0.004), ("denied", 20.0)):
        metrics.observe("create_db", outcome, seconds)
    assert value(metrics, "dbhandler_requests_total", operation="create_db", outcome="created") == 2
    assert value(metrics, "dbhandler_requests_total", operation="create_db", outcome="denied") == 1
    histogram = "dbhandler_request_duration_seconds"
    assert value(metrics, f"{histogram}_count", operation="create_db") == 3
    assert value(metrics, f"{histogram}_bucket", operation="create_db", le="0.0025") == 1
    assert value(metrics, f"{histogram}_bucket", operation="create_db", le="10.0") == 2


def test_failures_are_there_before_the_first(metrics: Metrics) -> None:
    for operation in Query:
        for outcome in ("failed", "unavailable"):
            assert value(metrics, "dbhandler_requests_total", operation=operation, outcome=outcome) == 0


def test_readings_are_those_of_the_moment(metrics: Metrics, world: World) -> None:
    names = ("dbhandler_server_ready", "dbhandler_databases", "dbhandler_spool_entries", "dbhandler_errors_total")
    assert [value(metrics, name) for name in names] == [1, 7, 3, 2]
    world.tags, world.databases, world.spool = {"mysql": "down", "engine": "mariadb"}, None, 0
    assert [value(metrics, name) for name in names] == [0, None, 0, 2]


def test_the_build_is_told(metrics: Metrics) -> None:
    labels = {"version": __version__, "engine": "mariadb", "server_version": "11.8.6"}
    assert value(metrics, "dbhandler_build_info", **labels) == 1


def test_a_spool_that_cannot_be_read_spoils_only_its_own_reading(metrics: Metrics, world: World) -> None:
    world.spool = PermissionError("no")
    assert str(value(metrics, "dbhandler_spool_entries")) == "nan"
    assert value(metrics, "dbhandler_server_ready") == 1


def test_what_is_served_is_prometheuss_format(metrics: Metrics, serve: Callable[[CollectorRegistry], str]) -> None:
    metrics.observe("find_db", "absent", 0.1)
    families = {family.name: family for family in text_string_to_metric_families(get(serve(metrics.registry)))}
    own = {name for name in families if name.startswith("dbhandler_")}
    assert own == {
        "dbhandler_requests", "dbhandler_request_duration_seconds", "dbhandler_server_ready", "dbhandler_databases",
        "dbhandler_spool_entries", "dbhandler_errors", "dbhandler_build_info",
    }  # fmt: skip
    assert all(families[name].documentation for name in own)
    assert families["dbhandler_requests"].type == families["dbhandler_errors"].type == "counter"


def test_a_client_that_hangs_or_sends_garbage_does_not_stop_the_next(
    metrics: Metrics, serve: Callable[[CollectorRegistry], str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(scrape, "CLIENT_TIMEOUT", 0.1)
    url = serve(metrics.registry)
    address = ("127.0.0.1", int(url.split(":")[2].partition("/")[0]))
    with socket.create_connection(address) as silent, socket.create_connection(address) as half:
        half.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        for garbage in (b"\xff\x00\r\n\r\n", b"GET " + b"/" * 70_000, b""):
            with socket.create_connection(address) as babbler:
                babbler.sendall(garbage)
        assert "dbhandler_server_ready 1.0" in get(url)
        silent.settimeout(PATIENCE)
        assert silent.recv(1) == b"", "it hung up"
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


def test_slow_clients_cost_a_scrape_nothing(metrics: Metrics, serve: Callable[[CollectorRegistry], str]) -> None:
    url = serve(metrics.registry)
    address = ("127.0.0.1", int(url.split(":")[2].partition("/")[0]))
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(3 * scrape.MOST_CLIENTS)]
        for number, client in enumerate(slow):
            # One of them sends a byte now and then, which no time-out minds.
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: "[: number % 20])
        began = time.monotonic()
        for _ in range(5):
            assert "dbhandler_server_ready 1.0" in get(url)
        assert time.monotonic() - began < scrape.CLIENT_TIMEOUT
        assert sum(thread.name.startswith("Thread-") for thread in threading.enumerate()) <= scrape.MOST_CLIENTS + 5
        slow[0].settimeout(PATIENCE)
        assert slow[0].recv(1) == b"", "it hung up"


def test_a_reading_that_fails_is_a_sentence_and_the_next_scrape_is_served(
    metrics: Metrics, world: World, serve: Callable[[CollectorRegistry], str], capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    url, world.spool = serve(metrics.registry), RuntimeError("a defect")
    with pytest.raises(urllib.error.HTTPError, match="500"):
        get(url)
    assert caplog.messages == ["a scrape failed (RuntimeError)"]
    assert capfd.readouterr() == ("", "")
    world.spool = 1
    assert "dbhandler_spool_entries 1.0" in get(url)


def test_a_port_that_is_taken_is_one_error_and_no_more(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert observe.start(MetricsSettings("127.0.0.1", port), world.sources(), NO_FILES) is observe.unobserved
    assert caplog.record_tuples == [
        (
            "dbhandler.agent.observe",
            logging.ERROR,
            f"no metrics: cannot listen at 127.0.0.1:{port}: Address already in use",
        )
    ]


def test_a_host_that_is_not_there_is_one_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert observe.start(MetricsSettings("no-such-host.invalid", 1), world.sources(), NO_FILES) is observe.unobserved
    [message] = caplog.messages
    assert message.startswith("no metrics: cannot listen at no-such-host.invalid:1: ")


def test_without_the_library_there_is_one_error(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("prometheus_client", "dbhandler.agent.metrics", "dbhandler.agent.scrape"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr("dbhandler.agent.metrics")
    monkeypatch.delattr("dbhandler.agent.scrape")
    assert observe.start(MetricsSettings("127.0.0.1", 0), world.sources(), NO_FILES) is observe.unobserved
    assert caplog.messages == ["no metrics: DBHANDLER_METRICS needs the Python package prometheus_client"]


def test_an_agent_without_metrics_does_not_load_the_library() -> None:
    program = (
        "import sys, dbhandler.agent; from dbhandler.agent.observe import start, unobserved; "
        "assert start(None, None, None) is unobserved; print('prometheus_client' in sys.modules, 'http' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"
