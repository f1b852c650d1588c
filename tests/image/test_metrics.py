"""The agent's metrics, scraped by Debian's Prometheus with the rules that docs/how-to/watching.md recommends."""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from dbhandler import __version__
from tests.support.containers import RPC_KEY, Container, Site
from tests.support.docker import eventually

RULES = Path(__file__).parents[2] / "container" / "prometheus"
PORT = 9104
UNCREATABLE = "\N{SNOWMAN}" * 64
"""As long as a name may be, but the server writes it as a file name that the file system does not take."""


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    """An image with Debian's Prometheus."""
    return site.build("prometheus.Dockerfile", "trixie")


class Prometheus(Container):
    """A Prometheus with our configuration, which scrapes every second instead of every 15."""

    def __init__(self, site: Site, image: str, network: str, folder: Path) -> None:
        folder.chmod(0o755)
        config = (RULES / "prometheus.yml").read_text().replace("_interval: 15s", "_interval: 1s")
        (folder / "prometheus.yml").write_text(config.replace("type: A", "type: A\n        refresh_interval: 1s"))
        (folder / "alerts.yml").write_bytes((RULES / "alerts.yml").read_bytes())
        options = ("--network", network, "-p", "127.0.0.1::9090", "-v", f"{folder}:/rules:ro")
        super().__init__(site.start(image, options=options, name=site.name("prometheus")))

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its HTTP API; None while it does not answer."""
        url = f"http://127.0.0.1:{self.published(9090)}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return json.load(response)["data"]
        except OSError:
            return None

    def value(self, expression: str) -> float | None:
        """The one value of an expression, None where there is none (yet)."""
        data = self.ask("query", query=expression)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None

    def wait(self, expression: str, expected: float) -> None:
        """Waits until an expression has a value."""
        eventually(f"{expression} to be {expected}; log:\n{self.logs}", lambda: self.value(expression) == expected)

    def alerts(self) -> set[str]:
        """The names of the alerts that are pending or firing."""
        data = self.ask("alerts")
        return {alert["labels"]["alertname"] for alert in data["alerts"]} if data else set()


class World:
    """A database container that serves metrics, and Prometheus beside it."""

    def __init__(self, site: Site, image: str, folder: Path) -> None:
        network = site.network()
        options = ("--network", network, "--network-alias", "db")
        settings = {"DBHANDLER_METRICS": f":{PORT}", "DBHANDLER_NAME_PATTERN": ".*", "SERF_RPC_AUTH": RPC_KEY}
        self.database = site.database(options=options, **settings).wait_healthy().wait_ready()
        self.prometheus = Prometheus(site, image, network, folder)


@pytest.fixture(scope="module")
def world(site: Site, image: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(site, image, tmp_path_factory.mktemp("prometheus"))


def test_the_alert_rules_hold(site: Site, image: str) -> None:
    check = "promtool check config prometheus.yml && promtool check rules alerts.yml && promtool test rules *_test.yml"
    options = ("-v", f"{RULES}:/rules:ro", "--entrypoint", "sh")
    status, log = site.once(image, "-c", check, options=options)
    assert status == 0, log


def test_prometheus_finds_every_metric(world: World) -> None:
    prometheus, database = world.prometheus, world.database
    # Seen before there is anything to tell: what Prometheus has not seen to be less, has not increased for it.
    prometheus.wait("dbhandler_errors_total", 0)
    database.query("create_db", "shop blog")
    assert database.query("create_db", "a" * 65)["status"] == "invalid"
    assert database.query("create_db", UNCREATABLE)["status"] == "failed"
    for outcome, count in (("created", 2), ("invalid", 1), ("failed", 1)):
        prometheus.wait(f'dbhandler_requests_total{{operation="create_db",outcome="{outcome}"}}', count)
    prometheus.wait('dbhandler_request_duration_seconds_count{operation="create_db"}', 4)
    prometheus.wait("dbhandler_server_ready", 1)
    prometheus.wait("dbhandler_spool_entries", 0)
    prometheus.wait("dbhandler_databases", 2)
    prometheus.wait("dbhandler_errors_total", 1)
    prometheus.wait(f'dbhandler_build_info{{engine="mariadb",version="{__version__}"}}', 1)
    eventually("the alerts", lambda: {"DbhandlerErrors", "DbhandlerRequestsFailing"} <= prometheus.alerts())
    names = prometheus.ask("label/__name__/values")
    assert "shop" not in str([prometheus.ask("series", **{"match[]": name}) for name in names])


def test_a_server_that_is_away_shows_while_the_agent_goes_on(world: World) -> None:
    prometheus, database = world.prometheus, world.database
    database.supervisorctl("stop", "dbhandler:mysqld")
    prometheus.wait("dbhandler_server_ready", 0)
    database.event("waits")
    prometheus.wait("dbhandler_spool_entries", 1)
    assert database.query("create_db", "later")["status"] == "unavailable"
    prometheus.wait('dbhandler_requests_total{operation="create_db",outcome="unavailable"}', 1)
    eventually("the alert", lambda: "DbhandlerServerNotReady" in prometheus.alerts())
    database.supervisorctl("start", "dbhandler:mysqld")
    prometheus.wait("dbhandler_server_ready", 1)
    prometheus.wait("dbhandler_spool_entries", 0)
    assert database.holds("waits")


def test_an_agent_that_is_gone_shows(world: World) -> None:
    world.database.supervisorctl("stop", "dbhandler:agent")
    world.prometheus.wait('up{job="dbhandler"}', 0)
    eventually("the alert", lambda: "DbhandlerAgentGone" in world.prometheus.alerts())


def test_a_port_that_is_taken_keeps_no_agent_from_serving(site: Site) -> None:
    database = site.database(DBHANDLER_METRICS=":3306", SERF_RPC_AUTH=RPC_KEY).wait_healthy().wait_ready()
    assert database.query("create_db", "served")["status"] == "created"
    errors = [line for line in database.logs.splitlines() if "[ERROR] [dbhandler]" in line]
    assert len(errors) == 1 and "no metrics: cannot listen at :3306: Address already in use" in errors[0]


def test_a_wrong_setting_stops_the_start_with_a_sentence(site: Site) -> None:
    status, log = site.once("dbhandler:mariadb", DBHANDLER_METRICS="9104")
    assert status == os.EX_CONFIG
    assert "DBHANDLER_METRICS has to be :port or host:port" in log
    assert log.count("\n") == 1
