"""One drop from its first step to its last, and what becomes of one that was cut short.

The account is shut out and its sessions are ended, then the dump is written, then the database goes. Whatever fails or
is killed before something was destroyed is undone; what was begun to be destroyed is finished.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace

from dbhandler.audit.record import Audit, Entry, unaudited
from dbhandler.engine import group_sql, sql
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.log import shown
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.copy_table import CopyTable
from dbhandler.provisioning.drop_table import DUMPED, LOCKED, Drop, DropTable
from dbhandler.provisioning.eviction import PATIENCE, PAUSE, Eviction
from dbhandler.provisioning.ownership import Ownership, unproven
from dbhandler.provisioning.quiet import Changes, Quiet, disturbed
from dbhandler.provisioning.registry import Memory
from dbhandler.provisioning.trash import Trash
from dbhandler.requests.box import Credentials
from dbhandler.requests.vocabulary import Query, Status

logger = logging.getLogger(__name__)

ATTEMPTS = 15
"""Attempts to drop a database that somebody holds a lock on; each of them waits for a second."""


class Drops:
    """Drops databases, with a server connection that nobody else uses. node is this node's identity in a cluster,
    audit is told of every database that is gone.

    Every method may raise Unavailable, ServerError or OSError; what it had begun is then undone, or settled later.
    """

    def __init__(
        self,
        server: Server,
        engine: str,
        registry: Memory,
        trash: Trash,
        node: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        audit: Audit = unaudited,
    ) -> None:
        self._audit, self._origins = audit, dict[str, str]()
        self._server, self._engine, self._registry, self.trash = server, engine, registry, trash
        self.node, self._clock, self._sleep = node, clock, sleep
        self._table, self._accounts, self._granted = DropTable(server), Accounts(server), AccountTable(server)
        self._copies = CopyTable(server)
        self._ownership = Ownership(server, self._accounts, registry, engine)
        self._eviction, self._quiet = Eviction(server, engine, clock, sleep), Quiet(server, engine, sleep)
        self._complaints: dict[str, str] = {}

    def carry_out(self, asker: Credentials, ltime: int) -> str | None:
        """Drops the asker's database; returns the name of its dump, None where there was no database any more.

        Raises Denied, too, where it is not the asker's.
        """
        if not self._ownership.owns(asker):
            raise unproven(asker)
        return self.drop(asker.database, asker.user, ltime, f"query {Query.DROP}")

    def drop(self, database: str, account: str, ltime: int, origin: str = "lease") -> str | None:
        """As carry_out, of a database whose account has to prove nothing: its time is over."""
        drop = self._plan(database, account, ltime)
        self._origins[drop.attempt] = origin
        self._table.begin(drop)
        try:
            return self._drop(drop)
        except (DbHandlerError, OSError):
            begun = self._table.of(drop.database)
            if begun is None or not self.settle(begun):
                raise
            return begun.dump

    def settle(self, drop: Drop) -> bool:
        """Finishes a drop that has begun to destroy, undoes any other one. Was it finished?"""
        if drop.stage == DUMPED and self._is_broken(drop):
            self._finish(drop)
            logger.warning("the drop of %s, cut short before, is finished", shown(drop.database))
            return True
        self.undo(drop)
        return False

    def undo(self, drop: Drop) -> None:
        """Lets the account in again, and forgets the drop and its dump."""
        pattern = self._accounts.pattern(drop.database)
        self._eviction.let_in(drop.account, drop.taken, pattern)
        for account in self._granted.granted(drop.database):
            self._eviction.let_granted_in(account, pattern)
        # A dump is good for its own drop alone: the next one would lose what is written until then.
        self.trash.remove_all(drop.attempt)
        self._table.end(drop)
        self._origins.pop(drop.attempt, None)
        logger.warning("the drop of %s is undone: nothing was dropped", shown(drop.database))

    def look_after(self) -> bool:
        """Settles what former runs of this node have left, and helps other nodes to end sessions; True when nothing is
        left to do. Not to be called while a drop is carried out."""
        settled = [self._look_after(drop) for drop in self._table.all()]
        return all(settled)

    def _look_after(self, drop: Drop) -> bool:
        try:
            if drop.node == self.node:
                self.settle(drop)
            elif drop.stage in (LOCKED, DUMPED):
                self._end_sessions(drop)
                self._table.bear_witness(drop, self.node)
        except (DbHandlerError, OSError) as error:
            # One that cannot be settled must not keep others from it.
            if self._complaints.get(drop.attempt) != str(error):
                logger.warning("the drop of %s is not settled yet: %s", shown(drop.database), error)
            self._complaints = {drop.attempt: str(error)}
            return False
        return True

    def dumps_in_use(self) -> set[str]:
        """The dumps of drops that are not done."""
        return {drop.dump for drop in self._table.all()}

    def _plan(self, database: str, account: str, ltime: int) -> Drop:
        taken = self._eviction.takes(account, self._accounts.pattern(database))
        return Drop(database, account, self.node, os.urandom(8).hex(), ltime, taken=taken, held=self._held(database))

    def _drop(self, drop: Drop) -> str | None:
        self._shut_out(drop)
        drop = replace(drop, stage=LOCKED)
        self._table.advance(drop)
        self._end_sessions(drop)
        if self.node:
            self._await_other_nodes(drop)
        if not self._exists(drop):
            self._finish(drop)
            return None
        drop, seen = self._dump(drop)
        self._destroy(drop, seen)
        return drop.dump

    def _shut_out(self, drop: Drop) -> None:
        pattern = self._accounts.pattern(drop.database)
        self._eviction.shut_out(drop.account, drop.taken, pattern)
        for account in self._granted.granted(drop.database):
            self._eviction.shut_out(account.user, self._eviction.takes(account.user, pattern), pattern)

    def _end_sessions(self, drop: Drop) -> None:
        for user in self._users(drop):
            self._eviction.end_sessions(user)

    def _users(self, drop: Drop) -> list[str]:
        """The database's own account, and those that its owner has given."""
        return [drop.account, *(account.user for account in self._granted.granted(drop.database))]

    def _await_other_nodes(self, drop: Drop) -> None:
        deadline = self._clock() + PATIENCE
        while self._table.witnesses(drop) < self._other_nodes():
            if self._clock() > deadline:
                raise Unavailable(f"another node has not ended the sessions of {shown(drop.account)} yet: ask again")
            self._sleep(PAUSE)

    def _other_nodes(self) -> int:
        [(_, size)] = self._server.execute(group_sql.size(self._server.engine))
        return int(str(size)) - 1

    def _dump(self, drop: Drop) -> tuple[Drop, Changes]:
        dump, seen = self._quiet.dumped(
            drop.database, drop.account, self.trash, drop.attempt, lambda seen: self._is_quiet(drop, seen)
        )
        dumped = replace(drop, stage=DUMPED, dump=dump)
        self._table.advance(dumped)
        return dumped, seen

    def _destroy(self, drop: Drop, seen: Changes) -> None:
        for _ in range(ATTEMPTS):
            if not self._is_quiet(drop, seen):
                raise disturbed(drop.database)
            try:
                return self._finish(drop)
            except Unavailable as error:
                complaint = error
        raise ServerError(f"{shown(drop.database)} could not be dropped, somebody may hold a lock: {complaint}")

    def _finish(self, drop: Drop) -> None:
        self._server.execute(sql.drop_database(drop.database))
        # While the drop stands in the table nobody makes the name anew: the tombstone may come after the deed.
        self._registry.dropped(drop.database, drop.ltime)
        for user in self._users(drop):
            self._server.execute(sql.drop_user(user))
        self._granted.forget_all(drop.database)
        self._copies.forget(drop.database)
        # A kill after that line has it told twice, one before the last statement never.
        self._tell(drop)
        self._table.end(drop)

    def _tell(self, drop: Drop) -> None:
        dump = drop.dump if drop.dump and self.trash.days else None
        # What a former run has left was asked for by somebody whom nobody remembers.
        origin = self._origins.pop(drop.attempt, None)
        self._audit(Entry(Query.DROP, Status.DROPPED, drop.database, drop.account, origin=origin, dump=dump))

    def _is_quiet(self, drop: Drop, seen: Changes) -> bool:
        """Is all as it was when the dump began, and the drop still the one that the table tells of?"""
        present = self._table.of(drop.database)
        return (
            present is not None
            and present.attempt == drop.attempt
            and not any(map(self._eviction.sessions, self._users(drop)))
            and self._quiet.changes(drop.database) == seen
        )

    def _is_broken(self, drop: Drop) -> bool:
        """Has something of the database been destroyed, and is that safe in the dump?"""
        if not self._exists(drop):
            return True
        return self._held(drop.database) < drop.held and self.trash.holds(drop.dump)

    def _exists(self, drop: Drop) -> bool:
        return bool(self._server.execute(sql.database_exists(drop.database)))

    def _held(self, database: str) -> int:
        [(number,)] = self._server.execute(privilege_sql.contents(database))
        return int(str(number))
