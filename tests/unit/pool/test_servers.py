"""What the operator of a pool asks of its directory, and whom he may have forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dbhandler.errors import ConfigError, InvalidRequest, Unavailable
from dbhandler.pool.servers import PoolServers
from dbhandler.serf.members import Member
from dbhandler.trust import words
from tests.support.directories import FakeLink, Tables, member, standing

SECRET = bytes(32)
ENVIRON = {"DBHANDLER_POOL_SECRET": words.encode(SECRET), "DBHANDLER_DIRECTORY": "dir"}
NODES = [replace(member(key, cluster="trio"), name=f"n-{key}") for key in "xy"]


class FakeSerf:
    """A Serf agent that notes whom it is told to have left."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members, self.left = members, list[str]()

    def members(self) -> list[Member]:
        return list(self._members)

    def force_leave(self, node: str) -> None:
        self.left.append(node)


class World:
    """A pool with a directory, and these members; the server `a` has two databases there, `b` one."""

    def __init__(self, *members: Member) -> None:
        self.serf, self.tables = FakeSerf(members), Tables()
        self.link = FakeLink(self.tables, members)
        self.tables.give("a", "shop", "wiki")
        self.tables.give("b", "blog")
        self.tables.tell(standing("a", names=2), standing("b", names=1))
        self.asked_for: tuple[str, tuple[bytes, ...]] | None = None

    def reach(self, name: str, secrets: tuple[bytes, ...], members: Callable[[], Sequence[Member]]) -> FakeLink:
        self.asked_for = name, secrets
        assert members() == self.serf.members()
        return self.link

    def servers(self, **environ: str) -> PoolServers:
        return PoolServers(self.serf, environ or ENVIRON)  # type: ignore[arg-type]

    def refused(self, node: str) -> str:
        with pytest.raises(InvalidRequest) as caught:
            self.servers().forget(node)
        assert self.serf.left == [] and len(self.tables.claimed) == 3
        return str(caught.value)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def build(*members: Member) -> World:
        world = World(*members)
        monkeypatch.setattr("dbhandler.directory.link.DirectoryLink", world.reach)
        return world

    return build


Build = Callable[..., World]


def test_the_servers_are_those_of_the_directory_that_the_settings_name(build: Build) -> None:
    world = build(member("a"), member("b", status="failed"))
    world.tables.give("c", "old")
    found = world.servers().rows()
    assert [(row.standing.server, row.standing.names, row.state) for row in found] == [
        ("c", 1, "unknown"), ("a", 2, "ready"), ("b", 1, "failed"),
    ]  # fmt: skip
    assert world.asked_for == ("dir", (SECRET,))


def test_what_differs_is_told_of_all_of_them(build: Build) -> None:
    world = build(member("a"), member("b", status="failed"), member("c"))
    world.tables.found = {("blog", "a"), ("shop", "a")}
    assert world.servers().differences() == [
        "'blog' is on 'node-a', and in the directory on 'node-b'",
        "'node-b' is failed, and databases wait for it: 1 (dbhandler-pool forget)",
        "'node-c' is not in the directory: it has no DBHANDLER_DIRECTORY",
    ]


def test_who_does_not_prove_to_be_of_the_pool_counts_for_nothing(build: Build) -> None:
    world = build(member("a"), member("b"), member("c"))
    world.link.members = [member("a")]
    states = {row.standing.server: row.state for row in world.servers().rows()}
    assert states == {"a": "ready", "b": "unknown"}


def test_whoever_lives_is_not_forgotten(build: Build) -> None:
    world = build(member("a"), member("b", mysql="down"))
    for node in ("node-a", "node-b"):
        assert world.refused(node) == f"'{node}' lives: only what is lost for good is forgotten"


def test_whom_nobody_knows_is_not_forgotten(build: Build) -> None:
    world = build(member("a"), member("b"))
    assert world.refused("node-\n") == "nobody knows a server 'node-\\n'"
    # A key is no name.
    assert world.refused("a") == "nobody knows a server 'a'"


