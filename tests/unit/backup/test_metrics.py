"""What Prometheus is told of the backups."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dbhandler.backup.metrics import Metrics
from dbhandler.backup.overview import Range
from dbhandler.backup.source import Source
from dbhandler.backup.standing import Standing
from dbhandler.requests.backup_state import Trouble

WELL = Standing(Source("key-1", "db", "mariadb"), [Range(10.5, 20.0), Range(30.0, 40.5)], 41.0, 39.0, True, None)
NEW = Standing(Source("key-2", "db", "mariadb"), [], None, None, False, Trouble.STREAM)


def value(metrics: Metrics, name: str, source: str = "key-1") -> float | None:
    return metrics.registry.get_sample_value(f"dbhandler_backup_{name}", {"server": "db", "source": source})


def test_readings_are_those_of_the_moment() -> None:
    standings = [WELL]
    metrics = Metrics(lambda: standings)
    expected = {
        "recoverable_from_timestamp_seconds": 10.5, "recoverable_to_timestamp_seconds": 40.5,
        "unbroken_from_timestamp_seconds": 30.0, "gaps": 1, "proven_timestamp_seconds": 39.0,
        "shipped_timestamp_seconds": 41.0, "streaming": 1, "complaint": 0,
    }  # fmt: skip
    assert {name: value(metrics, name) for name in expected} == expected
    standings.clear()
    assert {value(metrics, name) for name in expected} == {None}


def test_of_a_new_one_of_the_same_name_there_is_what_is_known() -> None:
    metrics = Metrics(lambda: [WELL, NEW])
    known = {name: value(metrics, name, "key-2") for name in ("gaps", "streaming", "complaint")}
    assert known == {"gaps": 0, "streaming": 0, "complaint": 1}
    for name in ("recoverable_from", "recoverable_to", "unbroken_from", "proven", "shipped"):
        assert value(metrics, f"{name}_timestamp_seconds", "key-2") is None
        assert value(metrics, f"{name}_timestamp_seconds") is not None


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [(None, 0), (Trouble.AWAY, 0), (Trouble.STREAM, 1), (Trouble.BASE, 1), (Trouble.REPOSITORY, 1)],
)
def test_a_server_that_is_away_is_no_complaint(trouble: Trouble | None, complaint: int) -> None:
    standing = Standing(WELL.source, WELL.ranges, 41.0, 39.0, False, trouble)
    assert value(Metrics(lambda: [standing]), "complaint") == complaint


def test_what_is_served_is_prometheuss_format_whatever_a_server_is_called() -> None:
    named = Standing(Source("key-1", 'a"\n\\b', "mariadb"), [], None, None, True, None)
    text = generate_latest(Metrics(lambda: [named]).registry).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    own = [family for name, family in families.items() if name.startswith("dbhandler_")]
    assert len(own) == 8 and all(family.documentation and family.type == "gauge" for family in own)
    [sample] = families["dbhandler_backup_streaming"].samples
    assert sample.labels == {"server": 'a"\n\\b', "source": "key-1"}


def test_a_backup_without_metrics_does_not_load_the_library() -> None:
    program = "import sys, dbhandler.backup.run; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
