"""What this server and another one hold of a database, side by side."""

from __future__ import annotations

from dbhandler.distant import compare
from dbhandler.distant.compare import Ask, Rows, State, Unreadable
from dbhandler.distant.left_out import OF_ONE_OBJECT
from dbhandler.distant.position import Position
from dbhandler.distant.replication import LOG_POSITION
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError, Unavailable


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


def other_engines(database: str) -> Statement:
    """One row for each table whose rows no transaction keeps together."""
    return Statement(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW' "
        "AND ENGINE <> 'InnoDB'", (database,),
    )  # fmt: skip
