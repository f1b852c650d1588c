"""The directory's rows. A name has one server, because it is a primary key: whatever fails, and whoever is faster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dbhandler.directory import directory_sql, moves_sql
from dbhandler.directory.moves import Moves
from dbhandler.directory.standing import Standing
from dbhandler.engine.driver import ER_DUP_ENTRY
from dbhandler.engine.server import Server
from dbhandler.errors import ServerError


@dataclass(frozen=True)
class Holder:
    """Whose a name is. taken: the database may be there; before that nothing was made."""

    server: str
    taken: bool


TOGETHER = 500
"""Names in one statement."""


class Directory:
    """The directory that `server` holds. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server) -> None:
        self._server, self.moves = server, Moves(server)

    def holder(self, name: str) -> Holder | None:
        """Whose a name is."""
        rows = self._server.execute(directory_sql.holder(name))
        return next((Holder(str(server), bool(taken)) for server, taken in rows), None)

    def claim(self, name: str, server: str, seen: Holder | None) -> Holder | None:
        """Gives a name to a server, whose holder was the one `seen`, who has not taken it; returns whose it is then,
        which is who came first."""
        try:
            self._server.execute(
                directory_sql.reclaim(name, seen.server, server) if seen else directory_sql.claim(name, server)
            )
        except ServerError as error:
            if error.errno != ER_DUP_ENTRY:
                raise
        holder = self.holder(name)
        if holder is not None and holder.server == server:
            self._server.execute(directory_sql.count_one(server))
        return holder

    def take(self, name: str, server: str) -> bool:
        """A server takes a name: from now on nobody else gets it. False where it is not its any more."""
        self._server.execute(directory_sql.take(name, server))
        holder = self.holder(name)
        return holder is not None and holder.server == server

    def release(self, names: Collection[str], server: str, age: int = 0) -> None:
        """Takes names from a server that has had them for at least `age` seconds."""
        for some in _chunks(names):
            self._server.execute(directory_sql.release(some, server, age))

    def fill(self, names: Collection[str], server: str) -> frozenset[str]:
        """Gives a server those of its names that are nobody's; returns those that are another's."""
        doubles = set[str]()
        for some in _chunks(names):
            self._server.execute(directory_sql.fill(some, server))
            doubles |= {str(name) for name, of in self._server.execute(directory_sql.holders(some)) if of != server}
        return frozenset(doubles)

    def note_doubles(self, names: Collection[str], server: str) -> None:
        """Notes which databases of a server have a name that is another's."""
        self._server.execute(directory_sql.forget_doubles(server))
        for some in _chunks(names):
            self._server.execute(directory_sql.note_doubles(some, server))

    def names_of(self, server: str) -> list[str]:
        """The names that are a server's."""
        return [str(name) for (name,) in self._server.execute(directory_sql.names_of(server))]

    def counts(self) -> dict[str, int]:
        """How many names are whose."""
        return {str(server): int(str(number)) for server, number in self._server.execute(directory_sql.counts())}

    def doubles(self) -> list[tuple[str, str, str]]:
        """Databases (name, server that has it, server whose the name is) that are not where the directory says."""
        return [(str(name), str(at), str(of)) for name, at, of in self._server.execute(directory_sql.doubles())]

    def tell(self, standing: Standing) -> None:
        """Says how a server stands now."""
        self._server.execute(directory_sql.tell(standing))

    def standings(self) -> list[Standing]:
        """How the servers stand, as each has said itself."""
        return [_standing(row) for row in self._server.execute(directory_sql.standings())]

    def drain(self, server: str, is_drained: bool) -> None:
        """Keeps new databases from a server, or no longer."""
        self._server.execute(directory_sql.drain(server) if is_drained else directory_sql.undrain(server))

    def inherit(self, old: str, new: str) -> None:
        """Gives what was a server's to the one that has its data."""
        self._server.execute(directory_sql.move_names(old, new))
        self._server.execute(moves_sql.inherit(old, new))
        self._server.execute(directory_sql.forget_server(old))

    def forget(self, server: str) -> None:
        """Takes from a server all that is its."""
        for statement in (
            moves_sql.forget_server(server),
            directory_sql.undrain(server),
            directory_sql.forget_doubles(server),
            directory_sql.forget_names(server),
            directory_sql.forget_server(server),
        ):
            self._server.execute(statement)


def make(server: Server) -> None:
    """Makes the directory on the server that is to hold it, where it is not there. Raises as Directory does."""
    if not server.execute(directory_sql.is_there()):
        # The one that is asked for comes last.
        for statement in (*directory_sql.MAKINGS, moves_sql.MAKING):
            server.execute(statement)


def _standing(row: Sequence[object]) -> Standing:
    server, node, engine, version, labels, *numbers, full, age, is_drained = map(str, row)
    found = frozenset(filter(None, labels.split(",")))
    names, most, size, connections = map(int, numbers)
    full = "is being drained" if int(is_drained) else full
    return Standing(server, node, engine, version, found, names, most, size, connections, full, max(0, int(age)))


def _chunks(names: Collection[str]) -> Iterator[list[str]]:
    rest = iter(sorted(names))
    while some := list(islice(rest, TOGETHER)):
        yield some
