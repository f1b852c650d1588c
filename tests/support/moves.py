"""Two servers in memory between which a database moves, whose work can be cut short at any statement."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from dbhandler.directory.move import Move, Step
from dbhandler.distant import compare
from dbhandler.distant.position import Position
from dbhandler.engine import sql
from dbhandler.engine.password_hash import Way
from dbhandler.engine.sql import Statement
from dbhandler.moving import coming as coming_module
from dbhandler.moving import giving as giving_module
from dbhandler.moving.belongings import Belongings, Holder, Receiving
from dbhandler.moving.coming import Here
from dbhandler.moving.giving import Giving
from dbhandler.moving.scheduled import Event
from dbhandler.moving.taking import Taking
from dbhandler.provisioning import definers, drop_sql
from dbhandler.provisioning.move_table import Marker, MoveTable
from dbhandler.provisioning.own_table import exists
from dbhandler.requests.vocabulary import Role
from tests.support.directories import FakeLink, Tables, member
from tests.support.fakes import Clock, RecordingServer, Rows


def move(**more: Any) -> Move:
    """The database shop, which is to move from a to b."""
    return Move(**{"name": "shop", "source": "a", "target": "b", "step": Step.WAITING, "attempt": "1", **more})


class Killed(BaseException):
    """The process is not any more."""


@dataclass
class Login:
    """One account: of which database, and whether it gets in and writes there."""

    database: str
    role: Role = Role.OWNER
    locked: bool = False
    writes: bool = True
    stored: str = "*HASH"


@dataclass
class Machine(RecordingServer):
    """A server of which databases and accounts are known; `before` hears of every statement before it is carried
    out, `after` after it."""

    name: str
    databases: set[str] = field(default_factory=set)
    logins: dict[str, Login] = field(default_factory=dict)
    before: Callable[[Machine, Statement], None] = lambda *_: None
    after: Callable[[], None] = lambda: None
    events: list[str] = field(default_factory=list)

    engine = "mariadb"

    def __post_init__(self) -> None:
        super().__init__()
        self.markers: dict[str, tuple[object, ...]] = {}

    def execute(self, statement: Statement) -> Rows:
        self.before(self, statement)
        if statement in self.replies:
            return super().execute(statement)
        self.executed.append(statement)
        rows = self._marked(statement)
        rows = self._asked(statement) if rows is None else rows
        if rows is None:
            self._change(statement)
            self.after()
        return rows or []

    def load(self, text: bytes) -> None:
        self.execute(Statement(text.decode()))

    def close(self) -> None:
        """Nothing is open."""

    def accepts(self, user: str, password: str) -> bool:
        return user in self.logins and bool(password)

    def ways(self, user: str) -> list[Way]:
        login = self.logins.get(user)
        return [Way("mysql_native_password", login.stored, login.locked)] if login else []

    def marker(self, name: str = "shop") -> Marker | None:
        """What is noted of a database."""
        return next((found for found in MoveTable(self).all() if found.name == name), None)  # type: ignore[arg-type]

    def serves(self, name: str) -> bool:
        """Does anybody write to a database?"""
        return name in self.databases and any(
            login.database == name and login.writes and not login.locked for login in self.logins.values()
        )

    def _marked(self, statement: Statement) -> Rows | None:
        match statement.text.split():
            case _ if statement == exists("dbhandler_moves"):
                return [(1,)]
            case ["SELECT", *_, "mysql.dbhandler_moves"]:
                return list(self.markers.values())
            case ["REPLACE", "INTO", "mysql.dbhandler_moves", *_]:
                self.markers[str(statement.values[0])] = statement.values
                return []
            case ["DELETE", "FROM", "mysql.dbhandler_moves", *_]:
                self.markers.pop(str(statement.values[0]), None)
                return []
        return None

    def _asked(self, statement: Statement) -> Rows | None:
        match statement.values:
            case (str(name),) if statement == sql.database_exists(name):
                return [(1,)] if name in self.databases else []
            case (str(user), _) if statement == sql.account_exists(user):
                return [(1,)] if user in self.logins else []
            case (str(user),) if statement == sql.hosts_of(user):
                return [("%",)] if user in self.logins else []
            case (_, str(pattern)) if statement.text == drop_sql.privileges("", "").text:
                return [(word,) for word in self._privileges(statement, pattern)]
        return [("0-1-5",)] if statement.text.startswith("SELECT @@gtid") else None

    def _privileges(self, statement: Statement, pattern: str) -> Sequence[str]:
        for user, login in self.logins.items():
            if statement == drop_sql.privileges(user, pattern) and login.writes:
                return ("SELECT", "INSERT", "DROP")
        return ("SELECT",)

    def _change(self, statement: Statement) -> None:
        verb, user = statement.text, str(statement.values[0]) if statement.values else ""
        if verb.startswith("CREATE DATABASE"):
            self.databases.add(verb.split("`")[1])
        elif verb.startswith("DROP DATABASE"):
            self.databases.discard(verb.split("`")[1])
        elif verb.startswith("CREATE USER"):
            self.logins.setdefault(user, Login("", writes=False))
        elif verb.startswith("DROP USER"):
            self.logins.pop(user, None)
        elif "EVENT" in verb and verb.startswith("CREATE"):
            self.events.append(verb)
        elif verb.startswith(("GRANT", "REVOKE", "ALTER USER")):
            self._alter(verb, self.logins[user], statement)

    def _alter(self, verb: str, login: Login, statement: Statement) -> None:
        if verb.startswith("GRANT"):
            login.database = verb.split("`")[1]
            login.writes = login.writes or "INSERT" in verb or "ALL" in verb
        elif verb.startswith("REVOKE"):
            login.writes = login.writes and "INSERT" not in verb
        elif verb.endswith("LOCK"):
            login.locked = not verb.endswith("UNLOCK")
        elif "IDENTIFIED" in verb:
            login.stored = str(statement.values[2])


def belongings_of(server: Any, name: str) -> Belongings:
    """What belongs to a database on a machine."""
    found = {user: login for user, login in server.logins.items() if login.database == name}
    owner = next((user for user, login in found.items() if login.role is Role.OWNER), None)
    holders = [
        Holder(user, login.role, server.ways(user), 0, None)
        for user, login in sorted(found.items(), key=lambda pair: pair[0] != owner)
    ]
    return Belongings(
        name, owner, [replace(one, ways=[replace(way, locked=False) for way in one.ways]) for one in holders]
    )  # fmt: skip


class World:
    """The servers a and b, and a directory where the database shop is a's, which is asked to move to b; another tenant
    has shop2 on a, and blog on b. `step` is one look of everybody; `kill_at` is how many statements from now on
    somebody is killed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> None:
        self.clock = Clock()
        self.tables = Tables(self.clock)
        self.link = FakeLink(self.tables, [member("a"), member("b")])
        self.a = self._machine(
            "a", {"shop", "shop2"}, owner=Login("shop"), reader=Login("shop", Role.READER, writes=False)
        )
        self.a.logins["other"] = Login("shop2")
        self.b = self._machine("b", {"blog"}, blogger=Login("blog"))
        self.tables.give("a", "shop", "shop2")
        self.tables.give("b", "blog")
        self.kill_at: int | None = None
        self.stopping = False
        self.during: dict[str, Callable[[], object]] = {}
        self.scheduled = [Event("ev", "", "SYSTEM", "CREATE EVENT `ev` DO SELECT 1")]
        self._played(monkeypatch)
        self.start()
        self.ask(move(keep=3600, **asked))

    def ask(self, wanted: Move) -> None:
        """Asks for a move."""
        self.link.ask(lambda directory: directory.moves.ask(wanted))

    def start(self) -> None:
        """All agents begin anew, as after a kill."""
        self.taking = {"a": self._taking("a", self.a), "b": self._taking("b", self.b)}
        self.giving = {"a": self._giving("a", self.a), "b": self._giving("b", self.b)}

    def look(self, *whose: str) -> None:
        """One look of each."""
        for name in whose or "ab":
            self.giving[name].look()
        for name in whose or "ab":
            self.taking[name].look()

    def settle(self, looks: int = 12, seconds: float = 5.0) -> None:
        """Looks until nothing more should happen."""
        for _ in range(looks):
            self.look()
            self.clock.advance(seconds)

    @property
    def row(self) -> Move:
        """The move of shop."""
        found = self.tables.move()
        assert found is not None
        return found

    def step(self) -> Step:
        """Where the move is."""
        return self.row.step

    def holder(self) -> str:
        """Whose shop is."""
        return self.tables.claimed["shop"].server

    def check(self) -> None:
        """At no moment two copies take writes, nor one that is not the holder's; nothing of others is touched."""
        serving = [machine.name for machine in (self.a, self.b) if machine.serves("shop")]
        foreign = [name for name in serving if name != self.holder()]
        # Only the account that fills the copy writes there, and nobody knows its password.
        filling = {"b" if machine is self.b else "a" for machine in (self.a, self.b) if self._fills(machine)}
        assert set(foreign) <= filling, (serving, self.row)
        self.check_others()

    def check_others(self) -> None:
        """Nothing of others is touched."""
        assert self.a.serves("shop2") and self.a.logins["other"] == Login("shop2")
        assert self.b.serves("blog") and self.b.logins["blogger"] == Login("blog")

    def _fills(self, machine: Machine) -> bool:
        marker = machine.markers.get("shop")
        return (
            bool(marker) and marker is not None and marker[1] == "coming" and "events" not in json.loads(str(marker[4]))
        )

    def _machine(self, name: str, databases: set[str], **logins: Login) -> Machine:
        return Machine(name, databases, dict(logins), self._before, lambda: self.check())

    def _before(self, _machine: Machine, statement: Statement) -> None:
        if self.kill_at is not None and (_is_change(statement)):
            self.kill_at -= 1
            if self.kill_at < 0:
                self.kill_at = None
                raise Killed

    def _taking(self, name: str, machine: Machine) -> Taking:
        receiving = Receiving(machine, None, False)  # type: ignore[arg-type]
        here = Here(machine, lambda _: machine, lambda: machine, receiving, self._linked(), "mariadb")  # type: ignore[arg-type, return-value]
        access: Any = SimpleNamespace(
            server=lambda node, *_: self._of(node.name), connect=lambda *_: machine,
            option_file=lambda *_: "file",
        )  # fmt: skip
        return Taking(here, access, lambda: name, lambda: True, "")

    def _giving(self, name: str, machine: Machine) -> Giving:
        receiving = Receiving(machine, None, False)  # type: ignore[arg-type]
        return Giving(machine, self._linked(), receiving, lambda: name, lambda: True, lambda _: None)  # type: ignore[arg-type]

    def _linked(self) -> Any:
        """A link over which a kill may come, too: before what is said, or after it."""
        link = self.link

        def ask(question: Callable[[Any], Any]) -> Any:
            changes = len([one for one in self.tables.executed if _is_change(one)])
            answer = link.ask(question)
            if len([one for one in self.tables.executed if _is_change(one)]) > changes:
                self._before(self.a, Statement("UPDATE"))
            return answer

        return SimpleNamespace(ask=ask, believed=link.believed)

    def _of(self, node: str) -> Machine:
        return {"node-a": self.a, "node-b": self.b}[node]

    def _played(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (coming_module, giving_module):
            monkeypatch.setattr(module, "belongings", belongings_of)
        monkeypatch.setattr(coming_module, "present_position", lambda *_: None)
        monkeypatch.setattr(coming_module, "fetch", self._fetched)
        monkeypatch.setattr(coming_module, "Following", lambda *_: _Followed(self))
        monkeypatch.setattr(coming_module, "events_of", lambda *_: self.scheduled)
        monkeypatch.setattr(coming_module, "time", SimpleNamespace(monotonic=lambda: self.clock.now, sleep=self._sleep))
        monkeypatch.setattr(compare, "one_moment", _one_moment)
        monkeypatch.setattr(compare, "state", self._compared)
        monkeypatch.setattr(definers, "others", lambda *_: None)
        statement = drop_sql.defaults("shop")
        for machine in (self.a, self.b):
            machine.replies[statement] = [("utf8mb4", "utf8mb4_bin")]

    def _at(self, what: str) -> None:
        if what in self.during:
            self.during.pop(what)()

    def _fetched(self, *_: object) -> Position:
        self._at("copy")
        return Position.parse("", "mariadb")

    def _compared(self, *_: object) -> dict[object, object]:
        self._at("compare")
        return {}

    def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.giving[self.row.source].look()
        self._at("stop")


class _Followed:
    """Everything comes at once."""

    def __init__(self, world: World) -> None:
        self._world = world

    def catch_up(self) -> bool:
        self._world._at("follow")
        return True

    def reach(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def _one_moment(*_: object) -> Iterator[Position]:
    yield Position.parse("", "mariadb")


def _is_change(statement: Statement) -> bool:
    return not statement.text.startswith(("SELECT", "SHOW", "USE", "SET"))
