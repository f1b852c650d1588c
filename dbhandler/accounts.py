"""Accounts of applications: who owns a database is who knows the password of its account, and MySQL holds that."""

from __future__ import annotations

from dbhandler import sql
from dbhandler.box import Credentials
from dbhandler.errors import Denied
from dbhandler.log import shown
from dbhandler.server import Server


class Accounts:
    """The accounts on one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server, max_connections: int | None = None) -> None:
        self._server, self._max_connections = server, max_connections

    def check_claim(self, asker: Credentials, database_exists: bool) -> bool:
        """May the asker have this database? True when it is the asker's already, False when it is free for the asker.

        Raises Denied when it is neither: a wrong password, an account that serves something else, a database of
        somebody else's or with content. Changes nothing.
        """
        if self._exists(asker.user):
            self._prove(asker)
            granted = self._databases_of(asker.user)
            if granted == {self.pattern(asker.database)}:
                return True
            if granted or self._number(sql.other_privileges_of(asker.user)):
                raise Denied(f"the account {shown(asker.user)} serves something else than {shown(asker.database)}")
        if database_exists:
            self._check_unclaimed(asker)
        return False

    def hand_over(self, asker: Credentials) -> None:
        """Gives the asker an account with all privileges on the database, finishing what was begun before."""
        self._server.execute(sql.create_user(asker.user, asker.password, self._max_connections))
        self._server.execute(sql.grant_database(self.pattern(asker.database), asker.user))

    def owns(self, asker: Credentials, password: str | None = None) -> bool:
        """Is the database the asker's, proved by `password` (default: the box's)? Changes nothing."""
        return (
            self._exists(asker.user)
            and self._databases_of(asker.user) == {self.pattern(asker.database)}
            and self._server.accepts(asker.user, asker.password if password is None else password)
        )

    def _exists(self, user: str) -> bool:
        hosts = {host for (host,) in self._server.execute(sql.hosts_of(user))}
        if hosts - {sql.ANY_HOST}:
            raise Denied(f"the user name {shown(user)} is taken by an account of the server's owner")
        return bool(hosts)

    def _prove(self, asker: Credentials) -> None:
        if not self._server.accepts(asker.user, asker.password):
            raise Denied(f"the account {shown(asker.user)} exists and has another password")

    def _check_unclaimed(self, asker: Credentials) -> None:
        # An owner may have granted it by hand, without escaping the wildcards.
        patterns = (self.pattern(asker.database), asker.database)
        if {user for (user,) in self._server.execute(sql.users_of(patterns))} - {asker.user}:
            raise Denied(f"the database {shown(asker.database)} belongs to another account")
        if self._number(sql.contents(asker.database)):
            raise Denied(f"the database {shown(asker.database)} is not empty, and not this account's")

    def _databases_of(self, user: str) -> set[str]:
        return {str(pattern) for (pattern,) in self._server.execute(sql.databases_of(user))}

    def pattern(self, database: str) -> str:
        """What stands for this database alone in a grant on this server."""
        rows = self._server.execute(sql.partial_revokes())
        return sql.grant_pattern(database, wildcards=not rows or rows[0][1] == "OFF")

    def _number(self, statement: sql.Statement) -> int:
        [(number,)] = self._server.execute(statement)
        return int(str(number))
