"""Accounts on request: over TLS only where the owner wants it so."""

from __future__ import annotations

import pytest

from dbhandler.engine.sql import Statement
from dbhandler.provisioning.accounts import Accounts
from dbhandler.requests.box import Credentials
from tests.support.fakes import RecordingServer


class LettingIn(RecordingServer):
    """A server that knows the account by then."""

    def accepts(self, user: str, password: str) -> bool:
        return True


def made(**how: object) -> Statement:
    server = LettingIn()
    Accounts(server, **how).make(Credentials("shop", "clerk", "word"))  # type: ignore[arg-type]
    [statement] = server.executed
    return statement


@pytest.mark.parametrize("most", [None, 7])
def test_an_account_needs_tls_only_where_the_owner_wants_it_so(most: int | None) -> None:
    assert "REQUIRE" not in made(max_connections=most).text
    statement = made(max_connections=most, need_tls=True)
    assert " REQUIRE SSL" in statement.text and statement.text.startswith("CREATE USER IF NOT EXISTS %s@%s ")
