"""A database that is nobody's becomes an account's, and what prevents it changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Busy, Denied, InvalidRequest, ServerError
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.account_table import MAIN, Account
from dbhandler.provisioning.adopting import MOST, Adopter
from dbhandler.provisioning.drop_table import being_dropped
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.provisioning.registry import CLAIM_TIME, Entry
from dbhandler.requests.policy import Policy
from tests.support.fakes import RecordingServer, Remembering, Rows

GRANT = sql.grant_database("shop", "clerk")
HOLDERS = privilege_sql.holders("shop", None, Rules(), MOST)
ELSEWHERE = privilege_sql.runs_as("clerk", "mariadb", "shop")
CHANGES = ("CREATE USER", "GRANT", "DROP USER", "KILL", "DELETE")


class World(RecordingServer):
    """A server with the database `shop`, which holds something and is nobody's. `meanwhile` is what others do right
    before a statement is carried out."""

    def __init__(self) -> None:
        super().__init__({
            sql.database_exists("shop"): [(1,)],
            privilege_sql.other_holdings_of("clerk", "mariadb"): [(0,)],
            privilege_sql.global_privileges_of("clerk"): [(0,)],
            privilege_sql.contents("shop"): [(5,)],
        })  # fmt: skip
        self.registry, self.passwords = Remembering(), dict[str, str]()
        self.meanwhile: dict[Statement, Callable[[], object]] = {}
        self.known: list[Account] = []
        self.adopter = Adopter(self, self.registry, Policy(max_user_connections=7, require_tls=True))  # type: ignore[arg-type]
        self.adopter._table = self  # type: ignore[assignment]
        self.adopter._drops = self  # type: ignore[assignment]
        self.dropping = False

    def execute(self, statement: Statement) -> Rows:
        self.meanwhile.pop(statement, lambda: None)()
        return super().execute(statement)

    def accepts(self, user: str, password: str) -> bool:
        return self.passwords.setdefault(user, password) == password

    # The table of accounts, and that of drops.

    def of(self, user: str) -> Account | None:
        return next((account for account in self.known if account.user == user), None)

    def all(self) -> list[Account]:
        return list(self.known)

    def forget_account(self, user: str) -> None:
        self.known = [account for account in self.known if account.user != user]

    def check_free(self, database: str) -> None:
        if self.dropping:
            raise being_dropped(database)

    def changes(self) -> list[str]:
        return [statement.text for statement in self.executed if statement.text.startswith(CHANGES)]

    def account(self) -> None:
        self.replies[sql.hosts_of("clerk")] = [("%",)]


@pytest.fixture
def world() -> World:
    return World()


def refused(world: World, reason: str, kind: type[Exception] = Denied) -> None:
    before = dict(world.registry.entries)
    with pytest.raises(kind, match=reason):
        world.adopter.adopt("shop", "clerk")
    assert world.changes() == []
    assert world.registry.entries == before


def test_a_database_with_content_is_claimed_and_given(world: World) -> None:
    account = world.adopter.adopt("shop", "clerk")
    assert (account.database, account.user, len(account.password)) == ("shop", "clerk", 32)
    entry = world.registry.entry("shop")
    assert entry and entry.owner == "clerk" and world.registry.names() == ["shop"]
    [made, granted] = world.changes()
    assert made.endswith("REQUIRE SSL WITH MAX_USER_CONNECTIONS %s")
    assert granted == GRANT.text
    assert world.passwords == {"clerk": account.password}


def test_a_tombstone_is_gone_with_it(world: World) -> None:
    world.registry.dropped("shop", 7)
    world.adopter.adopt("shop", "clerk")
    assert world.registry.dropped_at("shop") is None


def test_sessions_of_before_are_ended(world: World) -> None:
    world.replies[privilege_sql.sessions()] = [(7, "eve", "10.0.0.1:4711", "shop", "Sleep", 0, "", None)]
    world.adopter.adopt("shop", "clerk")
    assert world.changes()[0].startswith("KILL")


@pytest.mark.parametrize("user", ["root", "admin", "a b", "u" * 81])
def test_a_name_that_no_account_has_is_refused(world: World, user: str) -> None:
    with pytest.raises(InvalidRequest):
        world.adopter.adopt("shop", user)
    assert world.executed == []


def test_a_database_that_is_not_there_is_refused(world: World) -> None:
    del world.replies[sql.database_exists("shop")]
    refused(world, "there is no database 'shop'", InvalidRequest)


def test_those_who_hold_privileges_are_named(world: World) -> None:
    world.replies[HOLDERS] = [("ops", "%"), ("ann", "10.%"), ("ops", "%")]
    refused(world, r"others hold privileges on the database 'shop': 'ann@10.%', 'ops@%'; `dbhandler-admin revoke`")


def test_those_who_got_them_meanwhile_are_seen(world: World) -> None:
    world.meanwhile[privilege_sql.sessions()] = lambda: world.replies.update({HOLDERS: [("ops", "%")]})
    with pytest.raises(Denied, match="'ops@%'"):
        world.adopter.adopt("shop", "clerk")
    assert world.changes() == []
    entry = world.registry.entry("shop")
    assert entry and entry.owner is None, "the claim is given up again"


def test_a_drop_that_has_begun_meanwhile_goes_first(world: World) -> None:
    world.dropping = True
    with pytest.raises(Busy):
        world.adopter.adopt("shop", "clerk")
    assert world.changes() == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (sql.hosts_of("clerk"), [("%",)]),
        (sql.hosts_of("clerk"), [("localhost",)]),
        (privilege_sql.databases_of("clerk"), [("mall",)]),
        (privilege_sql.other_holdings_of("clerk", "mariadb"), [(1,)]),
    ],
)
def test_a_user_name_that_is_taken_is_refused(world: World, statement: Statement, found: Rows) -> None:
    world.replies[statement] = found
    refused(world, "the user name 'clerk' is taken")


@pytest.mark.parametrize("known", [Account("clerk", "shop", "reader"), Account("clerk", "mall", MAIN)])
def test_a_user_name_that_the_table_knows_for_something_else_is_taken(world: World, known: Account) -> None:
    world.known = [known]
    refused(world, "the user name 'clerk' is taken")


def test_what_runs_with_the_rights_of_that_name_elsewhere_would_be_let_in(world: World) -> None:
    world.replies[ELSEWHERE] = [("mall",)]
    refused(world, "in the database 'mall' something runs with the rights of 'clerk'")


def test_a_fresh_claim_of_another_is_respected(world: World) -> None:
    world.registry.entries["shop"] = Entry("shop", "ghost", None, "then", 1)
    refused(world, "belongs to another account")
    world.registry.entries["shop"] = Entry("shop", "ghost", None, "then", CLAIM_TIME + 1)
    assert world.adopter.adopt("shop", "clerk").user == "clerk"


def test_a_former_owners_end_is_no_more_and_what_others_have_stays(world: World) -> None:
    elsewhere, given = Account("ann", "mall", MAIN, 9), Account("bob", "shop", "reader", 9)
    world.known = [Account("old", "shop", MAIN, 9), Account("clerk", "shop", MAIN, 9), elsewhere, given]
    world.adopter.adopt("shop", "clerk")
    assert world.known == [elsewhere, given]


def test_what_was_cut_short_is_finished(world: World) -> None:
    world.replies[GRANT] = ServerError("cut")
    with pytest.raises(ServerError):
        world.adopter.adopt("shop", "clerk")
    del world.replies[GRANT]
    world.account()
    world.executed.clear()
    # Its password nobody has seen.
    world.meanwhile[sql.drop_user("clerk")] = world.passwords.clear
    account = world.adopter.adopt("shop", "clerk")
    assert [text.split()[0] for text in world.changes()] == ["DROP", "CREATE", "GRANT"]
    assert world.passwords == {"clerk": account.password}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (privilege_sql.global_privileges_of("clerk"), [(1,)]),
        (privilege_sql.databases_of("clerk"), [("shop",)]),
        (sql.hosts_of("clerk"), [("%",), ("localhost",)]),
    ],
)
def test_an_account_that_is_more_than_a_leftover_stays(world: World, statement: Statement, found: Rows) -> None:
    world.registry.entries["shop"] = Entry("shop", "clerk", None, "then", 1)
    world.account()
    world.replies[statement] = found
    refused(world, "the user name 'clerk' is taken")
