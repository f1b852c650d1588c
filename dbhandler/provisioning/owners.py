"""Whose a database is, told from what its server holds, where nobody proves anything."""

from __future__ import annotations

from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.account_table import AccountTable
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.registry import Memory


def owner_of(server: Server, registry: Memory, database: str) -> str | None:
    """The account that owns a database (in the server's form), None where nobody does. Raises Unavailable or
    ServerError."""
    accounts, granted = Accounts(server), AccountTable(server)

    def has(user: str) -> bool:
        known = server.execute(sql.account_exists(user))
        return bool(known) and accounts.databases_of(user) == {accounts.pattern(database)}

    def is_granted(user: str) -> bool:
        known = granted.of(user)
        return known is not None and known.is_granted and known.name == database

    entry = registry.entry(database)
    if entry and entry.owner and has(entry.owner):
        return entry.owner
    # One that was made before there were claims.
    for user, host in server.execute(privilege_sql.holders(database, None, accounts.names.rules())):
        if host == sql.ANY_HOST and has(str(user)) and not is_granted(str(user)):
            return str(user)
    return None
