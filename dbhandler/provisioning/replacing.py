"""What one database holds takes the place of what another one does, as a former state that was restored beside it.

The application is shut out meanwhile, by a password that it does not know; what its database held is kept as a dump.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dbhandler import passwords
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.provisioning.eviction import Eviction
from dbhandler.provisioning.quiet import Changes, Quiet
from dbhandler.provisioning.restore import Restorer
from dbhandler.provisioning.trash import Trash
from dbhandler.requests.box import Credentials

logger = logging.getLogger(__name__)


class Replacer:
    """On one server that is in no cluster. Every method may raise Unavailable, ServerError or OSError."""

    def __init__(self, server: Server, engine: str, restorer: Restorer, trash: Trash) -> None:
        self._server, self._restorer, self._trash = server, restorer, trash
        self._eviction, self._quiet = Eviction(server, engine), Quiet(server, engine)

    def replace(self, database: str, by: str) -> str:
        """Gives a database the content of the other one, `by`, which stays; returns the name of the dump with what it
        held before. Raises InvalidRequest where one of them is not there, or the first is nobody's: nothing has changed
        then, nor where the dumps fail; where the content cannot be loaded the former one is loaded again."""
        owner = self._checked(database, by)
        header = self._quiet.header(by, self._restorer.owner(by) or "")
        wanted = self._trash.folder / self._trash.keep(header, _attempt())
        try:
            with self._restorer.borrowed(Credentials(database, owner, passwords.generate())):
                present = self._taken_out(database, owner)
                self._load(wanted, present, database)
            return present.name
        finally:
            self._trash.remove(wanted.name)

    def _checked(self, database: str, by: str) -> str:
        if database == by:
            raise InvalidRequest("a database is replaced by another one")
        for name in (database, by):
            if not self._server.execute(sql.database_exists(name)):
                raise InvalidRequest(f"there is no database {shown(name)}")
        owner = self._restorer.owner(database)
        if owner is None:
            raise InvalidRequest(f"the database {shown(database)} has no account that was made on request")
        return owner

    def _taken_out(self, database: str, owner: str) -> Path:
        """Drops the database once a dump holds all of it; returns that."""
        self._eviction.end_sessions(owner)

        def is_quiet(seen: Changes) -> bool:
            return self._quiet.changes(database) == seen and not self._eviction.sessions(owner)

        present, _ = self._quiet.dumped(database, owner, self._trash, _attempt(), is_quiet)
        self._server.execute(sql.drop_database(database))
        return self._trash.folder / present

    def _load(self, wanted: Path, present: Path, database: str) -> None:
        try:
            self._restorer.restore(wanted, database)
        except BaseException:
            logger.warning("%s gets back what it held", shown(database))
            self._restorer.restore(present, database)
            raise


def _attempt() -> str:
    return os.urandom(8).hex()
