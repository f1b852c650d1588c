"""What this server and another one hold of a database, side by side."""

from __future__ import annotations

from dbhandler.distant import compare
from dbhandler.distant.compare import Ask, Rows, State, Unreadable
from dbhandler.distant.left_out import OF_ONE_OBJECT
from dbhandler.distant.position import Position
from dbhandler.distant.replication import LOG_POSITION
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, ServerError, Unavailable
from dbhandler.log import shown
from dbhandler.provisioning.names import Names


def asker_of(server: Server) -> Ask:
    """Asks this server as compare.asker asks another one."""

    def ask(text: str) -> Rows:
        try:
            return server.execute(Statement(text.replace("%", "%%")))
        except ServerError as error:
            if error.errno in OF_ONE_OBJECT:
                raise Unreadable(str(error)) from error
            raise

    return ask


def position_of(server: Server) -> str:
    """Where this server's binary log stands, as text. Raises Unavailable or ServerError."""
    [(position,)] = server.execute(Statement(f"SELECT {LOG_POSITION[server.engine]}"))
    return str(Position.parse(str(position or ""), server.engine))


def check_same(theirs: State, ours: State) -> None:
    """Raises Unavailable where they differ."""
    if found := compare.differences(theirs, ours):
        raise Unavailable(f"what was copied is not the same: {', '.join(found[:3])}")


def check_whole(source: Server, here: Server, database: str, node: str) -> None:
    """Raises Denied where a database of the source's, whose member is called node, cannot be the same here."""
    if not source.execute(sql.database_exists(database)):
        raise Denied(f"{shown(database)} is not on {shown(node)}")
    if Names(source).rules().folded != Names(here).rules().folded:
        raise Denied("the two servers have different rules for letter case in names (lower_case_table_names)")
    if others := [str(table) for (table,) in source.execute(_other_engines(database))]:
        raise Denied(
            f"{shown(database)} has tables without transactions (not InnoDB): {', '.join(map(shown, others[:5]))}"
        )


def _other_engines(database: str) -> Statement:
    """One row for each table whose rows no transaction keeps together."""
    return Statement(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW' "
        "AND ENGINE <> 'InnoDB'", (database,),
    )  # fmt: skip
