"""Whether metrics are served: where their owner wants that and it can be done, and at no other's cost."""

from __future__ import annotations

import logging
import socket
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from dbhandler.metrics import serving
from dbhandler.settings.config import MetricsSettings

NO_FILES = (Path("no certificate"), Path("no key"))


class Measured:
    """One reading."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Gauge("measured", "What is measured.", registry=self.registry).set(7)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_what_is_wanted_is_served() -> None:
    port = free_port()
    assert serving.start(MetricsSettings("127.0.0.1", port), Measured, NO_FILES)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as response:
        assert b"measured 7.0" in response.read()


def test_what_is_not_wanted_is_not_even_made() -> None:
    assert serving.start(None, lambda: pytest.fail("it is made"), NO_FILES) is None


def test_a_port_that_is_taken_is_one_error_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serving.start(MetricsSettings("127.0.0.1", port), Measured, NO_FILES) is None
    sentence = f"no metrics: cannot listen at 127.0.0.1:{port}: Address already in use"
    assert caplog.record_tuples == [("dbhandler.metrics.serving", logging.ERROR, sentence)]


def test_a_host_that_is_not_there_is_one_error(caplog: pytest.LogCaptureFixture) -> None:
    assert serving.start(MetricsSettings("no-such-host.invalid", 1), Measured, NO_FILES) is None
    [message] = caplog.messages
    assert message.startswith("no metrics: cannot listen at no-such-host.invalid:1: ")


def test_without_the_library_there_is_one_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("prometheus_client", "dbhandler.metrics.scrape"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr("dbhandler.metrics.scrape", raising=False)
    assert serving.start(MetricsSettings("127.0.0.1", 0), Measured, NO_FILES) is None
    assert caplog.messages == ["no metrics: DBHANDLER_METRICS needs the Python package prometheus_client"]
