"""Accounts of applications: who owns a database is who knows the password of its account, and the server holds that."""

from __future__ import annotations

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Denied
from dbhandler.log import shown
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.names import Names
from dbhandler.requests.box import Credentials


class Accounts:
    """The accounts on one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Server, max_connections: int | None = None, need_tls: bool = False) -> None:
        self._server, self._max_connections, self._need_tls = server, max_connections, need_tls
        self.names = Names(server)

    def exists(self, user: str) -> bool:
        """Is there an account of that name? Raises Denied where it is one that the server's owner made."""
        hosts = {host for (host,) in self._server.execute(sql.hosts_of(user))}
        if hosts - {sql.ANY_HOST}:
            raise Denied(f"the user name {shown(user)} is taken by an account of the server's owner")
        return bool(hosts)

    def prove(self, asker: Credentials) -> bool:
        """Is there an account of that name? Raises Denied when it is not the asker's."""
        if not self.exists(asker.user):
            return False
        self._check_password(asker)
        return True

    def holds(self, asker: Credentials, password: str | None = None) -> bool:
        """Is the account for that database alone, and does `password` (default: the box's) open it? Whose the database
        is, that does not say."""
        return (
            self.exists(asker.user)
            and self.databases_of(asker.user) == {self.pattern(asker.database)}
            and self._server.accepts(asker.user, asker.password if password is None else password)
        )

    def make(self, asker: Credentials) -> None:
        """Makes the account. Raises Denied where one with another password was there, or came first just now."""
        engine, most, tls = self._server.engine, self._max_connections, self._need_tls
        self._server.execute(sql.create_user(asker.user, asker.password, engine, most, needs_tls=tls))
        self._check_password(asker)

    def set_password(self, user: str, password: str) -> None:
        """The only password of an account from now on; its open connections stay."""
        engine = self._server.engine
        self._server.execute(sql.change_password(user, password, engine))
        if engine == "mysql":
            # It keeps a former one with the new one else.
            self._server.execute(sql.drop_old_password(user, engine, ""))

    def grant(self, asker: Credentials) -> None:
        """Gives the account all privileges on the database."""
        self._server.execute(sql.grant_database(self.pattern(asker.database), asker.user))

    def revoke(self, asker: Credentials) -> None:
        """Takes back what `grant` gave."""
        self._server.execute(sql.revoke_database(self.pattern(asker.database), asker.user))

    def databases_of(self, user: str) -> set[str]:
        """The patterns of the account's grants on databases."""
        rows = self._server.execute(privilege_sql.databases_of(user))
        return {self.names.folded(str(pattern)) for (pattern,) in rows}

    def pattern(self, database: str) -> str:
        """What stands for this database alone in a grant on this server."""
        return self.names.pattern(database)

    def _check_password(self, asker: Credentials) -> None:
        if not self._server.accepts(asker.user, asker.password):
            raise Denied(
                f"the account {shown(asker.user)} exists and has another password: it stands in the state file of "
                f"whoever asked first; where that is lost, the servers' owner runs `dbhandler-admin reissue "
                f"{shown(asker.database)}` in the database container"
            )
