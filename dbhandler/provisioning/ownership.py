"""Whose a database is: one account's, which has proved it, or nobody's; and how a name becomes an account's.

The server's grants say who reaches a database. A claim, the row in the registry, comes before the grant: of two who ask
at once, at whatever nodes of a cluster, one has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, InvalidRequest, ServerError
from dbhandler.log import shown
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.registry import Memory
from dbhandler.provisioning.sessions import Sessions
from dbhandler.requests.box import Credentials


class Ownership:
    """Who owns what on one server. Names of databases are folded (`Names.folded`). Every method raises Unavailable or
    ServerError when the server does."""

    def __init__(self, server: Server, accounts: Accounts, registry: Memory, engine: str) -> None:
        self._server, self._accounts, self._registry, self._engine = server, accounts, registry, engine
        self._sessions, self._table = Sessions(server), AccountTable(server)

    def owns(self, asker: Credentials, password: str | None = None) -> bool:
        """Is the database the asker's, proved by `password` (default: the box's)? Not where it was given an account
        there by the one whose it is. Changes nothing."""
        return self._accounts.holds(asker, password) and not self.is_granted(asker) and not self._is_anothers(asker)

    def prove(self, asker: Credentials) -> None:
        """Notes that the database is the asker's, where it was made before there were claims. Raises Denied unless it
        is."""
        if not self.owns(asker):
            raise unproven(asker)
        self._adopt(asker)

    def was_given(self, asker: Credentials, exists: bool) -> bool:
        """Is the account one that the database's owner has given? Raises Denied for a wrong password of it, and where
        the database is gone: it is not this account's to make."""
        if not self.is_granted(asker) or not self._accounts.prove(asker):
            return False
        if not exists:
            raise _belongs_else(asker)
        return True

    def is_granted(self, asker: Credentials) -> bool:
        """Was the account made for the database by its owner?"""
        known = self._table.of(asker.user)
        return known is not None and known.is_granted and known.name == asker.database

    def check_nobodys(self, database: str, besides: str | None = None) -> None:
        """Raises Denied where an account (besides one) holds any privilege on the database or on what bears its name
        later: it would reach what is put there."""
        rules = self._accounts.names.rules()
        for user, host in self._server.execute(privilege_sql.holders(database, besides, rules)):
            raise Denied(
                f"the database {shown(database)} belongs to another account: {shown(f'{user}@{host}')} "
                "holds privileges on that name"
            )

    def is_owner(self, asker: Credentials) -> bool:
        """Is the database the asker's already? False when the asker may have another account's name or none.

        Raises Denied for a wrong password, for an account that serves something else, and where the claim on the name
        is that of another account which has it. Databases of before there were claims get theirs here.
        """
        known = self._accounts.prove(asker)
        granted = self._accounts.databases_of(asker.user)
        if known and granted == {self._accounts.pattern(asker.database)}:
            self._adopt(asker)
            return True
        if granted or self._holds_more(asker.user, known):
            raise _serves_else(asker)
        return False

    def check_free(self, asker: Credentials, exists: bool) -> None:
        """Raises Denied unless the database is nobody's and, where it exists, empty. Changes nothing."""
        self.check_nobodys(asker.database, asker.user)
        if exists and self._number(privilege_sql.contents(asker.database)):
            raise Denied(f"the database {shown(asker.database)} is not empty, and not this account's")

    def end_sessions(self, database: str, besides: str | None = None) -> None:
        """Ends what former owners (not the account `besides`) have still open in a database of that name."""
        self._sessions.end_in(database, besides)

    @contextmanager
    def claimed(self, asker: Credentials) -> Iterator[None]:
        """Claims the name for the time in which the database is made and looked at; refused, it is given up again.

        Raises Denied when another account has claimed it just now, or this one another name.
        """
        seen = self._registry.entry(asker.database)
        if seen and seen.owner != asker.user and seen.fresh:
            raise _belongs_else(asker)
        self._give_up_other(asker)
        if not self._registry.claim(asker.database, asker.user, seen):
            raise _belongs_else(asker)
        try:
            yield
        except (Denied, InvalidRequest, ServerError):
            if seen is None or seen.owner != asker.user:
                self._registry.release(asker.database, asker.user)
            raise

    def hand_over(self, asker: Credentials) -> None:
        """Gives the asker, who has claimed it, an account for the database, finishing what was begun before.

        Raises Denied, and leaves no grant, when the account or the claim has become another's meanwhile.
        """
        if not self._accounts.exists(asker.user):
            self._sessions.end_of(asker.user)
        self._accounts.make(asker)
        self._check_claim(asker)
        self._accounts.grant(asker)
        try:
            self._check_claim(asker)
        except Denied:
            self._accounts.revoke(asker)
            raise

    def _adopt(self, asker: Credentials) -> None:
        seen = self._registry.entry(asker.database)
        if seen and seen.owner == asker.user:
            return
        if self._is_anothers(asker):
            raise _belongs_else(asker)
        self._registry.claim(asker.database, asker.user, seen)

    def _is_anothers(self, asker: Credentials) -> bool:
        """Has another account claimed the database, and has it?"""
        seen = self._registry.entry(asker.database)
        if seen is None or seen.owner in (None, asker.user):
            return False
        return self._accounts.pattern(asker.database) in self._accounts.databases_of(str(seen.owner))

    def _check_claim(self, asker: Credentials) -> None:
        entry = self._registry.entry(asker.database)
        if entry is None or entry.owner != asker.user:
            raise _belongs_else(asker)

    def _give_up_other(self, asker: Credentials) -> None:
        other = self._registry.entry_of(asker.user)
        if other is None or other.name == asker.database:
            return
        # What an account of that name has left in a database runs with the rights of the next one of that name.
        if other.fresh or self._number(privilege_sql.contents(other.name)):
            raise _serves_else(asker)
        self._registry.release(other.name, asker.user)

    def check_unused(self, user: str) -> None:
        """Raises Denied for a user name that is an account's, or holds, or may get, anything already."""
        holds = self._accounts.exists(user) or self._accounts.databases_of(user) or self._holds_more(user, False)
        if holds or self._registry.entry_of(user) or self._table.of(user):
            raise Denied(f"the user name {shown(user)} is taken")

    def _holds_more(self, user: str, known: bool) -> bool:
        if self._number(privilege_sql.other_holdings_of(user, self._engine)):
            return True
        if known:
            return bool(self._number(privilege_sql.global_privileges_of(user)))
        return bool(self._server.execute(privilege_sql.runs_as(user, self._engine)))

    def _number(self, statement: Statement) -> int:
        [(number,)] = self._server.execute(statement)
        return int(str(number))


def unproven(asker: Credentials) -> Denied:
    """The refusal of who does not own the database that his box is about."""
    return Denied(f"the box does not prove to own {shown(asker.database)}: no such account, or another password")


def _belongs_else(asker: Credentials) -> Denied:
    return Denied(f"the database {shown(asker.database)} belongs to another account")


def _serves_else(asker: Credentials) -> Denied:
    return Denied(f"the account {shown(asker.user)} serves something else than {shown(asker.database)}")
