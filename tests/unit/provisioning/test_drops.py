"""One drop, cut at every step: afterwards all is as it was, or the database is gone and its dump is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbhandler.audit.record import Entry as Told
from dbhandler.engine import group_sql, sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import Busy, Denied, ServerError, Unavailable
from dbhandler.provisioning import drop_sql, privilege_sql
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.drops import Drops
from dbhandler.provisioning.trash import Trash
from dbhandler.requests.box import Credentials
from tests.support.fakes import Clock, RecordingServer, Remembering, Rows

APP = Credentials("shop", "app", "the password of app")
OLD = ("table", "t", "2026-01-01 00:00:00", None)


class Killed(BaseException):
    """The end of the process."""


@dataclass
class World(RecordingServer):
    """A server with one database, its account and the table of drops. `meanwhile` is called before each statement."""

    exists: bool = True
    account: bool = True
    locked: bool = False
    writes: bool = True
    changes: set[tuple[object, ...]] = field(default_factory=lambda: {OLD})
    sessions: list[int] = field(default_factory=list)
    rows: dict[tuple[object, ...], list[object]] = field(default_factory=dict)
    meanwhile: Callable[[Statement], None] = lambda _statement: None

    def __post_init__(self) -> None:
        super().__init__()
        self.passwords = {"app": APP.password}

    def accepts(self, user: str, password: str) -> bool:
        return not self.locked and self.passwords.get(user) == password

    def execute(self, statement: Statement) -> Rows:
        self.meanwhile(statement)
        self.executed.append(statement)
        return self._registered(statement) if "dbhandler_drops" in statement.text else self._answered(statement)

    def _answered(self, statement: Statement) -> Rows:
        answers: dict[Statement, Callable[[], Rows]] = {
            sql.hosts_of("app"): lambda: [("%",)] * self.account,
            sql.account_exists("app"): lambda: [(1,)] * self.account,
            sql.database_exists("shop"): lambda: [(1,)] * self.exists,
            privilege_sql.databases_of("app"): lambda: [("shop",)],
            privilege_sql.contents("shop"): lambda: [(len(self.changes) if self.exists else 0,)],
            drop_sql.privileges("app", "shop"): lambda: [("SELECT",), ("INSERT",)],
            drop_sql.sessions("mariadb"): lambda: [(number, "app") for number in self.sessions],
            drop_sql.defaults("shop"): lambda: [("utf8mb4", "utf8mb4_bin")],
            drop_sql.changes("shop"): lambda: list(self.changes) if self.exists else [],
            drop_sql.now(): lambda: [("2026-01-01 00:00:01",)],
            drop_sql.lock("app", locked=True): lambda: self._set(locked=True),
            drop_sql.lock("app", locked=False): lambda: self._set(locked=False),
            drop_sql.revoke(("INSERT",), "shop", "app"): lambda: self._set(writes=False),
            drop_sql.give_back(("INSERT",), "shop", "app"): lambda: self._set(writes=True),
            sql.drop_database("shop"): lambda: self._set(exists=False),
            sql.drop_user("app"): lambda: self._set(account=False),
            privilege_sql.end_session(7): lambda: self._set(sessions=[]),
        }
        return answers.get(statement, list)()

    def _set(self, **values: object) -> Rows:
        vars(self).update(values)
        return []

    def _registered(self, statement: Statement) -> Rows:
        verb, values = statement.text.split()[0], list(statement.values)
        if verb == "INSERT":
            if (values[0], "") in self.rows:
                raise ServerError("twice", 1062)
            self.rows[values[0], ""] = [*values, ""]
        elif verb == "UPDATE":
            row = self.rows[values[2], ""]
            row[5], row[8] = values[:2]
        elif verb == "DELETE":
            self.rows = {key: row for key, row in self.rows.items() if key[0] != values[0]}
        elif verb == "REPLACE":
            self.rows[values[0], values[3]] = values
        elif "COUNT" in statement.text:
            return [(sum(key[1] != "" and row[2] == values[1] for key, row in self.rows.items()),)]
        elif statement.text.startswith("SELECT name"):
            return [tuple(row) for key, row in self.rows.items() if key[1] == ""]
        return []


@dataclass
class Site:
    world: World
    registry: Remembering
    trash: Trash
    clock: Clock
    told: list[Told] = field(default_factory=list)

    def drops(self, node: str = "") -> Drops:
        parts = (self.world, "mariadb", self.registry, self.trash, node, self.clock, self.clock.advance)
        return Drops(*parts, audit=self.told.append)  # type: ignore[arg-type]

    def dumps(self) -> list[str]:
        return [kept.path.name for kept in self.trash.dumps("shop")]

    def check_dropped(self) -> None:
        assert (self.world.exists, self.world.account, self.world.rows) == (False, False, {})
        assert self.registry.dropped_at("shop") == 42
        assert len(self.dumps()) == 1
        # Twice where it was cut between the line and its end.
        assert {(told.operation, told.outcome, told.database, told.account) for told in self.told} == {
            ("drop_db", "dropped", "shop", "app")
        }
        assert len(self.told) <= 2 and self.told[-1].dump in self.dumps()

    def check_untouched(self) -> None:
        world = self.world
        assert (world.exists, world.account, world.locked, world.writes, world.rows) == (True, True, False, True, {})
        assert self.registry.dropped_at("shop") is None
        assert self.dumps() == []
        assert self.told == []


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Site:
    return Site(World(), Remembering(), Trash(tmp_path / "trash", lambda name: ["echo", name], 7), clock)


def test_a_drop_shuts_out_dumps_and_drops_in_this_order(site: Site) -> None:
    site.world.sessions = [7]
    name = site.drops().carry_out(APP, 42)
    assert site.dumps() == [name]
    assert site.told == [Told("drop_db", "dropped", "shop", "app", origin="query drop_db", dump=name)]
    site.check_dropped()
    steps = [
        drop_sql.lock("app", locked=True),
        privilege_sql.end_session(7),
        sql.drop_database("shop"),
        sql.drop_user("app"),
    ]
    assert [statement for statement in site.world.executed if statement in steps] == steps


STEPS = 45
"""More than a drop has statements."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Unavailable("away"), ServerError("no", 1), Killed()])
def test_cut_at_any_step_it_is_undone_or_finished(
    tmp_path: Path, clock: Clock, error: BaseException, when: str
) -> None:
    outcomes = set()
    for cut in range(STEPS):
        site = Site(World(), Remembering(), Trash(tmp_path / str(cut), lambda name: ["echo", name], 7), clock)
        cutting(site.world, cut, error, when)
        with suppress(Unavailable, ServerError, Killed):
            site.drops().carry_out(APP, 42)
        site.world.meanwhile = lambda _statement: None
        assert site.drops().look_after()
        gone = not site.world.exists
        outcomes.add(gone)
        if gone:
            site.check_dropped()
        else:
            site.check_untouched()
        assert clock.now < 10**6
    assert outcomes == {True, False}


