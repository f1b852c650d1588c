"""For how long a new database lives: noted before it is there, and given up where it is refused."""

from __future__ import annotations

import pytest

from dbhandler.errors import Denied
from dbhandler.provisioning.account_table import MAIN, Account
from dbhandler.provisioning.term import Term
from dbhandler.requests.box import Credentials
from tests.support.fakes import RecordingServer

ENDING = Credentials("shop", "shop", "x" * 12, ttl=60)
PLAIN = Credentials("shop", "shop", "x" * 12)


class Table:
    def __init__(self, *accounts: Account) -> None:
        self.rows = {account.user: account for account in accounts}

    def of(self, user: str) -> Account | None:
        return self.rows.get(user)

    def put(self, account: Account) -> None:
        self.rows[account.user] = account

    def forget_account(self, user: str) -> None:
        self.rows.pop(user, None)


def term(table: Table, may_drop: bool = True) -> Term:
    made = Term(RecordingServer(), lambda: 1_000, may_drop)  # type: ignore[arg-type]
    made._table = table  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("known", "asker", "wanted"),
    [
        (None, ENDING, Account("shop", "shop", MAIN, 61_000)),
        (None, PLAIN, None),
        # What was left of a try before, or of a database that its owner dropped with SQL.
        (Account("shop", "shop", MAIN, 5), PLAIN, None),
        (Account("shop", "shop", MAIN, 5), ENDING, Account("shop", "shop", MAIN, 61_000)),
        # A former password ends when it was to.
        (Account("shop", "shop", MAIN, 5, 7), PLAIN, Account("shop", "shop", MAIN, None, 7)),
        (Account("shop", "shop", MAIN, None, 7), PLAIN, Account("shop", "shop", MAIN, None, 7)),
        (Account("shop", "shop", MAIN, None, 7), ENDING, Account("shop", "shop", MAIN, 61_000, 7)),
    ],
)
def test_the_end_is_the_requests(known: Account | None, asker: Credentials, wanted: Account | None) -> None:
    table = Table(*[known] if known else [])
    with term(table).noted(asker):
        assert table.of("shop") == wanted
    assert table.of("shop") == wanted


def test_what_is_refused_has_no_end() -> None:
    table = Table()
    with pytest.raises(Denied), term(table).noted(ENDING):
        raise Denied("no")
    assert table.rows == {}


def test_a_server_that_drops_nothing_gives_no_ends() -> None:
    with pytest.raises(Denied, match="DBHANDLER_ALLOW_DROP"):
        term(Table(), may_drop=False).check(ENDING)
    term(Table(), may_drop=False).check(PLAIN)


def test_what_is_left_is_told_in_seconds() -> None:
    table = Table(Account("shop", "shop", MAIN, 61_999), Account("old", "old", MAIN, 5), Account("no", "no", MAIN))
    assert [term(table).left(user) for user in ("shop", "old", "no", "nobody")] == [60, 0, None, None]
