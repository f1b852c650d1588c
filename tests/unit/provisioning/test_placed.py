"""Requests in a pool with a directory: a new name is settled before anything is made, a known one asks nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, Elsewhere, InvalidRequest, ServerError, Unavailable
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.provisioning.provision import Outcome, Provisioner, refusal
from dbhandler.requests.box import Credentials, Keys, seal
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Status
from dbhandler.requests.where import Where
from tests.support.fakes import RecordingServer, Remembering, Rows

WHY = "it is less loaded than 'db2'"
CREATE = sql.create_database("shop", "utf8mb4", None)
EXISTS = sql.database_exists("shop")
CHANGES = ("CREATE", "GRANT", "ALTER", "DROP", "KILL", "INSERT", "UPDATE", "DELETE", "REVOKE")


class Server(RecordingServer):
    """A server without accounts, where every password is right."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self._order = order

    def execute(self, statement: Statement) -> Rows:
        self._order.append(statement.text)
        rows = super().execute(statement)
        return rows or ([(0,)] if statement.text.startswith("SELECT (SELECT COUNT") else [])

    def accepts(self, user: str, password: str) -> bool:
        return True

    @property
    def changed(self) -> list[Statement]:
        return [one for one in self.executed if one.text.startswith(CHANGES)]


class FakePlaces:
    """A directory that says `why`, or raises `error`; it notes what it is asked."""

    def __init__(self, order: list[str]) -> None:
        self.why = WHY
        self.settled: list[tuple[str, Where]] = []
        self.given_up: list[str] = []
        self._order = order
        self.error: Exception | None = None

    def settle(self, name: str, where: Where) -> str:
        self._order.append(f"settle {name}")
        self.settled.append((name, where))
        if self.error:
            raise self.error
        return self.why

    def give_up(self, name: str) -> None:
        self.given_up.append(name)

    def holder(self, name: str) -> str | None:
        raise AssertionError("nobody asks whose it is")


class World:
    """A provisioner and what it works with; `order` is what was asked of server and directory, one after another."""

    def __init__(self, folder: Path, policy: Policy | None = None, in_group: bool = False) -> None:
        self.order: list[str] = []
        self.server, self.places, self.registry = Server(self.order), FakePlaces(self.order), Remembering()
        self.keys = Keys(folder / "key")
        self._provisioner = Provisioner(
            self.server, policy or Policy(), "mariadb", self.keys, self.registry, lambda: None, in_group,  # type: ignore[arg-type]
            places=self.places,
        )  # fmt: skip

    def create(self, request: Request, ltime: int = 0) -> Outcome:
        [outcome] = self._provisioner.create_all((request,), ltime)
        return outcome

    def sealed(self, where: str = "", public: str | None = None) -> Request:
        """A request with a box that this server can open, or the one with that key."""
        box = seal(public or self.keys.public, Credentials("shop", "clerk", "twelve letters"))
        return Request("shop", sealed=box, where=where)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("where", ["", "ssd"])
def test_of_a_database_that_exists_the_directory_is_not_asked(world: World, where: str) -> None:
    world.server.replies[EXISTS] = [(1,)]
    world.places.error = Unavailable("the directory is away")
    assert world.create(Request("shop", where=where)) == Outcome(Status.EXISTS, "shop")
    assert (world.places.settled, world.places.given_up, world.server.changed) == ([], [], [])


def test_a_new_name_is_settled_before_it_is_made_and_the_outcome_says_why(world: World) -> None:
    assert world.create(Request("shop")) == Outcome(Status.CREATED, "shop", reason=WHY)
    assert world.order.index("settle shop") < world.order.index(CREATE.text)
    assert world.order.index(EXISTS.text) < world.order.index("settle shop")
    assert world.places.settled == [("shop", Where())] and world.places.given_up == []


def test_one_that_was_settled_before_is_made_without_a_reason(world: World) -> None:
    world.places.why = ""
    assert world.create(Request("shop")) == Outcome(Status.CREATED, "shop")


def test_where_is_passed_on(world: World) -> None:
    world.create(Request("shop", where="eu, ssd,engine=mariadb"))
    world.create(Request("wiki", where="here"))
    expected = Where(frozenset({"eu", "ssd"}), "mariadb")
    assert world.places.settled == [("shop", expected), ("wiki", Where(here=True))]


@pytest.mark.parametrize("where", ["s d", "engine=oracle", ",".join(f"l{number}" for number in range(17))])
def test_a_wrong_where_is_invalid_and_nothing_is_made(world: World, where: str) -> None:
    outcome = world.create(Request("shop", where=where))
    assert (outcome.status, outcome.database) == (Status.INVALID, "shop")
    assert "where" in str(outcome.reason)
    assert (world.places.settled, world.server.changed) == ([], [])


def test_what_is_anothers_is_told_with_its_name_and_nothing_is_made(world: World) -> None:
    world.places.error = Elsewhere("the server 'db2' has it", "db2")
    expected = Outcome(Status.PLACED, "shop", reason="the server 'db2' has it", server="db2")
    for request, ltime in ((Request("shop"), 0), (Request("shop"), 7), (world.sealed(), 0)):
        assert world.create(request, ltime) == expected
    assert world.server.changed == [] and world.places.given_up == []
    # Nor is it remembered as a database of this server.
    assert world.registry.names() == []


