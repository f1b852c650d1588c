"""What goes with a database: all of its accounts as they are, and nothing that anybody else has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbhandler.engine import sql
from dbhandler.engine.password_hash import Way
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied
from dbhandler.moving import belongings as module
from dbhandler.moving.belongings import MOST_HOLDERS, Belongings, Holder, Receiving, belongings
from dbhandler.provisioning import drop_sql, privilege_sql
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.requests.vocabulary import Role
from tests.support.moves import Login, Machine

READER = Account("reader", "shop", "reader", ends=9)


class Source(Machine):
    """A server with the database shop, its owner anna and a reader."""

    def __init__(self) -> None:
        super().__init__("a", {"shop"}, {"anna": Login("shop", locked=True), "reader": Login("shop", Role.READER)})
        self.plugins = {"anna": "mysql_native_password", "reader": "mysql_native_password"}
        limit = "SELECT max_user_connections FROM mysql.user WHERE User = %s AND Host = %s"
        for user, most in (("anna", 0), ("reader", 7)):
            self.replies[Statement(limit, (user, "%"))] = [(most,)]
        self.hold(("anna", "%"), ("reader", "%"), ("anna", "%"))

    def hold(self, *found: tuple[str, str], known: int = 2) -> None:
        self.replies[privilege_sql.holders("shop", None, Rules(), MOST_HOLDERS + known)] = list(found)

    def ways(self, user: str) -> list[Way]:
        return [replace(way, plugin=self.plugins[user]) for way in super().ways(user)]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(module, "owner_of", lambda *_: "anna")
    monkeypatch.setattr(AccountTable, "granted", lambda *_: [READER])
    monkeypatch.setattr(AccountTable, "of", lambda *_: None)
    return Source()


def read(source: Source) -> Belongings:
    return belongings(source, "shop")  # type: ignore[arg-type]


def test_all_accounts_come_with_passwords_limits_and_ends_and_are_not_locked_elsewhere(source: Source) -> None:
    ways = [Way("mysql_native_password", "*HASH", locked=False)]
    assert read(source) == Belongings(
        "shop", "anna", [Holder("anna", Role.OWNER, ways, 0, None), Holder("reader", Role.READER, ways, 7, READER)]
    )  # fmt: skip


@pytest.mark.parametrize(
    "other", [("anna", "localhost"), ("admin", "%"), ("", "%"), ("Anna", "%"), ("reader", "10.0.0.%"), ("it's\n", "%")]
)
def test_an_account_that_was_not_asked_for_keeps_it_where_it_is(source: Source, other: tuple[str, str]) -> None:
    source.hold(("anna", "%"), other)
    with pytest.raises(Denied, match="would not move with it") as caught:
        read(source)
    assert "\n" not in str(caught.value)


def test_however_many_are_known_one_that_is_not_is_seen(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Account(f"u{number}", "shop", "reader") for number in range(MOST_HOLDERS)]
    monkeypatch.setattr(AccountTable, "granted", lambda *_: many)
    source.hold(*((one.user, "%") for one in many), ("admin", "%"), known=len(many) + 1)
    with pytest.raises(Denied, match="admin"):
        read(source)


@pytest.mark.parametrize("plugin", ["unix_socket", "ed25519", "caching_sha2_password", ""])
def test_who_logs_in_otherwise_cannot_come(source: Source, plugin: str) -> None:
    source.plugins["reader"] = plugin
    with pytest.raises(Denied, match="'reader' does not log in by a password"):
        read(source)
    del source.logins["reader"]
    with pytest.raises(Denied, match="'reader'"):
        read(source)


# --- at the target ---


@pytest.fixture
def target() -> Machine:
    return Machine("b", {"blog"}, {"blogger": Login("blog")})


def receiving(target: Machine) -> Receiving:
    return Receiving(target, 5, True)  # type: ignore[arg-type]


def test_a_name_that_is_taken_by_an_account_a_claim_or_a_row_is_not_free(
    source: Source, target: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods = read(source)
    receiving(target).check_free(goods)
    target.logins["reader"] = Login("blog")
    with pytest.raises(Denied, match="'reader' is taken on that server"):
        receiving(target).check_free(goods)
    # Of those that are known to be its own nothing is asked.
    receiving(target).check_free(goods, ["reader"])
    del target.logins["reader"]
    monkeypatch.setattr(AccountTable, "of", lambda _self, user: READER if user == "reader" else None)
    with pytest.raises(Denied, match="'reader' is taken"):
        receiving(target).check_free(goods)
    target.replies[sql.hosts_of("anna")] = [("localhost",)]
    with pytest.raises(Denied, match="'anna' is taken by an account of the server's owner"):
        receiving(target).check_free(goods)


def test_only_who_fills_it_gets_in_before_it_is_whole_and_only_by_a_password_that_nobody_has(
    source: Source, target: Machine
) -> None:
    goods = read(source)
    filler = receiving(target).begin(goods)
    assert (filler.user, filler.database, len(filler.password) > 15) == ("anna", "shop", True)
    assert target.logins["reader"].locked and not target.logins["reader"].writes
    made = [one for one in target.executed if one.text.startswith("CREATE USER")]
    assert all("REQUIRE SSL" in one.text and "MAX_USER_CONNECTIONS" in one.text and one.secret for one in made)
    receiving(target).make(goods)
    assert all(target.logins[user].locked for user in ("anna", "reader"))
    assert target.logins["reader"].stored == "*HASH" and not target.logins["reader"].writes
    receiving(target).open(["anna", "reader", "gone"])
    assert not target.logins["anna"].locked and "gone" not in target.logins


def test_made_twice_it_is_the_same_and_nothing_of_others_is_touched(source: Source, target: Machine) -> None:
    goods = read(source)
    for _ in range(2):
        receiving(target).begin(goods)
        receiving(target).make(goods)
    assert sorted(target.logins) == ["anna", "blogger", "reader"] and target.logins["blogger"] == Login("blog")
    for _ in range(2):
        receiving(target).remove("shop", goods.users)
    assert (target.logins, target.databases) == ({"blogger": Login("blog")}, {"blog"})


@pytest.mark.parametrize("name", ["a_b", "50%", "we`ird"])
def test_a_grant_is_for_this_database_alone(source: Source, target: Machine, name: str) -> None:
    receiving(target).begin(replace(read(source), database=name))
    [grant] = [one for one in target.executed if one.text.startswith("GRANT")]
    expected = name.replace("_", "\\_").replace("%", "\\%").replace("`", "``").replace("%", "%%")
    assert f" ON `{expected}`.* TO %s@%s" in grant.text


def test_who_is_given_no_account_any_more_is_removed_and_forgotten(target: Machine) -> None:
    receiving(target).without(["blogger"])
    assert target.logins == {}
    assert [one.values for one in target.executed if "DELETE FROM mysql.dbhandler_accounts" in one.text] == [
        ("blogger",)
    ]
    assert drop_sql.lock("x", locked=True) not in target.executed
