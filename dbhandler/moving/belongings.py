"""What goes with a database: its owner's claim and account, the accounts that the owner has given, with their passwords
as the server stores them and their ends."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from dbhandler import passwords
from dbhandler.engine import sql, stored_ways
from dbhandler.engine.password_hash import Way
from dbhandler.engine.server import Server
from dbhandler.engine.sql import ANY_HOST, Statement
from dbhandler.errors import Denied
from dbhandler.log import shown
from dbhandler.provisioning import drop_sql, privilege_sql, roles
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.owners import owner_of
from dbhandler.provisioning.registry import Registry
from dbhandler.requests.box import Credentials
from dbhandler.requests.vocabulary import Role

_PLUGINS = {"mariadb": "mysql_native_password", "mysql": "caching_sha2_password"}
MOST_HOLDERS = 50
"""Beside those that are known."""


@dataclass(frozen=True)
class Holder:
    """One account: what it may do, how it logs in, how many connections it may have (0: the server's own limit), and
    what is noted of its end (None: nothing is)."""

    user: str
    role: Role
    ways: Sequence[Way]
    connections: int
    noted: Account | None


@dataclass(frozen=True)
class Belongings:
    """Of one database: its accounts, the owner's first (owner None: it has none)."""

    database: str
    owner: str | None
    holders: Sequence[Holder]

    @property
    def users(self) -> list[str]:
        """The accounts' user names."""
        return [holder.user for holder in self.holders]

    @property
    def filler(self) -> str:
        """The account that fills it: the owner's, or else one for that time. Each database has its own, for two nodes
        of a cluster may be at it; nobody else gets one of that name (requests/policy.py)."""
        return self.owner or f"dbhandler_move_{hashlib.sha256(self.database.encode()).hexdigest()[:16]}"

    @property
    def made(self) -> list[str]:
        """All accounts that are made for it."""
        return self.users if self.owner else [*self.users, self.filler]


def belongings(server: Server, database: str) -> Belongings:
    """What belongs to a database on a server. Raises Denied where an account reaches it that was not asked for here, or
    logs in in a way of its own; Unavailable or ServerError."""
    owner, table = owner_of(server, Registry(server), database), AccountTable(server)
    granted = table.granted(database)
    known = [owner, *(account.user for account in granted)]
    held = privilege_sql.holders(database, None, Names(server).rules(), MOST_HOLDERS + len(known))
    for user, host in server.execute(held):
        if host != ANY_HOST or user not in known:
            raise Denied(
                f"{shown(f'{user}@{host}')} has privileges on {shown(database)} that were not asked for here, and "
                "would not move with it: take them away first"
            )
    owners = [_holder(server, owner, Role.OWNER, table.of(owner))] if owner else []
    return Belongings(
        database, owner, [*owners, *(_holder(server, one.user, Role(one.role), one) for one in granted)]
    )  # fmt: skip


def _holder(server: Server, user: str, role: Role, noted: Account | None) -> Holder:
    ways = server.ways(user)
    if not ways or any(way.plugin != _PLUGINS[server.engine] for way in ways):
        raise Denied(f"the account {shown(user)} does not log in by a password: it cannot be made elsewhere")
    limit = Statement("SELECT max_user_connections FROM mysql.user WHERE User = %s AND Host = %s", (user, ANY_HOST))
    [(connections,)] = server.execute(limit)
    # Locked it is only while it moves.
    return Holder(user, role, [replace(way, locked=False) for way in ways], int(str(connections)), noted)


class Receiving:
    """Gives a database on this server what belongs to it. most and need_tls are this server's rules for accounts. Every
    method raises Unavailable or ServerError, and may be called again."""

    def __init__(self, server: Server, most: int | None, need_tls: bool) -> None:
        self._server, self._accounts = server, Accounts(server, most, need_tls)
        self._registry, self._table = Registry(server), AccountTable(server)

    def check_free(self, goods: Belongings, known: Collection[str] = ()) -> None:
        """Raises Denied where an account of one of these names is here; those that are known are the database's own."""
        for user in goods.users:
            if user in known:
                continue
            if self._accounts.exists(user) or self._registry.entry_of(user) or self._table.of(user):
                raise Denied(f"the user name {shown(user)} is taken on that server")

    def begin(self, goods: Belongings) -> Credentials:
        """Makes the account that may fill the database, with a password that nobody knows, and takes the names of all
        others: nobody else is to get one meanwhile."""
        for user in goods.users:
            if user != goods.filler:
                self._make(goods.database, user)
                self._server.execute(drop_sql.lock(user, locked=True))
        asker = self._make(goods.database, goods.filler)
        self._accounts.grant(asker)
        return asker

    def _make(self, database: str, user: str) -> Credentials:
        asker = Credentials(database, user, passwords.generate())
        self._server.execute(sql.drop_user(user))
        self._accounts.make(asker)
        return asker

    def make(self, goods: Belongings) -> None:
        """Makes all accounts as they are, but locked, and the claim. Those that are here have to be the database's."""
        for holder in goods.holders:
            if not self._accounts.exists(holder.user):
                self._make(goods.database, holder.user)
            self._server.execute(drop_sql.lock(holder.user, locked=True))
            for statement in stored_ways.told(holder.user, holder.ways, self._server.engine):
                self._server.execute(statement)
            self._server.execute(roles.give(holder.role, self._accounts.pattern(goods.database), holder.user))
            if holder.role is not Role.OWNER:
                self._server.execute(roles.limited(holder.user, holder.connections))
        self._note(goods)

    def open(self, users: Sequence[str]) -> None:
        """Lets the accounts in, but for those that have ended meanwhile."""
        for user in users:
            if self._server.execute(sql.account_exists(user)):
                self._server.execute(drop_sql.lock(user, locked=False))

    def without(self, users: Collection[str]) -> None:
        """Removes accounts that are given no more, or with another role."""
        for user in users:
            self._server.execute(sql.drop_user(user))
            self._table.forget_account(user)

    def remove(self, database: str, users: Sequence[str]) -> None:
        """Removes the database, the accounts and what is known of both."""
        self._server.execute(sql.drop_database(database))
        for user in users:
            self._server.execute(sql.drop_user(user))
        self._table.forget_all(database)
        self._registry.forget(database)

    def _note(self, goods: Belongings) -> None:
        for holder in goods.holders:
            if holder.noted:
                self._table.put(holder.noted)
        if goods.owner:
            self._registry.claim(goods.database, goods.owner, self._registry.entry(goods.database))
        self._registry.made(goods.database)
