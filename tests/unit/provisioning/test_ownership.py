"""How a name becomes an account's, and what happens when something comes between: what real servers seldom show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.ownership import Ownership
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.provisioning.registry import CLAIM_TIME, Entry
from dbhandler.requests.box import Credentials
from tests.support.fakes import RecordingServer, Remembering, Rows

APP = Credentials("shop", "app", "the password of app")
GRANT, REVOKE = sql.grant_database("shop", "app"), sql.revoke_database("shop", "app")
OLD = CLAIM_TIME + 1


class World(RecordingServer):
    """A server and its registry. `meanwhile` is what others do right before a statement is carried out."""

    def __init__(self) -> None:
        super().__init__({
            privilege_sql.other_holdings_of("app", "mariadb"): [(0,)],
            privilege_sql.global_privileges_of("app"): [(0,)],
            privilege_sql.contents("shop"): [(0,)],
            privilege_sql.contents("other"): [(0,)],
        })  # fmt: skip
        self.registry, self.passwords = Remembering(), dict[str, str]()
        self.meanwhile: dict[Statement, Callable[[], object]] = {}
        self.ownership = Ownership(self, Accounts(self), self.registry, "mariadb")  # type: ignore[arg-type]

    def execute(self, statement: Statement) -> Rows:
        self.meanwhile.pop(statement, lambda: None)()
        if statement == sql.create_user("app", APP.password, "mariadb"):
            self.account("app", self.passwords.get("app", APP.password))
        return super().execute(statement)

    def account(self, user: str, password: str, *patterns: str) -> None:
        self.passwords[user] = password
        self.replies[sql.hosts_of(user)] = [("%",)]
        self.replies[privilege_sql.databases_of(user)] = [(pattern,) for pattern in patterns]

    def accepts(self, user: str, password: str) -> bool:
        return self.passwords.get(user) == password

    def row(self, name: str, owner: str | None, age: int = 0) -> None:
        self.registry.entries[name] = Entry(name, owner, None, "then" if owner else None, age if owner else None)

    def serve(self) -> bool:
        """As a request for the database, which is there and empty, does. True when it was the asker's already."""
        if self.ownership.is_owner(APP):
            return True
        self.ownership.check_free(APP, exists=True)
        with self.ownership.claimed(APP):
            self.ownership.check_free(APP, exists=True)
        self.ownership.hand_over(APP)
        return False

    @property
    def owner(self) -> str | None:
        entry = self.registry.entry("shop")
        return entry.owner if entry else None


@pytest.fixture
def world() -> World:
    return World()


def refused(world: World, reason: str) -> None:
    with pytest.raises(Denied, match=reason):
        world.serve()
    assert GRANT not in world.executed


@pytest.mark.parametrize("row", [None, ("shop", None), ("shop", "app"), ("shop", "ghost", OLD), ("other", "app", OLD)])
def test_a_free_name_is_claimed_and_then_given(world: World, row: tuple[str, str] | None) -> None:
    if row:
        world.row(*row)
    assert not world.serve()
    assert (world.owner, GRANT in world.executed) == ("app", True)


def test_the_claim_comes_before_the_account(world: World) -> None:
    owners: list[str | None] = []
    world.meanwhile[sql.create_user("app", APP.password, "mariadb")] = lambda: owners.append(world.owner)
    world.serve()
    assert owners == ["app"]


def test_sessions_of_a_former_account_end_before_the_next_one_is_made(world: World) -> None:
    world.replies[privilege_sql.sessions()] = [(7, "app", "10.0.0.1:4711", None, "Sleep", 0, "", None)]
    world.serve()
    sessions = world.executed.index(privilege_sql.end_session(7))
    assert sessions < world.executed.index(sql.create_user("app", APP.password, "mariadb"))


def test_sessions_of_an_account_that_is_there_stay(world: World) -> None:
    world.account("app", APP.password)
    world.replies[privilege_sql.sessions()] = [(7, "app", "10.0.0.1:4711", None, "Sleep", 0, "", None)]
    world.serve()
    assert privilege_sql.end_session(7) not in world.executed


