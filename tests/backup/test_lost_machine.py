"""A machine is gone, with the server's volumes, while it is written to: hardly anything is missing in the backup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backup.conftest import IS_FULL
from tests.support.backups import BackedUp
from tests.support.containers import Database, Site
from tests.support.docker import docker, eventually
from tests.support.load import TABLE, Load, quoted

ROUNDS = 20 if IS_FULL else 2
ALLOWED = 1.0
"""Seconds before the end of which rows may be missing."""


@pytest.fixture(scope="module")
def pool(site: Site, engine: str) -> Iterator[BackedUp]:
    made = BackedUp(site, engine)
    yield made
    made.close()


@pytest.fixture(params=range(ROUNDS))
def server(pool: BackedUp, request: pytest.FixtureRequest) -> Database:
    """One more that is backed up."""
    number = int(request.param)
    made = pool.add_server(f"lost{number}") if number else pool.server
    eventually("its base", lambda: pool.backup.logged(rf"the backup of '?{made.node}'? is proven"), interval=0.3)
    return made


def test_what_was_acknowledged_a_second_before_is_there(pool: BackedUp, server: Database) -> None:
    with Load(server) as load:
        load.wait_for_more(4000)
        docker("kill", "-s", "KILL", server.name)
        docker("rm", "-f", "-v", server.name)
        ended = min(eventually("the end", lambda: load.failed))
    there = {n for (n,) in pool.backup.rows("latest", f"SELECT n FROM {quoted(TABLE)}", server.node)}
    missing = {number: ended - at for number, at in load.acknowledged.items() if number not in there}
    print(f"{server.node}: {len(load.acknowledged)} rows, {len(missing)} missing: {sorted(missing.values())[-3:]}")
    assert max(missing.values(), default=0.0) < ALLOWED
    # Nothing was made up: beside what was acknowledged there may be what nobody got an answer for.
    assert len(there - load.acknowledged.keys()) <= 4
