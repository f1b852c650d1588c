"""container/grafana: each expression of the dashboards, asked by promtool of a Prometheus that scrapes real servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers import RPC_KEY, Container, Site
from tests.support.docker import eventually

FOLDER = Path(__file__).parents[2] / "container" / "grafana"
FILES = sorted(FOLDER.glob("*.json"))
CONFIG = """\
global: {scrape_interval: 1s}
scrape_configs:
  - {job_name: dbhandler, static_configs: [{targets: ["db:9104"]}]}
  - {job_name: mysql, static_configs: [{targets: ["exporter:9104"]}]}
"""
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*"}


def dashboard(file: Path) -> dict[str, Any]:
    found = json.loads(file.read_text())
    assert isinstance(found, dict)
    return found


def expressions(file: Path) -> list[str]:
    """What its panels ask, with values in place of Grafana's variables."""
    found = [target["expr"] for panel in dashboard(file)["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    return found


@pytest.fixture(scope="module")
def prometheus(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """A Prometheus that scrapes a server's agent, and the exporter beside that server."""
    image, network, folder = site.build("prometheus.Dockerfile", "trixie"), site.network(), tmp_path_factory.mktemp("p")
    options = ("--network", network, "--network-alias", "db")
    database = site.database(options=options, SERF_RPC_AUTH=RPC_KEY, DBHANDLER_METRICS=":9104")
    database.wait_healthy().wait_ready()
    database.sql("CREATE USER exporter@'%' IDENTIFIED BY 'a password'")
    database.sql("GRANT PROCESS, SELECT ON *.* TO exporter@'%'")
    (folder / "my.cnf").write_text("[client]\nuser=exporter\npassword=a password\nhost=db\n")
    (folder / "prometheus.yml").write_text(CONFIG)
    folder.chmod(0o755)
    known = ("--network", network, "-v", f"{folder}:/rules:ro")
    exporter = ("--network-alias", "exporter", "--entrypoint", "prometheus-mysqld-exporter")
    site.start(image, "--config.my-cnf=/rules/my.cnf", options=(*known, *exporter), name=site.name("exporter"))
    assert database.query("create_db", "shop")["status"] == "created"
    return Container(site.start(image, options=known, name=site.name("prometheus")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_expression_finds_something(prometheus: Container, file: Path) -> None:
    found = expressions(file)
    assert len(found) >= 8
    for expression in found:
        ask = ("promtool", "query", "instant", "http://127.0.0.1:9090", expression)
        eventually(f"values of {expression}", lambda ask=ask: "=>" in prometheus.exec(*ask, check=False))  # type: ignore[misc]


def test_our_metrics_are_as_prometheus_wants_them(prometheus: Container) -> None:
    scrape = "exec 3<>/dev/tcp/db/9104; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; sed '1,/^\\r$/d' <&3"
    assert "dbhandler_server_ready 1.0" in prometheus.exec("bash", "-c", scrape)
    said = prometheus.exec("bash", "-c", f"{scrape} | promtool check metrics", check=False)
    assert not [line for line in said.splitlines() if line.startswith("dbhandler_")], said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_can_be_taken_over(file: Path) -> None:
    found = dashboard(file)
    ids = [panel["id"] for panel in found["panels"]]
    assert len(set(ids)) == len(ids) and found["uid"] and found["title"]
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in found["panels"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found["panels"]]
    assert len(set(places)) == len(places)
