"""Whose a name becomes before anything is made: one server's, whatever comes between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dbhandler.directory import directory_sql
from dbhandler.directory.places import Places
from dbhandler.directory.standing import Standing
from dbhandler.engine.sql import Statement
from dbhandler.errors import Busy, Denied, Elsewhere, ServerError, Unavailable
from dbhandler.requests.weight import weight
from dbhandler.requests.where import Where
from dbhandler.serf.members import Member
from tests.support.directories import FakeLink, Tables, member, standing
from tests.support.fakes import Rows

ANYWHERE = Where()
NAMES = [f"shop{number}" for number in range(50)]
MEMBERS = [member("me"), member("other")]


class World:
    """The directory, and the places that the server `me` asks; `own` is how it stands."""

    def __init__(self, members: Sequence[Member] = (), tables: Tables | None = None) -> None:
        self.tables = tables or Tables()
        self.link = FakeLink(self.tables, members or MEMBERS)
        self.own = standing("me")
        self.places = Places(self.link, lambda: self.own)  # type: ignore[arg-type]

    def elsewhere(self, name: str, where: Where = ANYWHERE) -> Elsewhere:
        with pytest.raises(Elsewhere) as caught:
            self.places.settle(name, where)
        return caught.value


@pytest.fixture
def world() -> World:
    world = World()
    world.tables.tell(standing("me"), standing("other"))
    return world


def preferring(server: str) -> str:
    """A name that goes to this one of two servers that are even."""
    return next(name for name in NAMES if max("me", "other", key=lambda one: weight(one, name)) == server)


def test_a_name_that_is_this_servers_is_so_without_a_reason(world: World) -> None:
    world.tables.give("me", "shop")
    assert world.places.settle("shop", ANYWHERE) == ""
    # Nor does it matter what is asked for, or whether anybody else is there.
    assert world.places.settle("shop", Where(frozenset({"ssd"}))) == ""
    assert world.tables.executed[-1] == directory_sql.holder("shop")


def test_a_name_that_is_anothers_is_had_there(world: World) -> None:
    world.tables.give("other", "shop")
    for where in (ANYWHERE, Where(here=True)):
        error = world.elsewhere("shop", where)
        assert (str(error), error.server) == ("the server 'node-other' has it", "node-other")
    assert world.tables.of("me") == []


def test_a_new_name_goes_to_whom_the_placement_says(world: World) -> None:
    mine, others = preferring("me"), preferring("other")
    assert world.places.settle(mine, ANYWHERE).startswith("it is not more loaded than 'node-other' (")
    error = world.elsewhere(others)
    assert str(error).startswith("the server 'node-other' shall have it: it is not more loaded than 'node-me' (")
    assert error.server == "node-other"
    assert (world.tables.of("me"), world.tables.of("other")) == ([mine], [others])
    # This server is about to make its own; whether the other one will, nobody knows yet.
    assert (world.tables.claimed[mine].taken, world.tables.claimed[others].taken) == (True, False)
    # Asked again it is settled.
    assert world.places.settle(mine, ANYWHERE) == ""
    assert str(world.elsewhere(others)) == "the server 'node-other' has it"


def test_what_another_one_has_settled_for_this_server_it_takes_when_it_is_asked(world: World) -> None:
    world.tables.give("me", "shop", taken=False)
    assert world.places.settle("shop", ANYWHERE) == ""
    assert world.tables.claimed["shop"].taken


GONE = {"down": [member("other", mysql="down")], "dead": [member("other", status="failed")], "unknown": []}


@pytest.mark.parametrize("others", GONE.values(), ids=GONE)
def test_who_has_gone_before_it_took_the_name_does_not_get_it(world: World, others: list[Member]) -> None:
    world.link.members = [member("me"), *others]
    world.tables.give("other", "shop", taken=False)
    assert world.places.settle("shop", ANYWHERE) == "it is the only one that takes it"
    assert world.tables.of("me") == ["shop"] and world.tables.claimed["shop"].taken


@pytest.mark.parametrize("others", GONE.values(), ids=GONE)
def test_who_has_gone_after_it_took_the_name_is_waited_for(world: World, others: list[Member]) -> None:
    world.link.members = [member("me"), *others]
    world.tables.give("other", "shop")
    # Nor does it matter that nobody else might have it.
    for where in (ANYWHERE, Where(frozenset({"ssd"}))):
        assert world.elsewhere("shop", where).server == "node-other"
    assert world.tables.of("other") == ["shop"]


def test_who_is_there_and_has_not_taken_it_yet_is_waited_for(world: World) -> None:
    world.tables.give("other", "shop", taken=False, age=9999)
    assert str(world.elsewhere("shop", Where(here=True))) == "the server 'node-other' has it"
    assert not world.tables.claimed["shop"].taken


class GivenUp(Tables):
    """A name is given up just before a server takes it."""

    def execute(self, statement: Statement) -> Rows:
        if statement == directory_sql.take("shop", "me"):
            self.claimed.clear()
        return super().execute(statement)


def test_a_name_that_was_given_up_before_it_was_taken_is_not_made() -> None:
    world = World([member("me")], GivenUp())
    with pytest.raises(Unavailable, match="the name 'shop' was given up just now: ask again"):
        world.places.settle("shop", Where(here=True))


def test_a_name_that_was_given_up_while_it_was_claimed_is_not_made() -> None:
    world = World([member("me")])
    world.tables.replies[directory_sql.claim("shop", "me")] = ServerError("is there (error 1062)", 1062)
    with pytest.raises(Unavailable, match="the name 'shop' was given up just now: ask again"):
        world.places.settle("shop", Where(here=True))


class Overtaken(Tables):
    """Somebody else's claim on a name comes just before ours."""

    def __init__(self, winner: str) -> None:
        super().__init__()
        self._winner = winner

    def execute(self, statement: Statement) -> Rows:
        if statement.text == directory_sql.claim("", "").text and not self.claimed:
            self.give(self._winner, str(statement.values[0]))
        return super().execute(statement)


