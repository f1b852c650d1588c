"""What the directory is told of a server, and when: all at first and now and then, and else what has changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

import pytest

from dbhandler.directory import directory_sql, keeping
from dbhandler.directory.keeping import FULL_INTERVAL, INTERVAL, UNMADE, Keeping
from dbhandler.directory.standing import Standing
from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, ServerError, Unavailable
from dbhandler.requests.box import fingerprint
from tests.support.directories import FakeLink, Tables, standing
from tests.support.fakes import Clock, RecordingServer

AWAY = Unavailable("the directory of the pool, on 'dir', is away: no route")


class Server(RecordingServer):
    """A server with these databases, so many connections and bytes."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.closed = False
        self.has(*names)
        self.measures(connections=5, size=1000)

    def has(self, *names: str) -> None:
        self.replies[sql.databases()] = [(name,) for name in names]

    def measures(self, connections: int | None = None, size: int | None = None) -> None:
        if connections is not None:
            self.replies[keeping._CONNECTIONS] = [("Threads_connected", str(connections))]
        if size is not None:
            self.replies[keeping._BYTES] = [(size,)]

    def close(self) -> None:
        self.closed = True


class World:
    """One server, me, and the directory; `serves` says whether it is ready."""

    def __init__(self, *names: str, max_bytes: int = 0, was: Collection[str] = ("",)) -> None:
        self.clock = Clock()
        self.server, self.tables = Server(*names), Tables(self.clock)
        self.link, self.own, self.serves = FakeLink(self.tables), standing("me", most=9), True
        self.prepared = 0
        self.keeping = Keeping(
            self.server, self.link, lambda: self.own, lambda: was, max_bytes,  # type: ignore[arg-type]
            lambda: self.serves, self.clock, self._prepare,
        )  # fmt: skip

    def _prepare(self) -> None:
        self.prepared += 1

    def look(self, after: float = INTERVAL) -> list[Statement]:
        """What the directory is asked and told by the look that comes so many seconds later."""
        self.clock.advance(after)
        self.tables.executed.clear()
        self.keeping.look()
        return self.tables.executed

    def told(self, server: str = "me") -> Standing:
        [found] = [one for one in self.link.ask(lambda directory: directory.standings()) if one.server == server]
        return found


def sent(statements: list[Statement], like: Statement) -> list[tuple[object, ...]]:
    """The values of the statements with the text of this one."""
    return [statement.values for statement in statements if statement.text == like.text]


def test_before_the_server_serves_nothing_is_told() -> None:
    world = World("shop")
    world.serves = False
    assert world.look() == [] and world.server.executed == [] and world.prepared == 0
    assert world.keeping.standing() == world.own
    world.serves = True
    world.look()
    assert world.tables.of("me") == ["shop"]


def test_the_first_look_fills_in_all_and_tells_how_the_server_stands() -> None:
    world = World("shop", "wiki")
    world.look()
    assert world.tables.of("me") == ["shop", "wiki"]
    expected = standing("me", most=9, names=2, bytes=1000, connections=5)
    assert world.told() == expected == world.keeping.standing()
    assert world.prepared == 1


def test_while_nothing_changes_nothing_is_said() -> None:
    world = World("shop")
    world.look()
    for _ in range(3):
        assert world.look() == []
    # It is measured all the same, but for what is slow to measure.
    assert world.server.executed.count(keeping._CONNECTIONS) == 4
    assert world.server.executed.count(keeping._BYTES) == 1


def test_afterwards_only_what_is_new_is_filled_in() -> None:
    world = World("shop", "wiki")
    world.look()
    world.server.has("shop", "wiki", "blog")
    statements = world.look()
    assert directory_sql.fill(["blog"], "me") in statements
    assert not sent(statements, directory_sql.fill(["shop", "wiki"], "me"))
    assert directory_sql.standings() not in statements
    assert (world.tables.of("me"), world.told().names) == (["blog", "shop", "wiki"], 3)
    assert world.look() == []


