"""The first start's wishes in the official images' variables, made true on a server that no network reaches yet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from dbhandler import passwords, sql
from dbhandler.accounts import Accounts
from dbhandler.log import shown
from dbhandler.official import FirstStart, Root, User
from dbhandler.server import Server

logger = logging.getLogger(__name__)


class Initialiser:
    """Makes what a FirstStart asks for. say prints what the owner has to read, such as a generated password.

    Every method may raise Unavailable or ServerError.
    """

    def __init__(self, server: Server, engine: str, say: Callable[[str], None]) -> None:
        self._server, self._engine, self._say = server, engine, say
        self._accounts = Accounts(server)

    def make(self, wanted: FirstStart) -> FirstStart:
        """Makes databases, user and root; returns what was asked for with a generated password filled in."""
        for warning in wanted.warnings:
            logger.warning("%s", warning)
        for database in wanted.databases:
            logger.info("creating database %s", shown(database))
            self._server.execute(sql.create_missing_database(database, wanted.charset, wanted.collation))
        if wanted.user:
            self._make_user(wanted.user, wanted.databases)
        return replace(wanted, root=self._make_root(wanted.root)) if wanted.root else wanted

    def _make_user(self, user: User, databases: tuple[str, ...]) -> None:
        logger.info("creating user %s", shown(user.name))
        if user.password_hash:
            self._server.execute(sql.create_user_by_hash(user.name, user.password_hash, user.host, self._engine))
        else:
            self._server.execute(sql.create_user(user.name, user.password or "", host=user.host))
        for database in databases:
            logger.info("giving user %s access to %s", shown(user.name), shown(database))
            self._server.execute(sql.grant_database(self._accounts.pattern(database), user.name, user.host))

    def _make_root(self, root: Root) -> Root:
        if root.random:
            root = replace(root, password=passwords.generate())
            self._say(f"GENERATED ROOT PASSWORD: {root.password}")
        if root.host != sql.LOCALHOST:
            self._server.execute(self._new_root(root))
            self._server.execute(sql.grant_everything("root", root.host))
        self._server.execute(self._changed_root(root))
        return root

    def _new_root(self, root: Root) -> sql.Statement:
        if root.password_hash:
            return sql.create_user_by_hash("root", root.password_hash, root.host, self._engine)
        return sql.create_user("root", root.password or "", host=root.host)

    def _changed_root(self, root: Root) -> sql.Statement:
        if root.password_hash:
            return sql.change_password_by_hash("root", root.password_hash, sql.LOCALHOST, self._engine)
        return sql.set_password("root", root.password or "", sql.LOCALHOST, self._engine)

    def expire(self, root: Root) -> None:
        """Makes root change its password at the first log-in; last, because init scripts still need it."""
        for host in {root.host, sql.LOCALHOST}:
            self._server.execute(sql.expire_password("root", host))