@pytest.mark.parametrize("winner", ["other", "third"])
def test_whose_claim_came_first_has_it_whatever_the_placement_said(winner: str) -> None:
    world = World([*MEMBERS, member("third")], Overtaken(winner))
    world.tables.tell(standing("other"), standing("third"))
    error = world.elsewhere("shop", Where(here=True))
    assert (error.server, str(error)) == (f"node-{winner}", f"the server 'node-{winner}' has it")
    assert world.tables.of(winner) == ["shop"]


def test_the_reason_is_not_that_of_a_choice_which_came_too_late() -> None:
    world = World(tables=Overtaken("other"))
    world.tables.tell(standing("other", names=500))
    # It says that this server is less loaded, and the other one has it all the same.
    error = world.elsewhere(preferring("other"))
    assert str(error) == "the server 'node-other' has it"


def test_who_was_faster_for_us_is_as_good() -> None:
    world = World([member("me")], Overtaken("me"))
    assert world.places.settle("shop", Where(here=True)) == "it was asked for here"


def test_what_is_asked_for_here_is_put_here(world: World) -> None:
    world.own = standing("me", full="is full", names=900)
    name = preferring("other")
    assert world.places.settle(name, Where(here=True)) == "it was asked for here"
    assert world.tables.of("me") == [name]


def test_only_who_is_ready_and_has_told_gets_a_name() -> None:
    members = [
        member("me"), member("down", mysql="down"), member("dead", status="failed"), member("gone", status="left"),
        member("web", role="web"),
    ]  # fmt: skip
    world = World(members)
    world.tables.tell(standing("me"), *map(standing, ("down", "dead", "stranger", "web")))
    assert {world.places.settle(name, ANYWHERE) for name in NAMES} == {"it is the only one that takes it"}
    assert world.tables.of("me") == sorted(NAMES)


@pytest.mark.parametrize(
    "silent",
    [member("mute"), member("mute", mysql="starting"), member("mute", status="failed"), member("mute", "leaving")],
)
def test_nobody_gets_a_new_name_while_a_server_has_not_told_what_it_has(world: World, silent: Member) -> None:
    world.link.members = [*MEMBERS, silent]
    for where in (ANYWHERE, Where(here=True)):
        with pytest.raises(Busy, match=r"^waiting for 'node-mute', which might have the database and is not in the"):
            world.places.settle("shop", where)
    assert world.tables.claimed == {}
    # Names that are known are had, and who has left in order holds nothing.
    world.tables.give("other", "blog")
    assert world.elsewhere("blog").server == "node-other"
    world.link.members = [*MEMBERS, member("mute", status="left")]
    assert world.places.settle(preferring("me"), ANYWHERE)


