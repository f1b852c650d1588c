"""The way to the other members' data: by whichever of the pool's secrets they know."""

from __future__ import annotations

from typing import Any

import pytest

from dbhandler.engine import group_sql
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.group.replication import peers
from dbhandler.group.replication.peers import Done, Peers
from dbhandler.trust.group import USER, account_password
from tests.support.fakes import RecordingServer
from tests.support.group_nodes import HISTORY, node

NEW, OLD = bytes(32), bytes([1]) * 32
DONOR = node("bbbbbbbb", host="10.0.0.2", port=3307)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that the other member knows, which tests change."""
    known = [account_password(NEW)]

    class Played(RecordingServer):
        def __init__(self, host: str, port: int, user: str, password: str, *_: Any) -> None:
            assert (host, port, user) == ("10.0.0.2", 3307, USER)
            refused = Unavailable("it does not let this account in")
            done: Any = [(f"{HISTORY}:1-9", f"{HISTORY}:1-4")] if password in known else refused
            super().__init__({group_sql.executed(): done})

        def __enter__(self) -> Played:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(peers, "DistantServer", Played)
    return known


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_the_secret_that_they_know_is_found(known: list[str], secret: bytes) -> None:
    known[:] = [account_password(secret)]
    found = Peers([NEW, OLD])
    done = found.transactions(DONOR)
    assert isinstance(done, Done) and (str(done.executed), str(done.purged)) == (f"{HISTORY}:1-9", f"{HISTORY}:1-4")
    assert found.word() == account_password(secret)
    assert found.password == [NEW, OLD].index(secret)


def test_who_knows_none_of_them_lets_nobody_in(known: list[str]) -> None:
    known.clear()
    with pytest.raises(DbHandlerError, match="does not let this account in"):
        Peers([NEW, OLD]).transactions(DONOR)


def test_a_group_takes_passwords_of_32_characters_at_most() -> None:
    # MySQL's error 3972 (ER_GROUP_REPLICATION_PASSWORD_LENGTH).
    assert len(account_password(NEW)) == 32
    assert account_password(NEW) != account_password(OLD)
