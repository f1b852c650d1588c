"""The first start's wishes in the official images' variables, made true on a server that no network reaches yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from dbhandler import passwords
from dbhandler.engine import sql
from dbhandler.engine.password_hash import stored
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import InvalidRequest
from dbhandler.first_start import initial_sql
from dbhandler.first_start.official import FirstStart, Root, User
from dbhandler.log import shown
from dbhandler.provisioning.accounts import Accounts
from dbhandler.requests.reserved_names import is_reserved

logger = logging.getLogger(__name__)

HEALTH_USER = "healthcheck"
_HEALTH_HOSTS = ("127.0.0.1", "::1", sql.LOCALHOST)
"""The account of health checks, as in the official image of MariaDB."""
REPLICATION = "REPLICATION SLAVE"
"""What a replica may do at its source."""


class Initialiser:
    """Makes what a FirstStart asks for. say prints what the owner has to read, such as a generated password.

    Every method may raise Unavailable, ServerError or InvalidRequest.
    """

    def __init__(self, server: Server, engine: str, say: Callable[[str], None]) -> None:
        self._server, self._engine, self._say = server, engine, say
        self._accounts = Accounts(server)

    def make(self, wanted: FirstStart) -> FirstStart:
        """Makes what replicas get as well, and then what is this server's alone; returns what was asked for with a
        generated password filled in."""
        for warning in wanted.warnings:
            logger.warning("%s", warning)
        self._make_databases(wanted)
        if wanted.user:
            self._make_user(wanted.user, wanted.databases)
        if wanted.replica:
            self._make_replica_account(wanted.replica)
        if wanted.source:
            logger.info("this server is a replica of %s:%d", wanted.source.host, wanted.source.port)
            self._server.execute(initial_sql.follow(wanted.source, self._engine))
        # As in the official images: another server has a root of its own.
        self._server.execute(initial_sql.logged(False))
        if not wanted.zones:
            self._execute(initial_sql.forget_zones())
        return replace(wanted, root=self._make_root(wanted.root)) if wanted.root else wanted

    def make_health_account(self, privileges: str, password: str) -> None:
        """Makes the account of health checks, for this server alone. privileges are checked words."""
        hashed = stored(password, self._engine)
        for host in _HEALTH_HOSTS:
            self._server.execute(sql.create_user_by_hash(HEALTH_USER, hashed, host, self._engine))
            self._server.execute(initial_sql.grant_globally(privileges, HEALTH_USER, host))

    def _make_databases(self, wanted: FirstStart) -> None:
        for database in wanted.databases:
            if is_reserved(database):
                raise InvalidRequest(
                    f"the name belongs to the server itself, for a schema or a file: {shown(database)}"
                )
            logger.info("creating database %s", shown(database))
            self._server.execute(sql.create_missing_database(database, wanted.charset, wanted.collation))

    def _make_user(self, user: User, databases: tuple[str, ...]) -> None:
        logger.info("creating user %s", shown(user.name))
        self._server.execute(sql.create_user_by_hash(user.name, self._hash(user), user.host, self._engine))
        for database in databases:
            logger.info("giving user %s access to %s", shown(user.name), shown(database))
            self._server.execute(sql.grant_database(self._accounts.pattern(database), user.name, user.host))

    def _make_replica_account(self, account: User) -> None:
        logger.info("creating user %s for replicas", shown(account.name))
        self._server.execute(sql.create_user_by_hash(account.name, self._hash(account), account.host, self._engine))
        self._server.execute(initial_sql.grant_globally(REPLICATION, account.name, account.host))

    def _make_root(self, root: Root) -> Root:
        if root.random:
            root = replace(root, password=passwords.generate())
            self._say(f"GENERATED ROOT PASSWORD: {root.password}")
        hashed = self._hash(root)
        if root.host != sql.LOCALHOST:
            self._server.execute(sql.create_user_by_hash("root", hashed, root.host, self._engine))
            self._server.execute(sql.grant_everything("root", root.host))
        self._server.execute(sql.change_password_by_hash("root", hashed, sql.LOCALHOST, self._engine))
        return root

    def _execute(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            self._server.execute(statement)

    def _hash(self, account: Root | User) -> str:
        return account.password_hash or stored(account.password or "", self._engine)

    def expire(self, root: Root) -> None:
        """Makes root change its password at the first log-in; last, because init scripts still need it."""
        for host in {root.host, sql.LOCALHOST}:
            self._server.execute(sql.expire_password("root", host))
