"""Copies of a database for its owner, into a new database of its own. By query only, never by event."""

from __future__ import annotations

from collections.abc import Callable

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Busy, Denied, InvalidRequest
from dbhandler.log import shown
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.copies import AGAIN, Copies
from dbhandler.provisioning.copy_table import CopyTable
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.ownership import Ownership
from dbhandler.provisioning.provision import Outcome
from dbhandler.provisioning.registry import Memory
from dbhandler.requests.box import Credentials, Keys
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Query, Status


class Copying:
    """For the one whose sealed box proves to own both databases. node is this node's identity in a cluster, over_quota
    says what is to be told of a database that is too large."""

    def __init__(
        self,
        server: Server,
        policy: Policy,
        keys: Keys,
        registry: Memory,
        drops: DropTable,
        copies: Copies,
        node: str = "",
        over_quota: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._server, self._policy, self._keys, self._drops = server, policy, keys, drops
        self._copies, self._node, self._table, self._over_quota = copies, node, CopyTable(server), over_quota
        self._accounts = Accounts(server)
        self._ownership = Ownership(server, self._accounts, registry, server.engine)

    def copy(self, request: Request) -> Outcome:
        """Makes of the database, which is new, what another one is.

        Raises InvalidRequest, Denied, Unavailable or ServerError, and Busy until it is done: to be asked again, with
        the same box or a new one.
        """
        copy, source = self._opened(request)
        self._check(copy, source)
        if not self._is_done(copy, source):
            self._copies.ask(copy, source)
        return Outcome(Status.COPIED, copy.database, copy.user)

    def _opened(self, request: Request) -> tuple[Credentials, Credentials]:
        """Who asks for the copy, and who owns the original."""
        if not self._policy.max_copies:
            raise Denied("this server makes no copies (DBHANDLER_MAX_COPIES)")
        self._policy.check_database(request.database)
        copy = self._keys.open_for(request, Query.COPY, self._accounts.names.folded)
        if not (copy.source and copy.source_password):
            raise InvalidRequest('the sealed box for copy_db needs "source" and "source_password"')
        self._policy.check_database(copy.source)
        name = self._accounts.names.folded(copy.source)
        if name == copy.database:
            raise InvalidRequest(f"the copy of {shown(name)} needs a name of its own")
        return copy, Credentials(name, copy.source_user or copy.source, copy.source_password)

    def _check(self, copy: Credentials, source: Credentials) -> None:
        for one in (copy, source):
            self._drops.check_free(one.database)
        self._ownership.prove(copy)
        self._ownership.prove(source)
        if not self._server.execute(sql.database_exists(source.database)):
            raise Denied(f"the database {shown(source.database)} is not there any more")
        if told := self._over_quota(source.database):
            raise Denied(f"{told}; its copy would be no smaller")

    def _is_done(self, copy: Credentials, source: Credentials) -> bool:
        """Is the copy whole already? Raises Denied where none may be written, Busy where another node is at it."""
        known, [(held,)] = self._table.of(copy.database), self._server.execute(privilege_sql.contents(copy.database))
        if known is not None and known.is_written_by_another(self._node):
            raise Busy(f"the database {shown(source.database)} is being copied: ask again", AGAIN)
        if held and (known is None or known.done):
            if known is None or known.source != source.database:
                raise Denied(f"the database {shown(copy.database)} is not empty: copy into a new one")
            return True
        others = [other for other in self._table.of_source(source.database) if other.name != copy.database]
        if len(others) >= self._policy.max_copies:
            raise Denied(
                f"of the database {shown(source.database)} there are {len(others)} copies, and this server allows "
                f"{self._policy.max_copies} (DBHANDLER_MAX_COPIES)"
            )
        return False