def test_where_nobody_has_room_it_is_denied(world: World) -> None:
    world.places.error = Denied("no server of the pool has room")
    outcome = world.create(Request("shop"))
    assert outcome == Outcome(Status.DENIED, "shop", reason="no server of the pool has room")
    assert world.server.changed == [] and world.places.given_up == []


def test_while_the_directory_is_away_nothing_new_is_made(world: World) -> None:
    world.places.error = Unavailable("the directory of the pool is away")
    with pytest.raises(Unavailable, match="the directory of the pool is away"):
        world.create(Request("shop"))
    assert world.server.changed == [] and world.registry.names() == []


HOLDERS = privilege_sql.holders("shop", None, Rules())


@pytest.mark.parametrize(
    ("statement", "reply", "status"),
    [
        (HOLDERS, [("eve", "%")], Status.DENIED),
        (CREATE, ServerError("no", 1115), Status.INVALID),
        (CREATE, ServerError("no", 3), Status.FAILED),
    ],
)
def test_what_is_refused_after_it_was_settled_is_given_up(
    world: World, statement: Statement, reply: Rows | Exception, status: Status
) -> None:
    world.server.replies[statement] = reply
    assert world.create(Request("shop")).status == status
    assert world.places.given_up == ["shop"]


def test_a_quota_gives_it_up_too(tmp_path: Path) -> None:
    world = World(tmp_path, Policy(max_databases=1))
    world.server.replies[sql.databases()] = [("other",)]
    assert world.create(Request("shop")).status == Status.DENIED
    assert world.places.given_up == ["shop"] and CREATE not in world.server.executed


def test_a_server_that_is_away_keeps_what_was_settled(world: World) -> None:
    world.server.replies[CREATE] = Unavailable("away")
    with pytest.raises(Unavailable):
        world.create(Request("shop"))
    assert world.places.given_up == []


def test_one_that_was_there_after_all_exists_without_a_reason(world: World) -> None:
    world.server.replies[CREATE] = ServerError("exists", 1007)
    assert world.create(Request("shop")) == Outcome(Status.EXISTS, "shop")
    assert world.places.given_up == []


def test_one_with_an_account_is_settled_as_any_other(world: World) -> None:
    outcome = world.create(world.sealed("ssd"))
    assert outcome == Outcome(Status.CREATED, "shop", "clerk", reason=WHY)
    assert world.places.settled == [("shop", Where(frozenset({"ssd"})))]
    assert world.order.index("settle shop") < world.order.index(CREATE.text)


@pytest.mark.parametrize("where", ["", "ssd", "s d"])
def test_an_event_with_a_box_is_for_the_server_that_can_open_it(world: World, where: str) -> None:
    # Nobody can be told to ask elsewhere, and nobody else could open it.
    outcome = world.create(world.sealed(where), ltime=7)
    assert outcome == Outcome(Status.CREATED, "shop", "clerk", reason=WHY)
    assert world.places.settled == [("shop", Where(here=True))]


def test_an_event_without_a_box_goes_to_any(world: World) -> None:
    world.create(Request("shop", where="ssd"), ltime=7)
    assert world.places.settled == [("shop", Where(frozenset({"ssd"})))]


@pytest.mark.parametrize(("ltime", "in_group"), [(0, False), (7, False), (0, True), (7, True)])
def test_who_cannot_open_a_box_asks_for_no_place(tmp_path: Path, ltime: int, in_group: bool) -> None:
    world = World(tmp_path, in_group=in_group)
    stranger = Keys(tmp_path / "another").public
    outcome = world.create(world.sealed(public=stranger), ltime)
    assert outcome.status == (Status.ELSEWHERE if ltime and in_group else Status.DENIED)
    assert (world.places.settled, world.server.changed) == ([], [])


def test_a_user_name_that_is_never_given_asks_for_no_place(world: World) -> None:
    box = seal(world.keys.public, Credentials("shop", "root", "twelve letters"))
    assert world.create(Request("shop", sealed=box)).status == Status.INVALID
    assert world.places.settled == []


def test_a_name_is_settled_in_the_form_in_which_the_server_compares_it(world: World) -> None:
    world.server.replies[privilege_sql.rules()] = [("lower_case_table_names", "1")]
    world.server.replies[privilege_sql.folded("Shop")] = [("shop",)]
    assert world.create(Request("Shop")) == Outcome(Status.CREATED, "Shop", reason=WHY)
    assert world.places.settled == [("shop", Where())]


@pytest.mark.parametrize(
    ("error", "status", "server"),
    [
        (Elsewhere("x", "db2"), Status.PLACED, "db2"),
        (Denied("x"), Status.DENIED, None),
        (InvalidRequest("x"), Status.INVALID, None),
        (ServerError("x", 3), Status.FAILED, None),
    ],
)
def test_a_refusal_names_a_server_only_where_that_one_is_to_be_asked(
    error: Exception, status: Status, server: str | None
) -> None:
    assert refusal(error, "shop") == Outcome(status, "shop", reason="x", server=server)