@pytest.mark.parametrize("status", ["failed", "left", "leaving"])
def test_who_is_away_gives_up_its_names_and_these_are_told(build: Build, status: str) -> None:
    world = build(member("a", status=status), member("b"))
    world.tables.found = {("blog", "a")}
    told = world.servers().forget("node-a")
    assert told.startswith("'node-a' is forgotten, and with it 2 databases: 'shop', 'wiki'. ")
    assert (world.serf.left, sorted(world.tables.claimed), list(world.tables.told)) == (["node-a"], ["blog"], ["b"])
    assert world.tables.found == set()


def test_who_is_gone_from_gossip_gives_up_its_names_by_what_it_has_told(build: Build) -> None:
    world = build(member("b"))
    told = world.servers().forget("node-a")
    assert "'shop', 'wiki'" in told
    assert (world.serf.left, list(world.tables.claimed)) == ([], ["blog"])


def test_a_member_that_the_directory_does_not_know_gives_up_nothing(build: Build) -> None:
    for gone in (member("c", status="failed"), member("web", status="failed", role="web")):
        world = build(gone, member("a"))
        world.servers().forget(gone.name)
        assert world.serf.left == [gone.name] and len(world.tables.claimed) == 3


def test_a_key_that_was_made_anew_under_the_same_name_gives_up_what_is_its_own(build: Build) -> None:
    # The one that was called so before has another key, and its names are another matter.
    world = build(replace(member("c", status="failed"), name="node-a"))
    world.tables.give("c", "new")
    assert "with it 1 databases: 'new'" in world.servers().forget("node-a")
    assert world.tables.of("a") == ["shop", "wiki"]


def test_a_node_whose_cluster_lives_gives_up_no_names(build: Build) -> None:
    dead, lives = replace(NODES[0], status="failed"), NODES[1]
    world = build(dead, lives)
    world.tables.give("trio", "big")
    world.tables.tell(standing("trio"))
    assert "with it no database" in world.servers().forget("n-x")
    assert (world.serf.left, world.tables.of("trio")) == (["n-x"], ["big"])
    assert "trio" in world.tables.told


def test_the_last_node_of_a_cluster_gives_up_its_names(build: Build) -> None:
    world = build(*(replace(node, status="failed") for node in NODES))
    world.tables.give("trio", "big")
    assert "with it 1 databases: 'big'" in world.servers().forget("n-x")
    assert (world.serf.left, world.tables.of("trio")) == (["n-x"], [])


def test_while_the_directory_is_away_nobody_is_forgotten(build: Build) -> None:
    world = build(member("a", status="failed"))
    world.link.error = Unavailable("the directory of the pool is away")
    with pytest.raises(Unavailable, match="the directory of the pool is away"):
        world.servers().forget("node-a")
    assert world.serf.left == []


def test_without_a_directory_a_server_is_only_not_waited_for(build: Build) -> None:
    world = build(member("a", status="failed"), member("b"))
    found = world.servers(DBHANDLER_POOL_SECRET=words.encode(SECRET))
    assert found.forget("node-a") == (
        "'node-a' is forgotten: nobody waits for it, and what it holds comes back with it"
    )  # fmt: skip
    assert world.serf.left == ["node-a"] and world.tables.executed == []
    for node, rule in (("node-b", "'node-b' lives"), ("node-c", "nobody knows a server 'node-c'")):
        with pytest.raises(InvalidRequest, match=rule):
            found.forget(node)
    assert world.serf.left == ["node-a"]


def test_without_a_directory_there_is_nothing_to_tell(build: Build) -> None:
    found = build(member("a")).servers(DBHANDLER_POOL_SECRET=words.encode(SECRET))
    for ask in (found.rows, found.differences):
        with pytest.raises(ConfigError, match=r"^DBHANDLER_DIRECTORY is not set: this pool has no directory$"):
            ask()
