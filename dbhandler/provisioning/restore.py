"""A dump from the trash becomes a database with its account again: into nothing or something empty, never over data.

What a dump holds was an application's to choose, so it is loaded with that application's rights and no more.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO

from dbhandler import files, passwords
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Denied, InvalidRequest, ServerError
from dbhandler.log import shown
from dbhandler.option_file import quoted
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.definer import redefined
from dbhandler.provisioning.dump import HEADER_LINES, Header, read_header
from dbhandler.provisioning.owners import owner_of
from dbhandler.provisioning.ownership import Ownership
from dbhandler.provisioning.quota_rights import exempted
from dbhandler.provisioning.registry import Memory
from dbhandler.requests.box import Credentials

Load = Callable[[Path, Header, Credentials], None]
"""Loads a dump as that account into its database. Raises ServerError."""


class Restorer:
    """Restores into `server`; load does the loading. Every method may raise Unavailable or ServerError."""

    def __init__(self, server: Server, registry: Memory, load: Load) -> None:
        self._server, self._registry, self._load = server, registry, load
        self._accounts = Accounts(server)
        self._ownership = Ownership(server, self._accounts, registry, server.engine)

    def restore(self, dump: Path, database: str) -> Credentials | None:
        """Makes the database of a dump again, under the name `database`; returns its account, None where there was one
        for it, whose password stays.

        Raises InvalidRequest for a file that is no dump of ours, Denied for a database that holds something, or is
        somebody else's. Then nothing has changed.
        """
        header = read_header(dump)
        if header is None:
            raise InvalidRequest(f"{shown(dump.name)} is no dump that this version has written: load it by hand")
        if self._count(privilege_sql.contents(database)):
            raise Denied(f"the database {shown(database)} is not empty: --as restores under another name")
        owner = self.owner(database)
        if owner is not None:
            self._into_owned(dump, header, Credentials(database, owner, passwords.generate()))
            return None
        return self._anew(dump, header, database)

    def owner(self, database: str) -> str | None:
        """The account that owns a database, None where nobody does."""
        return owner_of(self._server, self._registry, database)

    def _anew(self, dump: Path, header: Header, database: str) -> Credentials:
        """Makes database and account: the one of before, where that name is free, else one of the database's name."""
        taken = self._server.execute(sql.hosts_of(header.user))
        asker = Credentials(database, database if taken else header.user, passwords.generate())
        if self._server.execute(sql.hosts_of(asker.user)):
            raise Denied(f"the account {shown(asker.user)} exists and is not the one of {shown(database)}")
        exists = bool(self._server.execute(sql.database_exists(database)))
        self._ownership.check_free(asker, exists)
        with self._ownership.claimed(asker):
            self._create(header, database)
        self._ownership.hand_over(asker)
        try:
            with exempted(self._server, self._registry, database):
                self._load(dump, header, asker)
        except BaseException:
            self._server.execute(sql.drop_database(database))
            self._server.execute(sql.drop_user(asker.user))
            self._registry.release(database, asker.user)
            raise
        self._registry.made(database)
        return asker

    def _into_owned(self, dump: Path, header: Header, owner: Credentials) -> None:
        self._create(header, owner.database)
        with self.borrowed(owner), exempted(self._server, self._registry, owner.database):
            try:
                self._load(dump, header, owner)
            except BaseException:
                self._server.execute(sql.drop_database(owner.database))
                self._create(header, owner.database)
                raise
        self._registry.made(owner.database)

    @contextmanager
    def borrowed(self, account: Credentials) -> Iterator[None]:
        """Gives the account another password for a while. Raises Denied for one that has none."""
        engine, [present, *former] = self._server.engine, self._server.ways(account.user)
        if present.plugin not in ("mysql_native_password", "caching_sha2_password"):
            raise Denied(
                f"the account {shown(account.user)} proves itself in a way of its own: {shown(present.plugin)}"
            )
        if former:
            raise Denied(f"the password of the account {shown(account.user)} is being changed: try again later")
        self._server.execute(sql.change_password(account.user, account.password, engine))
        try:
            yield
        finally:
            self._server.execute(sql.change_password_by_hash(account.user, present.stored, sql.ANY_HOST, engine))

    def _create(self, header: Header, database: str) -> None:
        self._server.execute(sql.create_missing_database(database, header.charset, header.collation))

    def _count(self, statement: sql.Statement) -> int:
        [(number,)] = self._server.execute(statement)
        return int(str(number))


def client_loader(engine: str, socket: Path, run_dir: Path) -> Load:
    """Loads with the engine's own command-line client, which gets the password in a private file."""

    def load(dump: Path, header: Header, account: Credentials) -> None:
        options = run_dir / f"restore-{os.urandom(4).hex()}.cnf"
        values = {"user": account.user, "password": account.password, "socket": str(socket)}
        lines = [f"{key} = {quoted(value)}" for key, value in values.items()]
        files.write_private(options, "\n".join(["[client]", *lines, ""]))
        # binary-mode: nothing in the dump is a command to the client.
        command = (engine, f"--defaults-file={options}", "--binary-mode", "--default-character-set=utf8mb4")
        try:
            _feed((*command, "--", account.database), dump, header, account.user)
        finally:
            files.remove(options)

    return load


def _feed(command: tuple[str, ...], dump: Path, header: Header, user: str) -> None:
    # Not a pipe: the client quotes the statement that fails, which is larger than one takes, while it reads no more.
    with tempfile.TemporaryFile() as told:
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told)
        assert client.stdin is not None  # noqa: S101
        damage = ""
        with suppress(BrokenPipeError), gzip.open(dump) as source, client.stdin as stdin:
            try:
                for line in _owned(source, header.user, user):
                    stdin.write(line)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                damage = f"the dump is damaged: {error}"
        if client.wait() or damage:
            raise ServerError(f"the dump was not restored: {damage or shown(_end_of(told), 300)}")


def _end_of(told: IO[bytes]) -> str:
    """The end of what the client has said: its error stands behind the statement."""
    told.seek(max(0, told.seek(0, os.SEEK_END) - 250))
    return " ".join(told.read().decode(errors="replace").split())


def _owned(lines: Iterable[bytes], former: str, user: str) -> Iterator[bytes]:
    """The lines of a dump without its header; what ran with the rights of the former account runs with the user's."""
    return redefined(islice(lines, HEADER_LINES, None), user, former)
