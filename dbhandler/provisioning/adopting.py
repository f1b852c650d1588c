"""A database that is nobody's, made by hand or loaded from a file, gets an account of its own, as if it had been asked
for: whatever it holds."""

from __future__ import annotations

from dbhandler import passwords
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.log import shown
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.ownership import Ownership
from dbhandler.provisioning.registry import Memory
from dbhandler.requests.box import Credentials
from dbhandler.requests.policy import Policy

MOST = 20
"""Privileges of others that are looked at to name their accounts."""


class Adopter:
    """On one server; policy says how accounts are. Names of databases are folded (`Names.folded`). Every method may
    raise Unavailable or ServerError."""

    def __init__(self, server: Server, registry: Memory, policy: Policy) -> None:
        self._server, self._registry, self._policy = server, registry, policy
        self._accounts = Accounts(server, policy.max_user_connections, policy.require_tls)
        self._ownership = Ownership(server, self._accounts, registry, server.engine)
        self._table, self._drops = AccountTable(server), DropTable(server)

    def adopt(self, database: str, user: str) -> Credentials:
        """Makes an account of that name with a new password, and the database its own. What was cut short is finished
        by doing it again.

        Raises InvalidRequest for a name that no account has, or no database; Denied where the user name is taken, or
        others hold privileges on the database. Then nothing has changed. Whether somebody owns it, others have asked.
        """
        self._policy.check_user(user, self._server.engine)
        if not self._server.execute(sql.database_exists(database)):
            raise InvalidRequest(f"there is no database {shown(database)}")
        asker = Credentials(database, user, passwords.generate())
        is_left = self._check_user(asker)
        self._check_holders(database)
        with self._ownership.claimed(asker):
            self._ownership.end_sessions(database)
            # Whatever has come to the name meanwhile.
            self._check_holders(database)
            self._drops.check_free(database)
        self._prepare(asker, is_left)
        self._ownership.hand_over(asker)
        self._registry.made(database)
        return asker

    def _prepare(self, asker: Credentials, is_left: bool) -> None:
        # The end was set by a former owner, and the database would go with it.
        for account in self._table.all():
            if account.name == asker.database and not account.is_granted:
                self._table.forget_account(account.user)
        if is_left:
            self._server.execute(sql.drop_user(asker.user))

    def _check_user(self, asker: Credentials) -> bool:
        """Is there an account of that name that an adoption, cut short, has left? Raises Denied where there is another
        one, or anything that it would get or reach."""
        user, known = asker.user, self._table.of(asker.user)
        exists = self._accounts.exists(user)
        is_left = exists and self._is_claimed(asker) and not self._number(privilege_sql.global_privileges_of(user))
        is_known = known is not None and (known.is_granted or known.name != asker.database)
        holds = self._accounts.databases_of(user) or self._number(self._holdings(user))
        if (exists and not is_left) or is_known or holds:
            raise Denied(f"the user name {shown(user)} is taken: --user gives another one")
        for (other,) in self._server.execute(privilege_sql.runs_as(user, self._server.engine, asker.database)):
            raise Denied(
                f"in the database {shown(str(other))} something runs with the rights of {shown(user)}, whom it would "
                "let in here: --user gives another name"
            )
        return is_left

    def _check_holders(self, database: str) -> None:
        rules = self._accounts.names.rules()
        rows = self._server.execute(privilege_sql.holders(database, None, rules, MOST))
        if rows:
            holders = ", ".join(sorted({shown(f"{user}@{host}") for user, host in rows}))
            raise Denied(
                f"others hold privileges on the database {shown(database)}: {holders}; `dbhandler-admin revoke` takes "
                "away an account that a former owner has given, REVOKE or DROP USER any other"
            )

    def _is_claimed(self, asker: Credentials) -> bool:
        entry = self._registry.entry(asker.database)
        return entry is not None and entry.owner == asker.user

    def _holdings(self, user: str) -> Statement:
        return privilege_sql.other_holdings_of(user, self._server.engine)

    def _number(self, statement: Statement) -> int:
        [(number,)] = self._server.execute(statement)
        return int(str(number))
