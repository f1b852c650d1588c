"""Databases within their quota: what accounts lose and get back, whatever is killed in between."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbhandler.audit.record import Entry
from dbhandler.engine import group_sql, sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError, Unavailable
from dbhandler.provisioning import account_table, own_table, privilege_sql, quota_sql, roles
from dbhandler.provisioning.account_table import Account
from dbhandler.provisioning.provision import Provisioner
from dbhandler.provisioning.quota import INTERVAL, SHARE, Quota, Reading
from dbhandler.provisioning.quota_rights import LINGERS, exempted
from dbhandler.provisioning.registry import Entry as Claim
from dbhandler.requests.box import Credentials, Keys, seal
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Role
from tests.support.fakes import Clock, RecordingServer, Remembering, Rows

LIMIT = 1000
ALL = {*quota_sql.GROWING, "SELECT", "DELETE", "DROP"}
WRITER = set(roles.PRIVILEGES[Role.WRITER])
LEFT = {"SELECT", "DELETE", "DROP"}
CHANGES = ("REPLACE", "DELETE", "REVOKE", "GRANT", "KILL")
LIST = re.compile(r"(?:GRANT|REVOKE) (.+) ON `(\w+)`\.\* (?:TO|FROM)")


class Killed(BaseException):
    """The agent ends here."""


class Server:
    """A server with accounts, their privileges, sessions, and the tables of ours."""

    def __init__(self, engine: str = "mariadb") -> None:
        self.engine = engine
        self.rights: dict[tuple[str, str], set[str]] = {}
        self.given: dict[str, Account] = {}
        self.rows: dict[str, tuple[str, str, str]] = {}
        self.since: dict[str, int] = {}
        self.age = 0
        self.open: dict[int, tuple[str, int]] = {}
        self.exempt: list[str] = []
        self.dropping: list[str] = []
        self.index: str | None = "0"
        self.changes: list[str] = []
        self.dies_after: int | None = None
        self.fails: dict[str, Exception] = {}
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def execute(self, statement: Statement) -> Rows:
        text, values = statement.text, statement.values
        for part, error in self.fails.items():
            if part in (text, *values):
                raise error
        if text.startswith(CHANGES):
            if self.dies_after == len(self.changes):
                raise Killed
            self.changes.append(text % values)
            return self._change(text, [str(value) for value in values])
        return self._answer(statement)

    def _change(self, text: str, values: list[str]) -> Rows:
        if text.startswith("REPLACE INTO mysql.dbhandler_quotas"):
            user, *row = values
            self.rows[user] = (row[0], row[1], row[2])
            self.since[user] = len(self.changes)
        elif text.startswith("DELETE FROM mysql.dbhandler_quotas"):
            del self.rows[values[0]]
        elif text.startswith("KILL"):
            self.open.pop(int(values[0]), None)
        elif match := LIST.search(text):
            held = self.rights[match[2], values[0]]
            listed = set(match[1].split(", "))
            (held.difference_update if text.startswith("REVOKE") else held.update)(listed)
        return []

    def _answer(self, statement: Statement) -> Rows:
        text, values = statement.text, statement.values
        if text == own_table.exists("dbhandler_quotas").text:
            return [(1,)] if statement == own_table.exists("dbhandler_boxes") or self.rows else []
        if statement in (own_table.exists("dbhandler_boxes"), own_table.exists("dbhandler_drops")):
            return [(1,)]
        if text.startswith("SELECT user, name, taken"):
            return [(user, *row, self.since[user], self.age) for user, row in sorted(self.rows.items())]
        if text.startswith("SELECT Insert_priv"):
            held = self.rights.get((str(values[2]), str(values[1])))
            return [] if held is None else [tuple("Y" if name in held else "N" for name in quota_sql.GROWING)]
        if text.startswith(f"SELECT {account_table._COLUMNS}"):
            return self._accounts(text, str(values[0]))
        if "dbhandler_drops" in text:
            return [(name, "any", "", "x", 0, "begun", "", 0, "") for name in self.dropping]
        if text == quota_sql.sessions(self.engine).text:
            return [(number, user, idle) for number, (user, idle) in self.open.items()]
        return self._asked(statement)

    def _accounts(self, text: str, value: str) -> Rows:
        found = [one for one in self.given.values() if value == (one.user if "user = %s" in text else one.name)]
        return [(one.user, one.name, one.role, one.ends, one.old_until) for one in found]

    def _asked(self, statement: Statement) -> Rows:
        if statement == group_sql.place("mariadb"):
            return [] if self.index is None else [("wsrep_local_index", self.index)]
        for database in {name for name, _ in self.rights}:
            if statement == quota_sql.is_exempt(database):
                return [(7 if database in self.exempt else None,)]
            if statement == quota_sql.exempt(database):
                self.exempt.append(database)
            if statement == quota_sql.exempt_no_more(database):
                self.exempt.remove(database)
        for user in {user for _, user in self.rights}:
            if statement == sql.account_exists(user):
                return [(1,)]
            if statement == privilege_sql.databases_of(user):
                return [(name,) for name, other in self.rights if other == user]
        return []


@dataclass
class World:
    """`shop` is clerk's, who has given away three accounts of it; `blog` is anybody's."""

    server: Server = field(default_factory=Server)
    limit: int | None = LIMIT
    in_group: bool = False
    sizes: dict[str, int] = field(default_factory=lambda: {"shop": 10, "blog": 10})
    seconds: float = 0
    told: list[Entry] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    registry: Remembering = field(default_factory=Remembering)

    def __post_init__(self) -> None:
        server = self.server
        if not server.rights:
            for user, role, held in (
                ("clerk", "", ALL), ("boss", "owner", ALL), ("writer", "writer", WRITER),
                ("reader", "reader", {"SELECT"}),
            ):  # fmt: skip
                server.rights["shop", user] = set(held)
                if role:
                    server.given[user] = Account(user, "shop", role)
            server.rights["blog", "blog"] = set(ALL)
            server.open = {1: ("clerk", 0), 2: ("clerk", 1), 3: ("reader", 1), 4: ("blog", 1), 5: ("writer", 1)}
        self.registry.entries = {"shop": Claim("shop", "clerk"), "blog": Claim("blog", "blog")}
        self.began()

    def began(self) -> None:
        """The agent starts."""
        self.server.dies_after = None
        self.quota = Quota(
            self.limit, self.server, self.registry, Path("/nowhere"), threading.Lock(), self.in_group,  # type: ignore[arg-type]
            self.told.append, self.clock,
        )  # fmt: skip
        self.quota._sizes = self  # type: ignore[assignment]

    def measured(self, least: int, most_free: int) -> Mapping[str, int]:
        assert (least, most_free) == (950, LIMIT)
        self.clock.advance(self.seconds)
        return self.sizes

    def look(self, **sizes: int) -> float:
        self.sizes |= sizes
        return self.quota.look()

    def rights(self) -> dict[str, set[str]]:
        return {user: held for (name, user), held in self.server.rights.items() if name == "shop"}

    def over(self) -> World:
        self.look(shop=LIMIT + 1)
        return self


BEFORE = {"clerk": ALL, "boss": ALL, "writer": WRITER, "reader": {"SELECT"}}
REDUCED = {"clerk": LEFT, "boss": LEFT, "writer": WRITER - {"INSERT", "UPDATE"}, "reader": {"SELECT"}}


def test_within_the_quota_nothing_is_changed() -> None:
    world = World()
    assert world.look(shop=LIMIT) == INTERVAL
    assert world.server.changes == [] and world.rights() == BEFORE
    assert world.quota.reading == Reading(LIMIT, frozenset(), LIMIT)
    assert world.quota.told("shop") is None


def test_over_it_accounts_lose_what_lets_it_grow_and_their_sessions() -> None:
    world = World().over()
    assert world.rights() == REDUCED
    assert world.server.rights["blog", "blog"] == ALL
    # Who loses nothing goes on reading.
    assert sorted(world.server.open) == [3, 4]
    of_one = [change.split()[0] for change in world.server.changes if "clerk" in change]
    assert of_one == ["REPLACE", "REVOKE", "REPLACE"]
    assert world.server.changes[-3:] == ["KILL 1", "KILL 2", "KILL 5"]


def test_below_it_each_gets_back_what_it_had() -> None:
    world = World().over()
    # One that deletes, one that waits, and one that has lost nothing.
    world.server.open |= {6: ("clerk", 0), 7: ("clerk", 1), 8: ("reader", 1)}
    world.look(shop=940)
    assert world.rights() == BEFORE
    assert 7 not in world.server.open and {6, 8} <= world.server.open.keys()
    world.server.open |= {9: ("clerk", 1)}
    world.server.open[6] = ("clerk", 1)
    world.look()
    assert 6 not in world.server.open
    # What has begun since then has all rights.
    assert 9 in world.server.open
    assert world.server.rows
    world.server.age = LINGERS + 1
    world.look()
    assert world.server.rows == {}


def test_a_database_at_its_quota_does_not_change_from_one_moment_to_the_next() -> None:
    world = World()
    world.look(shop=LIMIT)
    assert world.rights() == BEFORE
    world.over()
    changes = len(world.server.changes)
    for size in (LIMIT, 951):
        world.look(shop=size)
    assert len(world.server.changes) == changes and world.rights() == REDUCED
    world.look(shop=950)
    assert world.rights() == BEFORE
    world.look(shop=LIMIT)
    assert world.rights() == BEFORE


def test_it_goes_over_again_at_once() -> None:
    world = World().over()
    world.look(shop=10)
    world.server.open |= {10: ("clerk", 1)}
    world.over()
    assert world.rights() == REDUCED and 10 not in world.server.open
    world.look(shop=10)
    assert world.rights() == BEFORE


def kills(world: World, size: int) -> int:
    """How many changes there are in a look at a database of that size, each of which may be the last one."""
    before = len(world.server.changes)
    world.look(shop=size)
    return len(world.server.changes) - before


def killed(world: World, size: int, step: int) -> None:
    """The agent is killed before that change, and starts again."""
    world.server.dies_after = len(world.server.changes) + step
    with pytest.raises(Killed):
        world.look(shop=size)
    world.began()


def test_whatever_is_killed_it_is_finished() -> None:
    for step in range(kills(World(), LIMIT + 1)):
        world = World()
        killed(world, LIMIT + 1, step)
        world.look()
        assert world.rights() == REDUCED and sorted(world.server.open) == [3, 4]
        world.look(shop=10)
        assert world.rights() == BEFORE


def test_whatever_is_killed_while_it_is_given_back() -> None:
    for step in range(kills(World().over(), 10)):
        world = World().over()
        killed(world, 10, step)
        world.server.open |= {11: ("clerk", 1)}
        world.look()
        assert world.rights() == BEFORE and 11 not in world.server.open


def test_what_is_within_the_quota_when_the_agent_is_back_loses_nothing() -> None:
    for step in range(kills(World(), LIMIT + 1)):
        world = World()
        killed(world, LIMIT + 1, step)
        world.look(shop=10)
        assert world.rights() == BEFORE


def test_the_next_agent_ends_what_an_open_session_may_still_do() -> None:
    world = World().over()
    changes = len(world.server.changes)
    world.server.open[12] = ("clerk", 0)
    world.began()
    world.look()
    assert 12 not in world.server.open and world.server.changes[changes:] == ["KILL 12"]


def test_who_has_got_more_meanwhile_loses_it_again() -> None:
    world = World().over()
    world.server.rights["shop", "writer"] |= {"INSERT", "UPDATE"}
    world.server.rights["shop", "late"] = set(WRITER)
    world.server.given["late"] = Account("late", "shop", "writer")
    world.look()
    assert world.rights() == REDUCED | {"late": REDUCED["writer"]}
    world.look(shop=10)
    assert world.rights() == BEFORE | {"late": WRITER}


def test_what_the_operator_has_taken_before_is_not_given() -> None:
    world = World()
    world.server.rights["shop", "clerk"] -= {"ALTER", "INDEX"}
    world.over().look(shop=10)
    assert world.rights()["clerk"] == ALL - {"ALTER", "INDEX"}


def test_who_was_made_anew_with_another_role_gets_what_that_says() -> None:
    world = World().over()
    for user, role, held in (("writer", "reader", {"SELECT"}), ("boss", "writer", set[str]())):
        world.server.rights["shop", user], world.server.given[user] = held, Account(user, "shop", role)
    world.look(shop=10)
    assert (world.rights()["writer"], world.rights()["boss"]) == ({"SELECT"}, {"INSERT", "UPDATE"})


def test_an_account_that_is_gone_is_forgotten_and_not_made() -> None:
    world = World().over()
    del world.server.rights["shop", "writer"], world.server.given["writer"]
    world.look(shop=10)
    assert "writer" not in world.server.rows and ("shop", "writer") not in world.server.rights
    assert not any("GRANT" in change and "writer" in change for change in world.server.changes)


def test_of_a_database_that_is_nobodys_nothing_is_taken() -> None:
    world = World()
    world.registry.entries.pop("blog")
    world.look(blog=LIMIT + 1)
    assert world.server.changes == [] and world.quota.reading == Reading(LIMIT, frozenset({"blog"}), LIMIT + 1)


def test_what_is_being_dropped_or_restored_is_left_alone() -> None:
    world = World()
    for at_it in (world.server.dropping, world.server.exempt):
        for size, before, after in ((LIMIT + 1, BEFORE, REDUCED), (10, REDUCED, BEFORE)):
            at_it.append("shop")
            world.look(shop=size)
            assert world.rights() == before
            at_it.clear()
            world.look()
            assert world.rights() == after


def test_whoever_loads_a_database_for_its_operator_has_all_rights_meanwhile() -> None:
    world = World().over()
    world.server.open |= {30: ("clerk", 1)}
    with exempted(world.server, world.registry, "shop"):  # type: ignore[arg-type]
        assert world.rights() == BEFORE
        world.server.open |= {31: ("clerk", 1)}
        world.look()
        assert world.rights() == BEFORE and 31 in world.server.open
    world.look()
    assert world.rights() == REDUCED and 31 not in world.server.open


def test_what_was_loaded_and_is_within_the_quota_is_written_to_by_sessions_from_now_on() -> None:
    world = World().over()
    world.server.open |= {30: ("clerk", 1)}
    with exempted(world.server, world.registry, "shop"):  # type: ignore[arg-type]
        world.look(shop=10)
        assert 30 in world.server.open
    world.look()
    assert world.rights() == BEFORE and 30 not in world.server.open


def test_a_limit_that_is_no_more_gives_everything_back_and_the_thread_ends() -> None:
    world = World().over()
    world.limit = None
    world.began()
    world.look()
    assert world.rights() == BEFORE and world.quota.reading is None
    world.server.age = LINGERS + 1
    world.quota.run(Hurried())
    assert world.server.rows == {} and world.server.closed


class Hurried(threading.Event):
    """Nobody waits."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


