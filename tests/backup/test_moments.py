"""Any moment comes back exactly: while several databases are written to, everything is noted, and compared later."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.backup.conftest import IS_FULL
from tests.support.backups import BackedUp, checksums, said
from tests.support.containers import Site
from tests.support.recorded import RecordingWriter, content_of

DATABASES = ("shop", "straße", "forum")
WRITTEN = 60.0 if IS_FULL else 8.0
"""Seconds for which is written."""
MOMENTS = 20 if IS_FULL else 3
LATE = {"mysql": 0.0, "mariadb": 1.0}
"""Seconds. MySQL tells when it has committed; MariaDB in which second, and in this it counts when it came."""


@dataclass
class Written:
    """The pool, what was written there, from when to when, and what came of it."""

    pool: BackedUp
    writers: list[RecordingWriter]
    first: float
    last: float
    checksums: dict[str, object]


@pytest.fixture(scope="module")
def written(site: Site, engine: str) -> Iterator[Written]:
    pool = BackedUp(site, engine)
    pool.server.wait_ready()
    pool.backup.wait_proven()
    pool.server.sql("CREATE DATABASE treasury")
    pool.server.sql("CREATE TABLE treasury.coins (n INT PRIMARY KEY)")
    pool.server.sql("INSERT INTO treasury.coins VALUES (1), (2), (3)")
    with ExitStack() as stack:
        first = time.time()
        made = [RecordingWriter(pool.server, name, number) for number, name in enumerate(DATABASES)]
        writers = [stack.enter_context(writer) for writer in made]
        time.sleep(WRITTEN / 2)
        pool.server.sql("DROP TABLE treasury.coins")
        time.sleep(WRITTEN / 2)
        last = time.time()
    yield Written(pool, writers, first, last, checksums(pool.server))
    pool.close()


@pytest.fixture(autouse=True)
def _as_before(written: Written) -> Iterator[None]:
    """What was restored is removed again."""
    before = written.pool.server.databases()
    yield
    for name in written.pool.server.databases() - before:
        written.pool.server.sql(f"DROP DATABASE `{name}`")


def check_as_noted(written: Written, writer: RecordingWriter, moment: float, name: str) -> None:
    """The restored database is as the writer's was at that moment."""
    found = content_of(written.pool.server, name)
    least, most = writer.record.possible(moment, LATE[written.pool.engine])
    fitting = [count for count in range(least, most + 1) if writer.record.content(count) == found]
    assert fitting, f"at {said(moment)} none of {least} to {most} steps fits: {len(found.rows['straße'])} rows"
    if fitting[-1] < len(writer.record.steps):
        missed = writer.record.steps[fitting[-1]]
        print(f"{writer.database}: {fitting[-1]} of {most} steps; the next was done {moment - missed.ended:+.4f} s")


def check_nothing_else(written: Written, name: str) -> None:
    """No other database was touched."""
    assert checksums(written.pool.server, name) == written.checksums


@pytest.mark.parametrize("number", range(MOMENTS))
def test_a_random_moment(written: Written, rng: random.Random, number: int) -> None:
    moment = rng.uniform(written.first + 2.0, written.last)
    writer, name = rng.choice(written.writers), f"back{number}"
    began = time.monotonic()
    done = written.pool.backup.restore(writer.database, said(moment), name)
    assert done.returncode == 0, done.stdout
    print(f"{time.monotonic() - began:.1f} s")
    check_as_noted(written, writer, moment, name)
    check_nothing_else(written, name)


def test_the_latest_moment(written: Written) -> None:
    writer = written.writers[1]
    done = written.pool.backup.restore(writer.database, "latest", "newest")
    assert done.returncode == 0, done.stdout
    assert content_of(written.pool.server, "newest") == writer.record.content(len(writer.record.steps))
    check_nothing_else(written, "newest")


def test_what_was_dropped_is_found_and_brought_back(written: Written) -> None:
    found = written.pool.backup.tool("find", "--drop", "coins")
    assert found.returncode == 0, found.stdout
    [line] = [line for line in found.stdout.splitlines() if "DROP TABLE" in line]
    gtid = line.split("  ")[2]
    done = written.pool.backup.restore("treasury", f"before:{gtid}", "before")
    assert done.returncode == 0, done.stdout
    assert written.pool.server.sql("SELECT * FROM `before`.coins ORDER BY n") == [(1,), (2,), (3,)]
    check_nothing_else(written, "before")
    done = written.pool.backup.restore("treasury", gtid, "through")
    assert done.returncode == 0, done.stdout
    assert written.pool.server.sql("SHOW TABLES IN through") == []


REFUSED = {
    "1999-12-31": ("shop", "other", 70, "known is 20"),
    "latest, a name that is taken": ("shop", "forum", 77, "'forum' already"),
    "latest, a database that never was": ("nowhere", "other", 77, "'shop'"),
    "tomorrow": ("shop", "other", 64, "a moment is"),
    "before:nothing": ("shop", "other", 64, "a moment is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(written: Written, case: str) -> None:
    database, name, status, text = REFUSED[case]
    done = written.pool.backup.restore(database, case.partition(",")[0], name)
    assert (done.returncode, text in done.stdout) == (status, True), done
    assert checksums(written.pool.server) == written.checksums
