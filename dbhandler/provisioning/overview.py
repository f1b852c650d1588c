"""Pure: who has which database, and how it is used, from what a server says of itself.

When an account logged in last no engine tells. What there is beside its open connections: how many it has had since the
server's start, where that is counted, and when something was written to its database last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dbhandler.engine.sql import ANY_HOST, grant_pattern
from dbhandler.provisioning.account_table import MAIN, Account
from dbhandler.provisioning.registry import Entry

OTHER = "other"
"""In place of a role: an account with a grant on the database that was not made on request."""


@dataclass(frozen=True)
class Held:
    """What a database holds: bytes, and when it was written to last (seconds since 1970, None: nobody knows)."""

    size: int = 0
    last_write: int | None = None


@dataclass(frozen=True)
class Grant:
    """One grant on what a pattern stands for."""

    user: str
    host: str
    pattern: str


@dataclass(frozen=True)
class Seen:
    """What a server says: its databases, the claims on names, the table of accounts, the user names of accounts at any
    host, the grants on databases, what each database holds, open connections by user name, and all that there were
    since it counts them (None: it does not). wildcards: `_` and `%` in its grants stand for others. over_quota: the
    databases whose accounts write no more."""

    databases: frozenset[str]
    claims: Sequence[Entry] = ()
    table: Sequence[Account] = ()
    users: frozenset[str] = frozenset()
    grants: Sequence[Grant] = ()
    held: Mapping[str, Held] | None = None
    connections: Mapping[str, int] | None = None
    logins: Mapping[str, int] | None = None
    wildcards: bool = True
    over_quota: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Row:
    """One account of a database, or one without any (user None). role is MAIN for its own account, then `owner`,
    `writer`, `reader`, or OTHER. since says when it became its own account's (by the server, in UTC), age how many
    seconds ago; ends and former_until are in ms since 1970. size is None where there is no such database any more."""

    database: str
    user: str | None = None
    role: str | None = None
    since: object = None
    age: int | None = None
    ends: int | None = None
    former_until: int | None = None
    size: int | None = None
    connections: int | None = None
    logins: int | None = None
    last_write: int | None = None
    over_quota: bool = False


def rows(seen: Seen) -> list[Row]:
    """A row for each account of each database, by name, its own account first, and one for each without any. Databases
    that are gone while somebody has an account for them are among them."""
    view = _View(seen)
    return [row for name in sorted(view.names()) for row in view.rows(name)]


class _View:
    """What is seen, by what it is looked up by."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._claims = {entry.name: entry for entry in seen.claims}
        self._known = {account.user: account for account in seen.table}
        self._ends = {account.name: account for account in seen.table if account.role == MAIN}
        self._given = defaultdict[str, list[Account]](list)
        for account in seen.table:
            if account.is_granted:
                self._given[account.name].append(account)
        self._patterns, self._grants = defaultdict[str, set[str]](set), defaultdict[str, list[Grant]](list)
        for grant in seen.grants:
            self._grants[grant.pattern].append(grant)
            if grant.host == ANY_HOST:
                self._patterns[grant.user].add(grant.pattern)

    def names(self) -> set[str]:
        return {*self._seen.databases, *self._claims, *self._given}

    def rows(self, name: str) -> list[Row]:
        if found := list(self._accounts(name)):
            return found
        return [self._row(name)] if name in self._seen.databases else []

    def _accounts(self, name: str) -> Iterator[Row]:
        own, told = self._own(name), set[str]()
        if own is not None:
            told.add(own)
            yield self._row(name, own, MAIN)
        for account in sorted(self._given[name], key=lambda account: account.user):
            told.add(account.user)
            yield self._row(name, account.user, account.role)
        for grant in sorted(self._grants[self._pattern(name)], key=lambda grant: (grant.user, grant.host)):
            if grant.host != ANY_HOST or grant.user not in told:
                yield self._row(name, f"{grant.user}@{grant.host}", OTHER)

    def _own(self, name: str) -> str | None:
        """The database's own account: who has claimed it, or (of before there were claims) who has nothing else."""
        entry = self._claims.get(name)
        claimed = [entry.owner] if entry and entry.owner else []
        holders = sorted(grant.user for grant in self._grants[self._pattern(name)] if grant.host == ANY_HOST)
        return next((user for user in [*claimed, *holders] if self._has_only(user, name)), None)

    def _has_only(self, user: str, name: str) -> bool:
        known = self._known.get(user)
        given = known is not None and known.is_granted
        return user in self._seen.users and self._patterns[user] == {self._pattern(name)} and not given

    def _row(self, name: str, user: str | None = None, role: str | None = None) -> Row:
        seen, held = self._seen, (self._seen.held or {}).get(name, Held())
        # Without an owner a database ends all the same.
        known = self._ends.get(name) if user is None else self._known.get(user)
        entry = self._claims.get(name) if role == MAIN else None
        claimed = entry if entry and entry.owner == user else None
        # Sessions and logins are known by the user's name alone.
        called = user.rpartition("@")[0] if user and role == OTHER else user
        return Row(
            database=name,
            user=user,
            role=role,
            since=claimed.claimed if claimed else None,
            age=claimed.age if claimed else None,
            ends=known.ends if known else None,
            former_until=known.old_until if known else None,
            size=held.size if name in seen.databases else None,
            connections=None if called is None else (seen.connections or {}).get(called, 0),
            logins=None if called is None or seen.logins is None else seen.logins.get(called, 0),
            last_write=held.last_write,
            over_quota=name in seen.over_quota,
        )

    def _pattern(self, name: str) -> str:
        return grant_pattern(name, self._seen.wildcards)
