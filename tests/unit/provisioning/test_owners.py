"""Whose a database is, by what its server holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbhandler.engine import sql
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.owners import owner_of
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.provisioning.registry import Entry
from tests.support.fakes import RecordingServer, Remembering


class Held(RecordingServer):
    """A server on which accounts have grants on databases."""

    def __init__(self, **grants: list[str]) -> None:
        super().__init__()
        for user, patterns in grants.items():
            self.replies[sql.account_exists(user)] = [(1,)]
            self.replies[privilege_sql.databases_of(user)] = [(pattern,) for pattern in patterns]

    def hold(self, *found: tuple[str, str]) -> None:
        self.replies[privilege_sql.holders("my_shop", None, Rules())] = list(found)


def owner(server: RecordingServer, entry: Entry | None = None) -> str | None:
    registry = Remembering()
    if entry:
        registry.entries["my_shop"] = entry
    return owner_of(server, registry, "my_shop")  # type: ignore[arg-type]


CLAIMED = Entry("my_shop", owner="anna")


def test_who_has_claimed_it_and_has_nothing_else_owns_it() -> None:
    assert owner(Held(anna=["my\\_shop"]), CLAIMED) == "anna"


@pytest.mark.parametrize("patterns", [[], ["my_shop"], ["my\\_shop", "other"], ["my%"], ["%"], ["other"]])
def test_who_has_another_grant_does_not(patterns: list[str]) -> None:
    assert owner(Held(anna=patterns), CLAIMED) is None


def test_a_claim_of_an_account_that_is_gone_or_of_nobody_is_none() -> None:
    assert owner(Held(), CLAIMED) is None
    assert owner(Held(), replace(CLAIMED, owner=None)) is None


def test_one_that_was_made_before_there_were_claims_is_whose_grant_it_is() -> None:
    server = Held(anna=["my\\_shop"], bert=["my\\_shop", "other"])
    for found, expected in (
        ([("anna", "%")], "anna"), ([("anna", "localhost")], None), ([("bert", "%")], None), ([("gone", "%")], None),
    ):  # fmt: skip
        server.hold(*found)
        assert owner(server) == expected


def test_who_was_given_an_account_owns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Held(anna=["my\\_shop"])
    server.hold(("anna", "%"))
    for known, expected in (
        (Account("anna", "my_shop", "reader"), None), (Account("anna", "my_shop", "main"), "anna"),
        (Account("anna", "other", "reader"), "anna"),
    ):  # fmt: skip
        monkeypatch.setattr(AccountTable, "of", lambda _self, _user, known=known: known)
        assert owner(server) == expected
