"""How metrics are served to Prometheus, and to whoever else connects."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dbhandler import http_server
from dbhandler.metrics import scrape
from dbhandler.metrics.scrape import ScrapeServer
from dbhandler.volume import tls
from dbhandler.volume.certificate import ServerCertificate

PATIENCE = 20.0


class Reading(Collector):
    """One that fails where it is told to."""

    failure: Exception | None = None

    def collect(self) -> Iterator[Metric]:
        if self.failure:
            raise self.failure
        yield GaugeMetricFamily("measured", "What is measured.", 1)


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def registry(reading: Reading) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(reading)
    return made


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


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return str(response.read().decode())


def test_over_tls_with_the_servers_certificate_of_the_moment(registry: CollectorRegistry, tmp_path: Path) -> None:
    tls.ensure_keys("mariadb", tmp_path)
    server = scrape.serve(("127.0.0.1", 0), registry, (tmp_path / tls.CERTIFICATE, tmp_path / tls.KEY))
    try:
        # As renewed while it serves.
        for number in (1, 2):
            certificate = ServerCertificate(tmp_path, [bytes([number]) * 32])
            certificate.ensure(["127.0.0.1"])
            context = ssl.create_default_context(cadata=certificate.root())
            with urllib.request.urlopen(f"https://127.0.0.1:{server.server_port}/metrics", context=context) as response:
                assert b"measured" in response.read()
        with pytest.raises(urllib.error.URLError):
            get(f"https://127.0.0.1:{server.server_port}/metrics")
        with pytest.raises((OSError, http.client.HTTPException)):
            get(f"http://127.0.0.1:{server.server_port}/metrics")
    finally:
        server.shutdown()
        server.server_close()


def test_a_client_that_hangs_or_sends_garbage_does_not_stop_the_next(
    registry: CollectorRegistry, serve: Callable[[CollectorRegistry], str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(http_server, "CLIENT_TIMEOUT", 0.1)
    url = serve(registry)
    address = ("127.0.0.1", int(url.split(":")[2].partition("/")[0]))
    with socket.create_connection(address) as silent, socket.create_connection(address) as half:
        half.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        for garbage in (b"\xff\x00\r\n\r\n", b"GET " + b"/" * 70_000, b""):
            with socket.create_connection(address) as babbler:
                babbler.sendall(garbage)
        assert "measured 1.0" in get(url)
        silent.settimeout(PATIENCE)
        assert silent.recv(1) == b"", "it hung up"
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


def test_slow_clients_cost_a_scrape_nothing(
    registry: CollectorRegistry, serve: Callable[[CollectorRegistry], str]
) -> None:
    url = serve(registry)
    address = ("127.0.0.1", int(url.split(":")[2].partition("/")[0]))
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(3 * scrape.MOST_CLIENTS)]
        for number, client in enumerate(slow):
            # One of them sends a byte now and then, which no time-out minds.
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: "[: number % 20])
        began = time.monotonic()
        for _ in range(5):
            assert "measured 1.0" in get(url)
        assert time.monotonic() - began < http_server.CLIENT_TIMEOUT
        assert sum(thread.name.startswith("Thread-") for thread in threading.enumerate()) <= scrape.MOST_CLIENTS + 5
        slow[0].settimeout(PATIENCE)
        assert slow[0].recv(1) == b"", "it hung up"


def test_a_reading_that_fails_is_a_sentence_and_the_next_scrape_is_served(
    registry: CollectorRegistry, reading: Reading, serve: Callable[[CollectorRegistry], str],
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    url, reading.failure = serve(registry), RuntimeError("a defect")
    with pytest.raises(urllib.error.HTTPError, match="500"):
        get(url)
    assert caplog.messages == ["a scrape failed (RuntimeError)"]
    assert capfd.readouterr() == ("", "")
    reading.failure = None
    assert "measured 1.0" in get(url)
