"""What accounts lose while their database is over its quota, and get back.

The database's own account and those that its owner has given are meant; what was made by hand is the operator's matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from dbhandler.engine.server import Server
from dbhandler.errors import Busy, DbHandlerError, Denied
from dbhandler.provisioning import drop_sql, quota_sql, roles
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.owners import owner_of
from dbhandler.provisioning.quota_table import QuotaTable, Reduced, Stage
from dbhandler.provisioning.registry import Memory
from dbhandler.requests.vocabulary import Role

LINGERS = 60
"""Seconds for which an account is known that has got everything back: each node of a cluster looks at its sessions."""


class QuotaRights:
    """On one server. Names of databases are folded (`Names.folded`). Every method raises Unavailable or ServerError
    when the server does; what was cut short is finished by calling it again."""

    def __init__(self, server: Server, registry: Memory) -> None:
        self._server, self._registry, self.table = server, registry, QuotaTable(server)
        self._accounts, self._granted, self._drops = Accounts(server), AccountTable(server), DropTable(server)

    def is_left_alone(self, database: str) -> bool:
        """Is somebody at it, whose work it would cut short: a drop, a move, a restoration?"""
        try:
            self._drops.check_free(database)
        except (Busy, Denied):
            return True
        [(session,)] = self._server.execute(quota_sql.is_exempt(database))
        return session is not None

    def take(self, database: str, known: dict[str, Reduced]) -> None:
        """Takes from the accounts of a database what lets it grow, as far as they have it; known is what is in the
        table, by user name. Whoever gets a role meanwhile has it until this is called again."""
        for user in self._users(database):
            row = known.get(user)
            before = row.taken if row and row.name == database and row.is_over else ()
            if held := self._held(user, database):
                self._take(Reduced(user, database, tuple(dict.fromkeys((*before, *held)))), held)
            elif row and row.stage is Stage.TAKING:
                self.table.put(Reduced(user, database, before, Stage.OVER))

    def give_back(self, row: Reduced) -> None:
        """Gives an account what it has lost, as far as its role says so; forgets it after a while."""
        held = self._held(row.user, row.name)
        if held is None or (not row.is_over and row.age > LINGERS):
            return self.table.forget(row.user)
        if not row.is_over:
            return None
        if wanted := tuple(privilege for privilege in row.taken if privilege in self._allowed(row)):
            pattern = self._accounts.pattern(row.name)
            self._server.execute(drop_sql.give_back(wanted, pattern, row.user))
        return self.table.put(Reduced(row.user, row.name, row.taken, Stage.BACK))

    def give_all_back(self, database: str) -> None:
        """As give_back, to all accounts of a database."""
        for row in self.table.all():
            if row.name == database:
                self.give_back(replace(row, stage=Stage.OVER))

    def _take(self, row: Reduced, held: tuple[str, ...]) -> None:
        # First what is to be given back: a kill in between takes nothing for good.
        self.table.put(row)
        self._server.execute(drop_sql.revoke(held, self._accounts.pattern(row.name), row.user))
        self.table.put(Reduced(row.user, row.name, row.taken, Stage.OVER))

    def _users(self, database: str) -> list[str]:
        owner = owner_of(self._server, self._registry, database)
        return [*([owner] if owner else []), *(account.user for account in self._granted.granted(database))]

    def _held(self, user: str, database: str) -> tuple[str, ...] | None:
        """Which of GROWING an account has; None where it has nothing there at all."""
        for row in self._server.execute(quota_sql.held(user, self._accounts.pattern(database))):
            return tuple(name for name, value in zip(quota_sql.GROWING, row, strict=True) if value == "Y")
        return None

    def _allowed(self, row: Reduced) -> tuple[str, ...]:
        """What its role lets an account have of GROWING: it may be another one than when that was taken."""
        known = self._granted.of(row.user)
        role = Role(known.role) if known and known.is_granted else Role.OWNER
        return quota_sql.GROWING if role is Role.OWNER else roles.PRIVILEGES[role]


@contextmanager
def exempted(server: Server, registry: Memory, database: str) -> Iterator[None]:
    """Lets a database grow past its quota on this server while it is loaded by its operator; it ends with the
    connection. Raises Unavailable or ServerError."""
    rights = QuotaRights(server, registry)
    server.execute(quota_sql.exempt(database))
    try:
        rights.give_all_back(database)
        yield
    finally:
        with suppress(DbHandlerError):
            # Once more: sessions from before are looked at from now on.
            rights.give_all_back(database)
            server.execute(quota_sql.exempt_no_more(database))
