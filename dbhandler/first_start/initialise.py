"""The first start's wishes in the official images' variables, made true on a server that no network reaches yet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from dbhandler import passwords
from dbhandler.engine import sql
from dbhandler.engine.password_hash import stored
from dbhandler.engine.server import Server
from dbhandler.errors import InvalidRequest
from dbhandler.first_start.official import FirstStart, Root, User
from dbhandler.log import shown
from dbhandler.provisioning.accounts import Accounts
from dbhandler.requests.reserved_names import is_reserved

logger = logging.getLogger(__name__)


class Initialiser:
    """Makes what a FirstStart asks for. say prints what the owner has to read, such as a generated password.

    Every method may raise Unavailable, ServerError or InvalidRequest.
    """

    def __init__(self, server: Server, engine: str, say: Callable[[str], None]) -> None:
        self._server, self._engine, self._say = server, engine, say
        self._accounts = Accounts(server)

    def make(self, wanted: FirstStart) -> FirstStart:
        """Makes databases, user and root; returns what was asked for with a generated password filled in."""
        for warning in wanted.warnings:
            logger.warning("%s", warning)
        for database in wanted.databases:
            if is_reserved(database):
                raise InvalidRequest(
                    f"the name belongs to the server itself, for a schema or a file: {shown(database)}"
                )
            logger.info("creating database %s", shown(database))
            self._server.execute(sql.create_missing_database(database, wanted.charset, wanted.collation))
        if wanted.user:
            self._make_user(wanted.user, wanted.databases)
        return replace(wanted, root=self._make_root(wanted.root)) if wanted.root else wanted

    def _make_user(self, user: User, databases: tuple[str, ...]) -> None:
        logger.info("creating user %s", shown(user.name))
        self._server.execute(sql.create_user_by_hash(user.name, self._hash(user), user.host, self._engine))
        for database in databases:
            logger.info("giving user %s access to %s", shown(user.name), shown(database))
            self._server.execute(sql.grant_database(self._accounts.pattern(database), user.name, user.host))

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

    def _hash(self, account: Root | User) -> str:
        return account.password_hash or stored(account.password or "", self._engine)

    def expire(self, root: Root) -> None:
        """Makes root change its password at the first log-in; last, because init scripts still need it."""
        for host in {root.host, sql.LOCALHOST}:
            self._server.execute(sql.expire_password("root", host))
