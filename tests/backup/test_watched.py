"""How an operator sees the backups: metrics, and the table of the servers, before and after something goes wrong."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.backup.conftest import IS_FULL
from tests.support.backups import BackedUp
from tests.support.containers import ENGINES, Container, Site
from tests.support.docker import docker, eventually

PORT = 9104
STATUS = "dbhandler-status"
SECRET_NAME = "a_name_that_no_other_tenant_sees"


class Watched(BackedUp):
    """A pool whose backup serves metrics."""

    def __init__(self, site: Site, engine: str) -> None:
        super().__init__(site, engine, ("-p", f"127.0.0.1::{PORT}"), DBHANDLER_METRICS=f":{PORT}")

    def metrics(self) -> dict[str, float]:
        """The readings of the one source."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.backup.published(PORT)}/metrics", timeout=10) as response:
            text = response.read().decode()
        assert SECRET_NAME not in text
        prefix = "dbhandler_backup_"
        families = [family for family in text_string_to_metric_families(text) if family.name.startswith(prefix)]
        samples = [sample for family in families for sample in family.samples]
        assert {sample.labels["server"] for sample in samples} <= {"db1"}
        return {sample.name.removeprefix(prefix): sample.value for sample in samples}

    def has(self, **expected: float) -> bool:
        return expected.items() <= self.metrics().items()

    def row(self, asked: Container) -> Any:
        """What --json tells of the server's backup, asked inside this container."""
        [line] = [line for line in asked.run(STATUS, "--json").stdout.splitlines() if line.startswith("[")]
        assert SECRET_NAME not in line
        return next(row["backup"] for row in json.loads(line) if row["alive"] or row["state"] == "failed")


@pytest.fixture(scope="module", params=ENGINES if IS_FULL else ["mariadb"])
def engine(request: pytest.FixtureRequest) -> str:
    """In the short form one: what is tried here is of the backup's more than of the server's."""
    return str(request.param)


@pytest.fixture(scope="module")
def pool(site: Site, engine: str) -> Iterator[Watched]:
    made = Watched(site, engine)
    made.server.wait_ready()
    made.server.sql(f"CREATE DATABASE {SECRET_NAME}")
    made.server.sql(f"CREATE TABLE {SECRET_NAME}.t (n INT PRIMARY KEY)")
    made.backup.wait_proven()
    yield made
    made.close()


def test_all_is_well_wherever_it_is_looked_at(pool: Watched) -> None:
    eventually("all to be well", lambda: pool.has(streaming=1, complaint=0, gaps=0))
    eventually("what is shipped", lambda: "shipped_timestamp_seconds" in pool.metrics())
    seen = pool.metrics()
    now = seen["recoverable_to_timestamp_seconds"]
    assert seen["recoverable_from_timestamp_seconds"] == seen["unbroken_from_timestamp_seconds"] < now
    assert abs(seen["proven_timestamp_seconds"] - now) < 300
    # It goes on by itself, also where nothing is written.
    eventually("the next second", lambda: pool.metrics()["recoverable_to_timestamp_seconds"] > now + 1)
    for asked in (pool.agent, pool.server, pool.backup):
        status = asked.run(STATUS)
        assert (status.returncode, "BACKUP OF  RECOVERABLE FROM" in status.stdout) == (0, True), status.stdout
        line = next(line for line in status.stdout.splitlines() if line.startswith("db1 ") and " 20" in line)
        assert line.endswith("  -"), line
        row = pool.row(asked)
        assert (row["name"], row["gaps"], row["trouble"]) == ("db1", 0, None)
        assert row["first"] <= row["proven"] and abs(row["last"] - row["proven"]) < 300


def test_who_is_not_of_the_pool_may_ask_and_learns_no_name_of_a_database(pool: Watched) -> None:
    environ = {**pool.common, "DBHANDLER_POOL_SECRET": ""}
    stranger = pool.site.agent(options=("--network", pool.network), **environ)
    eventually("its place", lambda: len(stranger.members()) == 4)
    answers = stranger.serf("query", "backup_status", "hello")
    assert '"db1"' in answers and SECRET_NAME not in answers and "reason" not in answers
    stranger.remove()


def test_a_server_that_is_stopped_and_a_backup_that_is(pool: Watched) -> None:
    before = pool.row(pool.agent)
    pool.server.kill()
    eventually("it to be away", lambda: pool.has(streaming=0, complaint=0), timeout=60)
    reached = pool.metrics()["recoverable_to_timestamp_seconds"]
    assert reached >= before["last"]
    eventually("that to be told", lambda: "its server is away" in pool.agent.run(STATUS).stdout, timeout=60)
    assert (pool.row(pool.agent)["trouble"], pool.row(pool.agent)["proven"]) == ("away", before["proven"])
    assert pool.metrics()["recoverable_to_timestamp_seconds"] == reached, "what is kept stays, and grows no more"

    # A backup that begins anew has met nobody, and knows all the same what it keeps.
    pool.backup.restart()
    eventually("its metrics", lambda: _served(pool))
    assert pool.metrics()["recoverable_to_timestamp_seconds"] >= int(reached)
    eventually("it to answer", lambda: "its server is away" in pool.agent.run(STATUS).stdout)

    pool.server.start()
    pool.server.wait_ready()
    eventually("it to go on", lambda: pool.has(streaming=1, complaint=0, gaps=0))
    eventually("that to be told", lambda: pool.agent.run(STATUS).returncode == 0)
    assert pool.row(pool.agent)["trouble"] is None

    docker("pause", pool.backup.name)
    try:
        told = pool.agent.run(STATUS)
        assert (told.returncode, " does not answer" in told.stdout) == (0, True), told.stdout
    finally:
        docker("unpause", pool.backup.name)


def _served(pool: Watched) -> bool:
    try:
        return bool(pool.metrics())
    except OSError:
        return False
