"""Who has which database, from what a server says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbhandler.provisioning.account_table import ADMIN, MAIN, Account
from dbhandler.provisioning.overview import Grant, Held, Row, Seen, rows
from dbhandler.provisioning.registry import Entry

SHOP = Seen(
    databases=frozenset({"shop"}),
    claims=[Entry("shop", "clerk", None, "then", 90)],
    table=[
        Account("zoe", "shop", "owner"), Account("ann", "shop", "reader", ends=5000),
        Account("clerk", "shop", MAIN, 9000, 7000), Account("admin", "", ADMIN, None, 1000),
    ],
    users=frozenset({"clerk", "ann", "zoe", "admin"}),
    grants=[Grant(user, "%", "shop") for user in ("ann", "clerk", "zoe")],
    held={"shop": Held(16384, 1700000000)},
    connections={"clerk": 3, "admin": 1},
    logins={"clerk": 12},
)  # fmt: skip


def accounts(seen: Seen) -> list[tuple[str, str | None, str | None]]:
    return [(row.database, row.user, row.role) for row in rows(seen)]


def test_each_account_has_a_row_the_own_one_first_and_the_administrator_none() -> None:
    own, ann, zoe = rows(SHOP)
    assert own == Row("shop", "clerk", MAIN, "then", 90, 9000, 7000, 16384, 3, 12, 1700000000)
    assert ann == Row("shop", "ann", "reader", None, None, 5000, None, 16384, 0, 0, 1700000000)
    assert (zoe.user, zoe.role, zoe.ends) == ("zoe", "owner", None)


def test_over_its_quota_is_a_database_in_each_of_its_rows() -> None:
    assert [row.over_quota for row in rows(replace(SHOP, over_quota=frozenset({"shop"})))] == [True] * 3
    assert not any(row.over_quota for row in rows(SHOP))


def test_what_nobody_counts_is_not_none() -> None:
    assert [row.logins for row in rows(replace(SHOP, logins=None))] == [None] * 3


def test_a_database_that_is_nobodys_has_a_row_and_its_end() -> None:
    seen = Seen(frozenset({"b", "a"}), table=[Account("gone", "b", MAIN, ends=8)])
    assert rows(seen) == [Row("a", size=0), Row("b", ends=8, size=0)]


def test_without_a_claim_it_is_whose_only_grant_it_is() -> None:
    seen = replace(SHOP, claims=[], table=[Account("ann", "shop", "reader")], grants=[
        Grant("ann", "%", "shop"), Grant("busy", "%", "shop"), Grant("busy", "%", "mall"), Grant("old", "%", "shop"),
    ], users=frozenset({"ann", "busy", "old"}))  # fmt: skip
    assert accounts(seen) == [("shop", "old", MAIN), ("shop", "ann", "reader"), ("shop", "busy@%", "other")]


@pytest.mark.parametrize("claim", [Entry("shop", "ghost"), Entry("shop", "zoe"), Entry("shop", None)])
def test_a_claim_that_came_to_nothing_is_no_owner(claim: Entry) -> None:
    assert accounts(replace(SHOP, claims=[claim]))[0] == ("shop", "clerk", MAIN)


def test_accounts_made_by_hand_are_shown_as_what_they_are() -> None:
    by_hand = [Grant("clerk", "localhost", "shop"), Grant("report", "10.%", "shop"), Grant("ops", "%", "%")]
    seen = replace(SHOP, grants=[*SHOP.grants, *by_hand], connections={"report": 2})
    assert accounts(seen)[3:] == [("shop", "clerk@localhost", "other"), ("shop", "report@10.%", "other")]
    assert [row.connections for row in rows(seen)][3:] == [0, 2]


def test_a_name_is_no_pattern() -> None:
    seen = Seen(frozenset({"a_b", "axb"}), users=frozenset({"u"}), grants=[Grant("u", "%", "a\\_b")])
    assert accounts(seen) == [("a_b", "u", MAIN), ("axb", None, None)]
    assert accounts(replace(seen, wildcards=False))[0] == ("a_b", None, None)


def test_accounts_whose_database_is_gone_are_shown_and_what_is_gone_altogether_is_not() -> None:
    gone = replace(SHOP, databases=frozenset(), claims=[*SHOP.claims, Entry("mall", "ghost")], held={})
    assert [(row.user, row.size) for row in rows(gone)] == [("clerk", None), ("ann", None), ("zoe", None)]
    # What the table still tells of `revoke` can take away.
    assert [row.user for row in rows(replace(gone, users=frozenset(), grants=()))] == ["ann", "zoe"]
    assert rows(replace(gone, users=frozenset(), grants=(), table=())) == []