def test_everything_is_told_again_after_a_while() -> None:
    world = World("shop", "wiki")
    world.look()
    # Somebody has meddled with it.
    world.tables.claimed.clear()
    world.tables.told.clear()
    world.server.measures(size=2000)
    assert world.look(FULL_INTERVAL - 0.01) == []
    world.look(0.01)
    assert (world.tables.of("me"), world.told().bytes, world.prepared) == (["shop", "wiki"], 2000, 2)
    assert world.look() == []


def test_a_database_that_was_dropped_is_given_up_at_once_and_one_not_made_yet_is_not() -> None:
    world = World("shop", "wiki")
    world.tables.give("me", "shop", "wiki", age=UNMADE)
    world.tables.give("other", "blog", age=9999)
    world.look()
    world.tables.give("me", "claimed", age=UNMADE - 1 - INTERVAL)
    world.server.has("shop")
    statements = world.look()
    assert sent(statements, directory_sql.release(["a", "b"], "me", 0)) == [("me", "claimed", "wiki", UNMADE)]
    # What is claimed counts, so that many at once are not all placed here.
    assert (world.tables.of("me"), world.told().names) == (["claimed", "shop"], 3)
    world.look(FULL_INTERVAL)
    assert (world.tables.of("me"), world.tables.of("other")) == (["shop"], ["blog"])
    world.look(FULL_INTERVAL)
    assert world.told().names == 1


def test_what_another_server_has_is_noted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World("shop", "wiki", "blog")
    world.tables.give("other", "shop", "blog")
    world.look()
    assert world.tables.found == {("shop", "me"), ("blog", "me")}
    assert (world.tables.of("me"), world.tables.of("other")) == (["wiki"], ["blog", "shop"])
    # Somebody has meddled with it.
    world.tables.found.clear()
    world.look(FULL_INTERVAL)
    assert world.tables.found == {("shop", "me"), ("blog", "me")}
    assert caplog.record_tuples == [(
        "dbhandler.directory.keeping", logging.ERROR,
        "the directory knows other servers for databases that are here, too: 'blog', 'shop' "
        "(dbhandler-pool check tells which)",
    )]  # fmt: skip
    world.server.has("wiki")
    world.look(FULL_INTERVAL)
    assert world.tables.found == set() and len(caplog.messages) == 1
    # Whose name it is, only that one gives up.
    assert world.tables.of("other") == ["blog", "shop"]


def test_what_becomes_a_double_is_noted_at_once_and_what_is_none_any_more_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("shop")
    world.look()
    world.tables.give("other", "wiki")
    world.server.has("shop", "wiki")
    world.look()
    assert world.tables.found == {("wiki", "me")} and "'wiki' (dbhandler-pool" in caplog.text
    world.server.has("shop", "wiki", "blog")
    world.look()
    assert world.tables.found == {("wiki", "me")} and len(caplog.messages) == 1
    world.server.has("shop", "blog")
    world.look()
    assert world.tables.found == set() and len(caplog.messages) == 1


def test_of_many_doubles_a_few_are_told(caplog: pytest.LogCaptureFixture) -> None:
    names = [f"shop{number}" for number in range(8)]
    world = World(*names)
    world.tables.give("other", *names)
    world.look()
    assert "'shop4' and 3 more (dbhandler-pool" in caplog.text and "shop5" not in caplog.text
    assert len(world.tables.found) == 8


def test_a_directory_that_is_away_is_told_of_once_and_gets_everything_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("shop")
    world.look()
    world.link.error = AWAY
    world.server.has("shop", "wiki")
    for _ in range(3):
        world.look()
    assert caplog.record_tuples == [("dbhandler.directory.keeping", logging.WARNING, str(AWAY))]
    # It may have lost what it knew.
    world.tables.claimed.clear()
    world.tables.told.clear()
    world.link.error = None
    world.look()
    assert (world.tables.of("me"), world.told().names) == (["shop", "wiki"], 2)
    assert world.look() == []
    world.link.error = AWAY
    world.look(FULL_INTERVAL)
    assert caplog.messages == [str(AWAY)] * 2