def test_without_a_limit_a_server_is_asked_once() -> None:
    world = World(limit=None)
    world.quota.run(Hurried())
    assert world.server.changes == [] and world.server.closed


def test_a_server_that_is_away_is_asked_again_before_the_thread_ends() -> None:
    world = World(limit=None).over()
    world.quota._rows = None
    world.server.fails = {own_table.exists("dbhandler_quotas").text: Unavailable("away")}
    world.look()
    assert world.quota._rows is None


@pytest.mark.parametrize("index", ["1", "18446744073709551615", None])
def test_another_node_of_a_cluster_ends_its_sessions_and_changes_no_account(index: str | None) -> None:
    first = World(in_group=True)
    first.over()
    first.server.index = index
    first.server.open = {21: ("clerk", 0), 22: ("reader", 0)}
    second = World(first.server, in_group=True)
    changes = len(first.server.changes)
    second.look(shop=10)
    assert first.server.changes[changes:] == ["KILL 21"]
    assert second.quota.reading == Reading(LIMIT, frozenset({"shop"}), 10) and second.told == []
    assert "over its quota of 1000 bytes (DBHANDLER_QUOTA_BYTES)" in str(second.quota.told("shop"))


def test_what_is_over_is_told_once_and_once_when_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dbhandler")
    world = World().over()
    world.look(shop=LIMIT + 2)
    world.began()
    world.look()
    assert caplog.messages == [
        "the database 'shop' is over its quota: it takes 1001 bytes of 1000 (DBHANDLER_QUOTA_BYTES); its accounts may "
        "read and delete, and write no more"
    ]
    world.look(shop=10)
    world.look()
    assert caplog.messages[1:] == ["the database 'shop' is within its quota again: its accounts may write as before"]
    assert [(entry.operation, entry.outcome, entry.database) for entry in world.told] == [
        ("quota", "over", "shop"), ("quota", "within", "shop")
    ]  # fmt: skip


