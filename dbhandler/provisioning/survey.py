"""Asks a server what it holds and who uses it, in a few statements for all databases together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.engine.sql import ANY_HOST, Statement
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.provisioning import drop_sql, overview, overview_sql
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.overview import Grant, Held, Row, Seen
from dbhandler.provisioning.quota_table import QuotaTable
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.sessions import Sessions


class Survey:
    """Of one server, in a cluster of one node as to connections. Every method may raise Unavailable or ServerError."""

    def __init__(self, server: Server, registry: Registry) -> None:
        self._server, self._registry = server, registry
        self._table, self._sessions, self._names = AccountTable(server), Sessions(server), Names(server)

    def rows(self, database: str | None = None) -> list[Row]:
        """A row for each account of each database, or of that one (in the server's form). Raises InvalidRequest where
        nothing is known of it."""
        found = overview.rows(self._seen(database))
        if database is None:
            return found
        of_it = [row for row in found if row.database == database]
        if not of_it:
            raise InvalidRequest(f"there is no database {shown(database)}")
        return of_it

    def _seen(self, database: str | None) -> Seen:
        users = self._server.execute(overview_sql.users())
        grants = [Grant(*map(str, row)) for row in self._server.execute(overview_sql.grants())]
        return Seen(
            databases=frozenset(self._names.folded(str(name)) for (name,) in self._server.execute(sql.databases())),
            claims=self._registry.claims(),
            table=self._table.all(),
            users=frozenset(str(user) for user, host in users if host == ANY_HOST),
            grants=[replace(grant, pattern=self._names.folded(grant.pattern)) for grant in grants],
            held=self._held(database),
            connections=self._sessions.counts(),
            logins=self._logins(),
            wildcards=self._names.rules().wildcards,
            over_quota=QuotaTable(self._server).over(),
        )

    def _held(self, database: str | None) -> Mapping[str, Held]:
        if self._server.engine == "mysql":
            self._server.execute(drop_sql.fresh_times())
        wanted = overview_sql.sizes() if database is None else overview_sql.sizes_of(database)
        return {
            self._names.folded(str(name)): Held(int(str(size)), None if written is None else int(float(str(written))))
            for name, size, written in self._server.execute(wanted)
            if name is not None
        }

    def _logins(self) -> Mapping[str, int] | None:
        statement = self._counted()
        if statement is None:
            return None
        return {str(user): int(str(number)) for user, number in self._server.execute(statement)}

    def _counted(self) -> Statement | None:
        [(performance_schema, *userstat)] = self._server.execute(overview_sql.counts_logins(self._server.engine))
        if int(str(performance_schema)):
            return overview_sql.logins_by_performance_schema()
        return overview_sql.logins_by_userstat() if any(int(str(value)) for value in userstat) else None