def cutting(world: World, cut: int, error: BaseException, when: str) -> None:
    """From the statement of that number on, the server does nothing any more; `after`: it carries that one out."""
    count = 0

    def meanwhile(statement: Statement) -> None:
        nonlocal count
        count += 1
        if count == cut + 1 and when == "after":
            world.meanwhile = lambda _statement: None
            world.execute(statement)
            world.meanwhile = meanwhile
        if count > cut:
            raise error

    world.meanwhile = meanwhile


def test_a_failed_dump_opens_the_account_again(site: Site, tmp_path: Path) -> None:
    site.trash = Trash(tmp_path / "trash", lambda name: ["sh", "-c", "echo no definer >&2; exit 2"], 7)
    with pytest.raises(ServerError, match="nothing is dropped: 'no definer'"):
        site.drops().carry_out(APP, 42)
    site.check_untouched()


def test_what_is_written_while_the_dump_is_written_is_in_the_next_one(site: Site, tmp_path: Path) -> None:
    late: set[tuple[object, ...]] = {OLD, ("table", "t", "2026-01-01 00:00:00", "2026-01-01 00:00:00")}

    def command(database: str) -> list[str]:
        site.world.changes = late
        return ["echo", database]

    site.trash = Trash(tmp_path / "trash", command, 7)
    site.drops().carry_out(APP, 42)
    site.check_dropped()


