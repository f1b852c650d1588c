"""A pool's directory in memory: the server that holds it, a link to it, and members who stand in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dbhandler.directory import directory_sql, moves_sql
from dbhandler.directory.directory import Directory
from dbhandler.directory.move import Move, Step
from dbhandler.directory.moves import Moves
from dbhandler.directory.standing import Standing
from dbhandler.engine.driver import ER_DUP_ENTRY
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError
from dbhandler.serf.members import Member
from tests.support.fakes import Clock, RecordingServer, Rows
from tests.support.move_rows import MoveRows

_T = TypeVar("_T")


def standing(server: str, **more: object) -> Standing:
    """A server of this identity, whose member has the name node-SERVER."""
    return Standing(**{"server": server, "node": f"node-{server}", "engine": "mariadb", **more})  # type: ignore[arg-type]


def member(server: str, status: str = "alive", mysql: str = "ready", **tags: str) -> Member:
    """The member of such a server."""
    shown = {"role": "db", "mysql": mysql, "key": server, **tags}
    return Member(f"node-{server}", "10.0.0.1", 7946, status, {name: text for name, text in shown.items() if text})


@dataclass(frozen=True)
class Row:
    """Whose a name is, since when, and whether it was taken."""

    server: str
    since: float
    taken: bool


class Tables(RecordingServer):
    """A server that holds the directory: `claimed` has the row of each name, `told` how each server stands and since
    when, `found` the doubles, `drained` who gets nothing new, `rows` the moves. A statement in `replies` is answered as
    they say."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self.clock = clock or Clock()
        self.claimed: dict[str, Row] = {}
        self.told: dict[str, tuple[tuple[object, ...], float]] = {}
        self.found: set[tuple[str, str]] = set()
        self.drained: set[str] = set()
        self.rows = MoveRows(self.clock)

    def give(self, server: str, *names: str, age: float = 0, taken: bool = True) -> None:
        """Names that are a server's for `age` seconds."""
        self.claimed.update(dict.fromkeys(names, Row(server, self.clock.now - age, taken)))

    def tell(self, *standings: Standing) -> None:
        """What servers have said just now."""
        for one in standings:
            self._change(directory_sql.tell(one))

    def of(self, server: str) -> list[str]:
        """The names that are a server's."""
        return sorted(name for name, row in self.claimed.items() if row.server == server)

    def execute(self, statement: Statement) -> Rows:
        if statement in self.replies:
            return super().execute(statement)
        self.executed.append(statement)
        if moves_sql.TABLE in statement.text:
            return self._moved(statement)
        rows = self._read(statement)
        if rows is None:
            self._change(statement)
        return rows or []

    def move(self, name: str = "shop") -> Move | None:
        """The move of a name."""
        return Moves(self).of(name)  # type: ignore[arg-type]

    def _moved(self, statement: Statement) -> Rows:
        if " JOIN " not in statement.text:
            return self.rows.execute(statement)
        to, position, name, attempt, since = map(str, statement.values)
        assert statement == moves_sql.switch(Move(name, "", "", Step(since), attempt), position)
        found, row = self.move(name), self.claimed.get(name)
        if found and row and (found.attempt, found.step, row.server) == (attempt, since, found.source):
            self.give(found.target, name)
            self.rows.switched(name, to, position)
        return []

    def _read(self, statement: Statement) -> Rows | None:
        match statement.values:
            case () if statement == directory_sql.standings():
                return [
                    (*values, int(self.clock.now - at), int(str(values[0]) in self.drained))
                    for values, at in self.told.values()
                ]
            case () if statement == directory_sql.counts():
                owners = [row.server for row in self.claimed.values()]
                return [(owner, owners.count(owner)) for owner in dict.fromkeys(owners)]
            case () if statement == directory_sql.doubles():
                known = [
                    (name, at, self.claimed[name].server) for name, at in sorted(self.found) if name in self.claimed
                ]
                return [(name, at, of) for name, at, of in known if at != of]
            case (str(name),) if statement == directory_sql.holder(name):
                row = self.claimed.get(name)
                return [(row.server, int(row.taken))] if row else []
            case (str(server),) if statement == directory_sql.names_of(server):
                return [(name,) for name in self.of(server)]
            case (*names,) if names and statement == directory_sql.holders(_texts(names)):
                return [(name, self.claimed[name].server) for name in _texts(names) if name in self.claimed]
        return None

    def _change(self, statement: Statement) -> None:
        match statement.values:
            case (str(name), str(server)) if statement == directory_sql.claim(name, server):
                if name in self.claimed:
                    raise ServerError("the database server refused (error 1062)", ER_DUP_ENTRY)
                self.give(server, name, taken=False)
            case (str(name), str(server)) if statement == directory_sql.take(name, server):
                if name in self.of(server):
                    self.claimed[name] = replace(self.claimed[name], taken=True)
            case (str(new), str(name), str(old)) if statement == directory_sql.reclaim(name, old, new):
                if name in self.of(old) and not self.claimed[name].taken:
                    self.give(new, name, taken=False)
            case (str(server),) if statement == directory_sql.count_one(server):
                if server in self.told:
                    values, at = self.told[server]
                    self.told[server] = (*values[:5], int(str(values[5])) + 1, *values[6:]), at
            case (str(server), *names, int(age)) if statement == directory_sql.release(_texts(names), server, age):
                self._forget(server, _texts(names), age)
            case (str(new), str(old)) if statement == directory_sql.move_names(old, new):
                self.claimed.update({name: replace(self.claimed[name], server=new) for name in self.of(old)})
            case (str(server),) if statement == directory_sql.forget_names(server):
                self._forget(server, self.of(server), 0)
            case (str(server),) if statement == directory_sql.forget_server(server):
                self.told.pop(server, None)
            case (str(server),) if statement == directory_sql.drain(server):
                self.drained.add(server)
            case (str(server),) if statement == directory_sql.undrain(server):
                self.drained.discard(server)
            case (str(server),) if statement == directory_sql.forget_doubles(server):
                self.found = {double for double in self.found if double[1] != server}
            case (_, str(server), *_) as flat if statement == directory_sql.fill(_texts(flat[::2]), server):
                self.give(server, *(name for name in _texts(flat[::2]) if name not in self.claimed))
                for name in set(_texts(flat[::2])) & set(self.of(server)):
                    self.claimed[name] = replace(self.claimed[name], taken=True)
            case (_, str(server), *_) as flat if statement == directory_sql.note_doubles(_texts(flat[::2]), server):
                self.found |= {(name, server) for name in _texts(flat[::2])}
            case (server, *_) as values if statement.text == directory_sql.tell(standing("")).text:
                self.told[str(server)] = values, self.clock.now
            case _:
                raise AssertionError(f"no statement about the directory: {statement}")

    def _forget(self, server: str, names: Collection[str], age: int) -> None:
        for name in set(names) & set(self.of(server)):
            row = self.claimed[name]
            if row.since <= self.clock.now - age * (1 if row.taken else directory_sql.UNTAKEN):
                del self.claimed[name]


class FakeLink:
    """A link to it; `error` is what asking raises, while it is set."""

    def __init__(self, tables: Tables, members: Sequence[Member] = ()) -> None:
        self.tables, self.members = tables, list(members)
        self.error: Exception | None = None
        self.closed = False

    def ask(self, question: Callable[[Directory], _T]) -> _T:
        if self.error:
            raise self.error
        return question(Directory(self.tables))  # type: ignore[arg-type]

    def believed(self) -> list[Member]:
        return self.members

    def close(self) -> None:
        self.closed = True


def _texts(values: Sequence[object]) -> list[str]:
    return [str(value) for value in values]