def test_a_fresh_claim_of_another_account_is_respected(world: World) -> None:
    world.row("shop", "ghost")
    refused(world, "belongs to another account")
    assert world.owner == "ghost"


def test_a_fresh_claim_on_another_name_is_one_database_already(world: World) -> None:
    world.row("other", "app")
    refused(world, "serves something else")


def test_a_former_account_of_that_name_has_left_something(world: World) -> None:
    world.row("other", "app", OLD)
    world.replies[privilege_sql.contents("other")] = [(1,)]
    refused(world, "serves something else")


def test_what_runs_with_the_rights_of_that_name_is_not_given_a_database(world: World) -> None:
    world.replies[privilege_sql.runs_as("app", "mariadb")] = [("elsewhere",)]
    refused(world, "serves something else")


def test_the_loser_of_a_race_for_the_row_gets_nothing(world: World) -> None:
    looks = [privilege_sql.contents("shop")]
    world.meanwhile[looks[0]] = lambda: world.row("shop", "winner")
    refused(world, "belongs to another account")
    assert world.owner == "winner"


@pytest.mark.parametrize("error", [Denied("no"), InvalidRequest("no")])
def test_a_refusal_after_the_claim_gives_it_up(world: World, error: Exception) -> None:
    with pytest.raises(type(error)), world.ownership.claimed(APP):
        raise error
    assert world.owner is None


def test_a_server_that_goes_away_after_the_claim_leaves_it_to_who_asks_again(world: World) -> None:
    with pytest.raises(Unavailable), world.ownership.claimed(APP):
        raise Unavailable("away")
    assert world.owner == "app"


def test_a_claim_of_before_is_not_given_up_by_a_later_refusal(world: World) -> None:
    world.row("shop", "app")
    with pytest.raises(Denied), world.ownership.claimed(APP):
        raise Denied("no")
    assert world.owner == "app"


def test_of_two_passwords_for_one_new_account_the_first_counts(world: World) -> None:
    world.meanwhile[sql.create_user("app", APP.password, "mariadb")] = lambda: world.account(
        "app", "the other's password"
    )
    refused(world, "has another password")


def test_a_claim_that_was_taken_over_before_the_grant_leaves_none(world: World) -> None:
    world.meanwhile[sql.create_user("app", APP.password, "mariadb")] = lambda: world.row("shop", "winner")
    refused(world, "belongs to another account")


def test_a_claim_that_was_taken_over_during_the_grant_is_undone(world: World) -> None:
    world.meanwhile[GRANT] = lambda: world.row("shop", "winner")
    with pytest.raises(Denied, match="belongs to another account"):
        world.serve()
    assert world.executed[-1] == REVOKE


def test_a_database_of_before_there_were_claims_gets_one(world: World) -> None:
    world.account("app", APP.password, "shop")
    assert world.serve()
    assert world.owner == "app"
    assert world.serve()


def test_an_owner_takes_over_a_claim_that_came_to_nothing(world: World) -> None:
    world.account("app", APP.password, "shop")
    world.row("shop", "ghost")
    assert world.serve()
    assert world.owner == "app"


def test_of_two_with_grants_the_one_with_the_claim_owns_it(world: World) -> None:
    world.account("app", APP.password, "shop")
    world.account("winner", "any password", "shop")
    world.row("shop", "winner", OLD)
    refused(world, "belongs to another account")


def test_a_privilege_that_came_meanwhile_is_seen(world: World) -> None:
    world.replies[privilege_sql.holders("shop", "app", Rules())] = [("eve", "%")]
    refused(world, "'eve@%' holds privileges on that name")


def test_the_claims_in_memory_are_as_the_tables(world: World) -> None:
    registry = world.registry
    assert registry.claim("shop", "app", None)
    assert not registry.claim("shop", "eve", None)
    assert not registry.claim("other", "app", None)
    assert not registry.claim("shop", "eve", replace(Entry("shop"), owner="ghost"))
