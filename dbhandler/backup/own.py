"""An application's own database as it was once, into a new one of its own: who may have it, and how it is brought.

The backup asks the server with the passwords of whoever asks, so it does nothing that he could not do. What is given is
only what was his at that moment: a name may have had another owner then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbhandler.backup.history import Latest, Moment
from dbhandler.backup.moment import moment_of
from dbhandler.backup.own_record import OwnRecord
from dbhandler.backup.replica import Replica
from dbhandler.backup.restore import load
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source
from dbhandler.client import connection as client
from dbhandler.distant.access import Access, Connection
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.engine import sql
from dbhandler.engine.driver import pymysql
from dbhandler.engine.sql import ANY_HOST, Statement
from dbhandler.errors import Denied, Unavailable
from dbhandler.log import shown
from dbhandler.provisioning import privilege_sql, registry_sql
from dbhandler.provisioning.names import Executes, Names
from dbhandler.requests.restore_box import Wanted, not_allowed

QUERY_TIMEOUT = 10.0
"""Seconds for one look into a server."""


class _Reader:
    """A server as the backup's account sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        """The rows of a statement. Raises Unavailable."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement.text, statement.values)
                return list(cursor.fetchall())
        except (pymysql.err.Error, OSError) as error:
            raise Unavailable(f"the server cannot be read now (error {error.args[0] if error.args else 0})") from None


@dataclass(frozen=True)
class _Owned:
    """What a server holds of one account's database: the name as the server has it, what stands for it in a grant, and
    when the account has claimed it (None: before there were claims)."""

    name: str
    pattern: str
    claim: object


class OwnRestore:
    """Restores for whoever proves that it is his. access reads every server; backup_in makes of a folder below
    `folder`, and of the source that it is of, all there is of it; scratch is for private files."""

    def __init__(
        self,
        access: Access,
        backup_in: Callable[[Path, Source], Backup],
        folder: Path,
        scratch: Path,
        record: OwnRecord,
    ) -> None:
        self._access, self._backup_in, self._folder = access, backup_in, folder
        self._scratch, self._record = scratch, record
        self.sources: Sequence[Source] = ()
        """Those that serve now."""

    def check(self, id: str, wanted: Wanted) -> bool:
        """May this be done? True where it has been. Raises Denied or InvalidRequest where it may not be, Unavailable
        where that cannot be known now."""
        source = self._source(wanted)
        moment_of(wanted.at, source.engine)
        return self._check(source, id, wanted)[1]

    def carry_out(self, id: str, wanted: Wanted) -> list[str]:
        """Brings it, and returns what could not be brought. Raises Unrecoverable for a moment that is in no backup, and
        as check does; DbHandlerError, after which the new database is as far as it came."""
        source = self._source(wanted)
        self._check(source, id, wanted)
        backup = self._backup_in(self._folder / source.id, source)
        with backup.at(moment := self._moment(id, wanted, backup)) as copy:
            # Once more: that took its time.
            owned, _ = self._check(source := self._source(wanted), id, wanted)
            _check_was_his(copy, wanted, owned)
            self._record.begin(id, str(moment) if isinstance(moment, Position) else "")
            missing = self._load(copy, source, owned.name, wanted)
            self._record.end(id)
        return missing

    def _source(self, wanted: Wanted) -> Source:
        for source in self.sources:
            if source.id == wanted.source and source.nodes and (self._folder / source.id).is_dir():
                return source
        raise Unavailable("the server of this database is not backed up here, or does not serve now")

    def _check(self, source: Source, id: str, wanted: Wanted) -> tuple[_Owned, bool]:
        node = source.nodes[0]
        if not all(one.lets_restore for one in source.nodes):
            raise not_allowed(shown(source.name))
        # The passwords first: without them nobody is told what there is.
        self._check_let_in(node, wanted.user, wanted.password, wanted.database)
        self._check_let_in(node, wanted.target_user, wanted.target_password, wanted.target)
        with self._reader(node) as reader:
            owned = _owned(reader, wanted.user, wanted.database)
            target = _owned(reader, wanted.target_user, wanted.target)
            is_empty = _is_empty(reader, target.name)
        if not is_empty and self._record.begun(id) is None:
            raise Denied(f"the database {shown(wanted.target)} is not empty: restore into a new one")
        return owned, not is_empty and self._record.is_done(id)

    def _check_let_in(self, node: Node, user: str, password: str, database: str) -> None:
        if not self._access.lets_in(node, user, password, database):
            raise _not_his(user, database)

    @contextmanager
    def _reader(self, node: Node) -> Iterator[Executes]:
        with closing(self._access.connect(node, QUERY_TIMEOUT)) as connection:
            yield _Reader(connection)

    def _moment(self, id: str, wanted: Wanted, backup: Backup) -> Moment:
        """The moment that is meant. The last one is that at which it was begun first: what is there by then is loaded
        over, and nothing else."""
        moment = moment_of(wanted.at, backup.source.engine)
        if not isinstance(moment, Latest):
            return moment
        if begun := self._record.begun(id):
            return Position.parse(begun, backup.source.engine)
        return backup.logs.position or moment

    def _load(self, copy: Replica, source: Source, database: str, wanted: Wanted) -> list[str]:
        node = source.nodes[0]
        into = client.Connection(
            wanted.target, node.host, node.port, wanted.target_user, wanted.target_password, engine=source.engine,
            ca_file=str(self._access.roots),
        )  # fmt: skip
        # Before it stands what is missing of others' databases.
        known = len(copy.missing)
        missing = load(copy.dump(database), into, self._scratch)
        return missing + copy.missing[known:]