def test_of_a_cluster_one_node_that_is_ready_is_enough() -> None:
    members = [
        replace(member("x", mysql="down", cluster="trio"), name="n1"), replace(member("y", cluster="trio"), name="n2"),
        replace(member("z", status="failed", cluster="trio"), name="n3"), member("me"),
    ]  # fmt: skip
    world = World(members)
    world.tables.tell(standing("me", names=900), standing("trio"))
    assert world.elsewhere("shop").server == "n2"


def test_nobody_is_denied_with_the_reason(world: World) -> None:
    with pytest.raises(Denied, match=r"^no server of the pool that is ready now has 'ssd'$"):
        world.places.settle("shop", Where(frozenset({"ssd"})))
    world.own = standing("me", most=2, names=2)
    world.tables.tell(standing("me", names=2), standing("other", full="is full"))
    expected = "^no server of the pool has room: 'node-other' is full; 'node-me' holds 2 databases and allows 2$"
    with pytest.raises(Denied, match=expected):
        world.places.settle("shop", ANYWHERE)
    assert world.tables.claimed == {}


def test_what_is_known_here_counts_at_once_and_the_number_of_names_as_the_directory_counts() -> None:
    world = World()
    world.tables.tell(standing("me"), standing("other"))
    mine = preferring("me")
    world.own = standing("me", full="holds 9 bytes and allows 8")
    assert world.elsewhere(mine).server == "node-other"
    # Names that were claimed a moment ago count before they are made.
    world.tables.claimed.clear()
    world.tables.tell(standing("me", names=500), standing("other"))
    world.own = standing("me", names=0)
    assert "less loaded than 'node-me' (0 databases" in str(world.elsewhere(mine))
    # What the directory does not know yet is known here.
    world.tables.told.pop("me")
    world.tables.claimed.clear()
    assert world.places.settle(mine, ANYWHERE)


def test_a_directory_that_is_away_settles_nothing(world: World) -> None:
    world.link.error = Unavailable("the directory of the pool is away")
    with pytest.raises(Unavailable, match="directory of the pool is away"):
        world.places.settle("shop", ANYWHERE)
    with pytest.raises(Unavailable):
        world.places.holder("shop")
    assert world.tables.executed == []


@pytest.mark.parametrize(
    ("told", "name"), [([standing("k" * 44, node="db7")], "db7"), ([], "k" * 16)], ids=["told", "unknown"]
)
def test_a_holder_that_gossip_does_not_know_is_named_as_it_has_told(told: list[Standing], name: str) -> None:
    world = World()
    world.tables.give("k" * 44, "shop")
    world.tables.tell(*told)
    assert world.elsewhere("shop").server == name
    assert world.places.holder("shop") == name


def test_who_has_a_name_can_be_asked_without_claiming_it(world: World) -> None:
    assert world.places.holder("shop") is None
    world.tables.give("other", "shop")
    world.tables.give("me", "wiki")
    assert (world.places.holder("shop"), world.places.holder("wiki")) == ("node-other", None)
    assert world.tables.of("me") == ["wiki"]


def test_what_is_given_up_is_nobodys_again(world: World) -> None:
    world.tables.give("me", "shop", "wiki")
    world.tables.give("other", "blog")
    for name in ("shop", "blog", "unknown"):
        world.places.give_up(name)
    assert sorted(world.tables.claimed) == ["blog", "wiki"]


@pytest.mark.parametrize("error", [Unavailable("away"), ServerError("no", 1142)])
def test_what_cannot_be_given_up_now_is_no_fault_of_whoever_asked(world: World, error: Exception) -> None:
    world.tables.give("me", "shop")
    world.link.error = error
    world.places.give_up("shop")
    assert world.tables.of("me") == ["shop"]