def test_a_database_that_somebody_writes_to_all_the_time_is_left_alone(site: Site, tmp_path: Path) -> None:
    def command(database: str) -> list[str]:
        site.world.changes.add(("table", f"t{len(site.world.changes)}", "2026-01-01 00:00:00", None))
        return ["echo", database]

    site.trash = Trash(tmp_path / "trash", command, 7)
    with pytest.raises(ServerError, match="somebody else"):
        site.drops().carry_out(APP, 42)
    site.check_untouched()


def test_a_change_in_this_very_second_is_waited_out(site: Site) -> None:
    site.world.changes = {("table", "t", "2026-01-01 00:00:01", None)}
    with pytest.raises(ServerError, match="somebody else"):
        site.drops().carry_out(APP, 42)
    site.check_untouched()


def test_a_lock_that_stays_leaves_the_database_as_it_was(site: Site) -> None:
    def meanwhile(statement: Statement) -> None:
        if statement == sql.drop_database("shop"):
            raise Unavailable("lock")

    site.world.meanwhile = meanwhile
    with pytest.raises(ServerError, match="somebody may hold a lock"):
        site.drops().carry_out(APP, 42)
    site.check_untouched()


def test_a_drop_that_has_lost_its_dump_destroys_nothing_more(site: Site) -> None:
    cutting(site.world, 0, Killed(), "before")
    site.world.meanwhile = kill_at(site.world, sql.drop_database("shop"))
    with pytest.raises(Killed):
        site.drops().carry_out(APP, 42)
    for name in site.dumps():
        site.trash.remove(name)
    site.world.changes = set()
    site.world.meanwhile = lambda _statement: None
    assert site.drops().look_after()
    site.check_untouched()


def kill_at(world: World, last: Statement) -> Callable[[Statement], None]:
    def meanwhile(statement: Statement) -> None:
        if statement == last:
            world.meanwhile = killed
            raise Killed

    def killed(_statement: Statement) -> None:
        raise Killed

    return meanwhile


def test_sessions_that_do_not_end_undo_the_drop(site: Site) -> None:
    site.world.sessions = [8]
    with pytest.raises(Unavailable, match="does not end"):
        site.drops().carry_out(APP, 42)
    site.world.sessions = []
    site.drops().look_after()
    site.check_untouched()


def test_only_the_owner_drops(site: Site) -> None:
    with pytest.raises(Denied):
        site.drops().carry_out(Credentials("shop", "app", "another password"), 42)
    site.check_untouched()


def test_a_name_that_is_being_dropped_is_not_free_in_any_case_of_its_letters(site: Site) -> None:
    site.world.meanwhile = kill_at(site.world, sql.drop_database("shop"))
    with pytest.raises(Killed):
        site.drops().carry_out(APP, 42)
    site.world.meanwhile = lambda _statement: None
    with pytest.raises(Busy, match="being dropped"):
        DropTable(site.world).check_free("SHOP")  # type: ignore[arg-type]
    DropTable(site.world).check_free("shop2")  # type: ignore[arg-type]


def test_in_a_cluster_the_other_nodes_end_their_sessions_first(site: Site) -> None:
    world = site.world
    world.replies[group_sql.size("mariadb")] = [("wsrep_cluster_size", "2")]
    answered = world._answered

    def with_replies(statement: Statement) -> Rows:
        reply = world.replies.get(statement)
        assert not isinstance(reply, Exception)
        return reply or answered(statement)

    world._answered = with_replies  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="another node"):
        site.drops("one").carry_out(APP, 42)
    site.check_untouched()

    other = site.drops("two")
    looks = iter(range(10**6))

    def meanwhile(statement: Statement) -> None:
        # The other node looks from time to time.
        if "witness <> ''" in statement.text and next(looks) == 3:
            world.meanwhile = lambda _statement: None
            world.sessions = [7]
            assert other.look_after()
            assert world.sessions == []

    world.meanwhile = meanwhile
    site.drops("one").carry_out(APP, 42)
    site.check_dropped()