@pytest.mark.parametrize("error", [Unavailable("locked"), ServerError("refused", 1064), Denied("not this pool's")])
def test_nothing_that_fails_ends_it(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    world = World("shop")
    world.server.replies[sql.databases()] = error
    assert world.look() == []
    world.server.has("shop")
    world.look()
    assert world.tables.of("me") == ["shop"] and caplog.messages == [str(error)]


def test_a_directory_that_cannot_be_made_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World("shop")

    def refused() -> None:
        raise Denied("the account is not this pool's")

    world.keeping._prepare = refused
    assert world.look() == []
    assert caplog.messages == ["the account is not this pool's"]


@pytest.mark.parametrize(
    ("most", "full"), [(0, ""), (1001, ""), (1000, "holds 1000 bytes and allows 1000 (DBHANDLER_MAX_BYTES)")]
)
def test_a_server_that_holds_what_it_may_says_so(most: int, full: str) -> None:
    world = World("shop", max_bytes=most)
    world.look()
    assert (world.told().full, world.told().refuses) == (full, full)


def test_an_empty_server_without_a_limit_is_not_full() -> None:
    world = World()
    world.server.measures(size=0)
    world.look()
    assert (world.told().full, world.told().names, world.tables.claimed) == ("", 0, {})


def test_what_was_known_by_a_former_key_is_this_servers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World("shop", was=["0123456789ab", fingerprint("former")])
    world.tables.give("former", "shop", "wiki", age=UNMADE)
    world.tables.give("other", "blog")
    world.tables.tell(standing("former"), standing("other"))
    world.look()
    assert (world.tables.of("former"), world.tables.of("other")) == ([], ["blog"])
    assert "shop" in world.tables.of("me") and world.tables.found == set()
    assert sorted(world.tables.told) == ["me", "other"]
    assert caplog.messages == ["what the directory says of 'node-former' is this server's now"]
    world.look(FULL_INTERVAL)
    assert len(caplog.messages) == 1


def test_it_inherits_nothing_from_itself_or_from_anybody_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World("shop", was=["", fingerprint("me")])
    world.tables.give("other", "blog")
    world.tables.tell(standing("other"), standing("me"))
    assert directory_sql.forget_server("me") not in world.look()
    assert (world.tables.of("me"), world.tables.of("other")) == (["shop"], ["blog"])
    assert sorted(world.tables.told) == ["me", "other"] and caplog.messages == []


@pytest.mark.parametrize(
    ("before", "now", "is_told"),
    [
        (100, 100, False),
        (100, 112, False),
        (100, 88, False),
        (100, 113, True),
        (100, 87, True),
        # A few more on an idle server are nothing.
        (1, 3, False),
        (1, 4, True),
    ],
)
def test_connections_are_told_only_where_they_differ_by_a_tenth(before: int, now: int, is_told: bool) -> None:
    world = World("shop")
    world.server.measures(connections=before)
    world.look()
    world.server.measures(connections=now)
    assert bool(world.look()) == is_told
    assert world.told().connections == (now if is_told else before)


def test_small_changes_add_up() -> None:
    world = World("shop")
    for number in range(100, 114):
        world.server.measures(connections=number)
        world.look()
    assert world.told().connections == 113


@pytest.mark.parametrize("change", [{"node": "renamed"}, {"version": "12"}, {"labels": frozenset({"ssd"})}])
def test_any_other_word_is_told_at_once(change: dict[str, object]) -> None:
    world = World("shop")
    world.look()
    world.own = standing("me", **change)
    world.look()
    assert {name: getattr(world.told(), name) for name in change} == change


class Once(threading.Event):
    """Ends what waits for it after the first time."""

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == INTERVAL
        self.set()
        return True


def test_the_thread_looks_until_it_is_told_to_end_and_closes_what_it_has_opened() -> None:
    world = World("shop")
    world.keeping.run(Once())
    assert world.tables.of("me") == ["shop"]
    assert world.server.closed and world.link.closed
