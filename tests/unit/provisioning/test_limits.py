"""How many connections one account may have."""

from __future__ import annotations

import pytest

from dbhandler.engine import sql
from dbhandler.provisioning.limits import DEFAULT, LEAST, keep_share
from tests.support.fakes import RecordingServer


@pytest.mark.parametrize(("connections", "share"), [(20, LEAST), (90, 30), (3000, 1000)])
def test_the_images_limit_follows_the_number_of_connections(connections: int, share: int) -> None:
    server = RecordingServer({sql.connection_limits(): [(connections, DEFAULT)]})
    keep_share(server)  # type: ignore[arg-type]
    assert server.executed[1:] == [sql.limit_accounts(share)]


@pytest.mark.parametrize(("connections", "limit"), [(3 * DEFAULT, DEFAULT), (20, 0), (20, 19), (3000, 50)])
def test_a_limit_that_fits_or_is_the_owners_stays(connections: int, limit: int) -> None:
    server = RecordingServer({sql.connection_limits(): [(connections, limit)]})
    keep_share(server)  # type: ignore[arg-type]
    assert server.executed == [sql.connection_limits()]
