"""One database that comes: copied, followed, compared, and then switched, while the other server goes on serving it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.move import UNDER_WAY, Move, Step
from dbhandler.distant import compare
from dbhandler.distant.access import Access, Connection
from dbhandler.distant.changes import Changes
from dbhandler.distant.compare import Ask, State
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.distant.replication import PATIENCE, present_position
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, Denied, Unavailable
from dbhandler.log import shown
from dbhandler.moving.belongings import Belongings, Receiving, belongings
from dbhandler.moving.fetching import command, fetch
from dbhandler.moving.following import Following
from dbhandler.moving.holding import asker_of, check_same, check_whole, position_of
from dbhandler.moving.scheduled import events_of
from dbhandler.provisioning import definers, drop_sql, overview_sql, privilege_sql
from dbhandler.provisioning.move_table import COMING, STOPPED, Marker, MoveTable
from dbhandler.requests.box import Credentials

TIMEOUT = 3600.0
"""Seconds for one statement: the checksum of the largest table takes a while."""
TOLD = 1.0
"""Seconds between two words about how far it is."""
CATCHING_UP, STOP_PATIENCE, REACH = 600.0, 20.0, 8.0
"""Seconds: for what came while it was copied or compared; for the source to stop; for the last changes after that."""
LOOK = 0.03
"""Seconds between two looks whether the source has stopped."""
_ENDED = "somebody has given it up"


class GivenUp(DbHandlerError):
    """The move has taken another way meanwhile."""


@dataclass(frozen=True)
class Here:
    """This server: a connection for the work alone, what opens one as an account, and one more of the first kind, the
    rules for accounts, a way to the directory, its engine, and whether it is a node of a cluster."""

    server: Server
    connect: Callable[[Credentials], Server]
    open: Callable[[], Server]
    receiving: Receiving
    link: DirectoryLink
    engine: str
    in_group: bool = False


class Coming:
    """One try of one move. original is where the source is reached, and source its member's name."""

    def __init__(self, move: Move, here: Here, access: Access, original: Node) -> None:
        self._move, self._here, self._access, self._original = move, here, access, original
        self._table, self._database = MoveTable(here.server), move.name
        self._told, self._total = 0.0, 0

    def carry_out(self) -> None:
        """From the first step to the switch, and what is done here after it. Raises DbHandlerError, GivenUp."""
        with ExitStack() as stack:
            source = stack.enter_context(closing(self._source()))
            goods = self._checked(source)
            start = self._kept(goods) if self._move.is_back else self._copied(source, goods)
            following = stack.enter_context(closing(self._following(start)))
            self._step(Step.FOLLOWING)
            self._catch_up(following)
            self._compare(following)
            self._catch_up(following)
            self._switch(following, goods)

    def _checked(self, source: Server) -> Belongings:
        """What comes with the database. Raises Denied for what cannot come."""
        with closing(self._access.connect(self._original, PATIENCE)) as connection:
            present_position(connection, self._here.engine)
        check_whole(source, self._here.server, self._database, self._original.name)
        goods, name = belongings(source, self._database), shown(self._database)
        if why := definers.others(source, self._database, goods.filler):
            raise Denied(f"{why}. That cannot be made elsewhere with its rights")
        if self._move.is_back:
            self._here.receiving.check_free(goods, self._users_here())
            return goods
        if self._here.server.execute(sql.database_exists(self._database)):
            raise Denied(f"there is a database {name} on that server already")
        self._here.receiving.check_free(goods)
        return goods

    def _copied(self, source: Server, goods: Belongings) -> Position:
        """Loads the database; returns at which position of the source's log it is."""
        self._total = sum(int(str(size)) for _, size, _ in source.execute(overview_sql.sizes_of(self._database)))
        # First, so that whatever is killed it is known what is to be removed.
        self._note({"users": goods.made})
        [(charset, collation)] = source.execute(drop_sql.defaults(self._database))
        self._here.server.execute(sql.create_database(self._database, str(charset), str(collation)))
        filler = self._here.receiving.begin(goods)
        dump = command(self._here.engine, self._access.option_file(self._original, self._here.engine), self._database)
        referenced = {
            str(table).encode() for (table,) in source.execute(privilege_sql.referenced_tables(self._database))
        }
        return fetch(
            dump, self._database, self._here.engine, lambda: self._here.connect(filler),
            None if self._here.in_group else referenced, lambda size: self._tell("", size),
        )  # fmt: skip

    def _kept(self, goods: Belongings) -> Position:
        """What this server has kept since the database went from here: since which position it lacks the changes."""
        former = self._users_here()
        if not self._here.server.execute(sql.database_exists(self._database)):
            raise Unavailable("nothing is left of it on that server")
        self._note({"users": [*former, *goods.users]})
        # Whoever was given an account there may be given none any more, or another role.
        self._here.receiving.without([user for user in former if user != goods.owner])
        return Position.parse(self._move.position, self._here.engine)

    def _users_here(self) -> Sequence[str]:
        """The accounts that were kept with the database. Raises Unavailable where nothing was."""
        marker = self._table.of(self._database)
        if marker is None or marker.side == STOPPED:
            raise Unavailable("nothing is left of it on that server")
        return [str(user) for user in marker.kept.get("users", [])]

    def _following(self, start: Position) -> Following:
        connection = self._access.connect(self._original, PATIENCE)
        return Following(connection, Changes(self._database, self._here.engine), start, self._here.open())

    def _catch_up(self, following: Following) -> None:
        deadline = time.monotonic() + CATCHING_UP
        while not following.catch_up():
            self._tell("making the changes since", self._total)
            if time.monotonic() > deadline:
                raise Unavailable("the source is changed faster than the changes can be made here")

    def _compare(self, following: Following) -> None:
        """Compares all that both hold at one moment of the source. Raises Unavailable where it differs."""
        self._told = 0.0
        self._tell("comparing", self._total)
        with (
            closing(self._access.connect(self._original, TIMEOUT)) as connection,
            compare.one_moment(connection, self._here.engine) as moment,
            ThreadPoolExecutor(1) as beside,
        ):
            theirs = beside.submit(self._state, compare.asker(connection))
            following.reach(moment, CATCHING_UP)
            ours = self._state(asker_of(self._here.server))
            check_same(theirs.result(), ours)
        # That may take longer than anybody waits for a word: is it this one's still?
        self._told = 0.0
        self._tell("comparing", self._total)

    def _state(self, ask: Ask, with_rows: bool = True) -> State:
        found = compare.state(ask, self._here.engine, [self._database], with_rows)
        # Events come with the switch.
        return {key: value for key, value in found.items() if key[1] != "event"}

    def _source(self) -> Server:
        return self._access.server(self._original, self._here.engine, TIMEOUT)

    def _switch(self, following: Following, goods: Belongings) -> None:
        # What takes time is done before anybody waits; a connection that was idle for long may be none any more.
        self._here.receiving.make(goods)
        with (
            closing(self._source()) as source,
            closing(self._access.connect(self._original, REACH)) as connection,
        ):
            self._step(Step.STOPPING)
            stopped = self._stopped(following)
            following.reach(Position.parse(stopped.position, self._here.engine), REACH)
            self._check_definitions(connection)
            self._settle(source, goods)

    def _settle(self, source: Server, goods: Belongings) -> None:
        """Makes all else as it is there now, and then the name this server's."""
        last = self._last(source, goods)
        if not goods.owner:
            self._here.server.execute(sql.drop_user(goods.filler))
        scheduled = events_of(source, self._database, last.users)
        self._note({"users": last.users, "events": [event.as_json() for event in scheduled]})
        position = position_of(self._here.server)
        if not self._here.link.ask(lambda directory: directory.moves.switch(self._move, position)):
            raise GivenUp(_ENDED)

    def _last(self, source: Server, goods: Belongings) -> Belongings:
        """What comes with it, now that nobody is given an account any more."""
        if (last := belongings(source, self._database)) == goods:
            return goods
        self._here.receiving.check_free(last, goods.users)
        self._note({"users": [*goods.made, *last.users]})
        roles = {holder.user: holder.role for holder in last.holders}
        self._here.receiving.without([one.user for one in goods.holders if roles.get(one.user) != one.role])
        self._here.receiving.make(last)
        return last

    def _check_definitions(self, connection: Connection) -> None:
        """What was made or changed by a statement that nobody understood shows here at the latest."""
        theirs = self._state(compare.asker(connection), with_rows=False)
        check_same(theirs, self._state(asker_of(self._here.server), with_rows=False))

    def _stopped(self, following: Following) -> Move:
        deadline = time.monotonic() + STOP_PATIENCE
        while time.monotonic() < deadline:
            following.catch_up()
            row = self._row((Step.STOPPING, Step.STOPPED))
            if row.step is Step.STOPPED:
                return row
            time.sleep(LOOK)
        raise Unavailable(f"{shown(self._original.name)} does not stop its writers")

    def _step(self, step: Step) -> None:
        if not self._here.link.ask(lambda directory: directory.moves.step(self._move, step)):
            raise GivenUp(_ENDED)

    def _note(self, kept: Mapping[str, object]) -> None:
        self._table.put(Marker(self._database, COMING, self._move.attempt, self._original.name, kept))

    def _tell(self, why: str, done: int) -> None:
        """Says how far it is, and hears whether it was given up."""
        if (now := time.monotonic()) - self._told < TOLD:
            return
        self._told, self._total = now, max(self._total, done)
        with suppress(Unavailable):
            self._here.link.ask(lambda directory: directory.moves.progress(self._move, done, self._total, why))
            self._row(UNDER_WAY)

    def _row(self, steps: Collection[Step]) -> Move:
        """The move as it is now. Raises GivenUp where it is another one by now, or at none of these steps."""
        row = self._here.link.ask(lambda directory: directory.moves.of(self._database))
        if row is None or row.attempt != self._move.attempt or row.step not in steps:
            raise GivenUp(row.why if row and row.why else _ENDED)
        return row