def test_of_one_that_is_dropped_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dbhandler")
    world = World().over()
    del world.sizes["shop"]
    world.look()
    assert len(caplog.messages) == 1 and world.quota.reading == Reading(LIMIT, frozenset(), 10)


def test_one_that_fails_keeps_no_other_from_it_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.server.fails = {"blog": ServerError("refused", 1141)}
    for _ in range(2):
        world.look(shop=LIMIT + 1, blog=LIMIT + 1)
    assert world.rights() == REDUCED
    assert caplog.text.count("'blog' cannot be kept within the quota: refused") == 1
    world.server.fails = {}
    world.look()
    assert world.server.rights["blog", "blog"] == LEFT


def test_measuring_takes_a_small_part_of_the_time() -> None:
    world = World()
    world.seconds = 3
    assert world.look() == SHARE * 3


class Requests(RecordingServer):
    """A server with the database `shop`, which is clerk's."""

    def __init__(self) -> None:
        super().__init__({
            sql.database_exists("shop"): [(1,)],
            sql.hosts_of("clerk"): [("%",)],
            privilege_sql.databases_of("clerk"): [("shop",)],
        })  # fmt: skip

    def accepts(self, user: str, password: str) -> bool:
        return True


def test_who_owns_a_database_is_told_when_he_asks_again_and_nobody_else(tmp_path: Path) -> None:
    keys, registry = Keys(tmp_path / "key"), Remembering()
    registry.entries["shop"] = Claim("shop", "clerk")
    provisioner = Provisioner(
        Requests(), Policy(), "mariadb", keys, registry, lambda: None,  # type: ignore[arg-type]
        over_quota=lambda name: f"{name} is too large",
    )  # fmt: skip
    sealed = seal(keys.public, Credentials("shop", "clerk", "the password"))
    requests = (Request("shop", sealed), Request("shop"))
    assert [(one.status, one.reason) for one in provisioner.create_all(requests)] == [
        ("exists", "shop is too large"), ("exists", None)
    ]  # fmt: skip