def _owned(reader: Executes, user: str, database: str) -> _Owned:
    """What the account has here: this database alone. Raises Denied."""
    names = Names(reader)
    name, pattern = names.folded(database), names.pattern(database)
    if not _has_alone(reader, user, names, pattern) or _owner(reader, name) not in (None, user):
        raise _not_his(user, database)
    return _Owned(name, pattern, _claim(reader, name, user))


def _has_alone(reader: Executes, user: str, names: Names, pattern: str) -> bool:
    hosts = {host for (host,) in reader.execute(sql.hosts_of(user))}
    granted = {names.folded(str(db)) for (db,) in reader.execute(privilege_sql.databases_of(user))}
    return hosts == {ANY_HOST} and granted == {pattern}


def _claim(reader: Executes, name: str, user: str) -> object:
    """When the account has claimed the name; None where nobody knows."""
    owner, claimed = _claimed(reader, name)
    return claimed if owner == user else None


def _owner(reader: Executes, name: str) -> object:
    """Whose claim the name is; None where nobody knows. Another account that has it was given that by its owner."""
    return _claimed(reader, name)[0]


def _claimed(reader: Executes, name: str) -> tuple[object, object]:
    if reader.execute(registry_sql.columns()):
        for _, owner, _, claimed, _ in reader.execute(registry_sql.entry(name)):
            return owner, claimed
    return None, None


def _is_empty(reader: Executes, database: str) -> bool:
    [(number,)] = reader.execute(privilege_sql.contents(database))
    return int(str(number)) == 0


def _check_was_his(copy: Replica, wanted: Wanted, owned: _Owned) -> None:
    """Raises Denied unless the database was the asker's at the moment of this copy: the account had it, and either has
    had it without a break since, or had the password that is shown. That there was one of somebody else's is not
    told."""
    names, server = Names(copy.server), copy.server
    had = server.execute(sql.database_exists(owned.name)) and _has_alone(server, wanted.user, names, owned.pattern)
    if had:
        same = owned.claim is not None and _claim(server, owned.name, wanted.user) == owned.claim
        if same or server.accepts(wanted.user, wanted.password):
            return
    raise Denied(f"the account {shown(wanted.user)} had no database {shown(wanted.database)} at that moment")


def _not_his(user: str, database: str) -> Denied:
    return Denied(
        f"the database {shown(database)} is not the account's {shown(user)}: no such account or database, or another "
        "password"
    )
