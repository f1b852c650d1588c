"""The events of a database, which are made on another server only when the database is that one's: until then they
would run at both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from dbhandler.engine.server import SESSION, Server
from dbhandler.engine.sql import Statement, identifier
from dbhandler.errors import Denied
from dbhandler.log import shown


@dataclass(frozen=True)
class Event:
    """One event: the statement that makes it, and the session's settings that this is understood by."""

    name: str
    sql_mode: str
    time_zone: str
    text: str

    def as_json(self) -> dict[str, str]:
        """What `of_json` takes."""
        return asdict(self)


def of_json(values: Mapping[str, Any]) -> Event:
    """The event that as_json has written."""
    return Event(**{name: str(value) for name, value in values.items()})


def events_of(server: Server, database: str, users: Collection[str]) -> list[Event]:
    """The events of a database. Raises Denied where one runs as another account than these; Unavailable or
    ServerError."""
    found = []
    listed = "SELECT EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY EVENT_NAME"
    for name, definer in server.execute(Statement(listed, (database,))):
        if str(definer) not in {f"{user}@%" for user in users}:
            raise Denied(f"the event {shown(str(name))} runs as {shown(str(definer))}, who does not move with it")
        shows = Statement(f"SHOW CREATE EVENT {identifier(database)}.{identifier(str(name))}")
        [(_, sql_mode, time_zone, text, *_)] = server.execute(shows)
        found.append(Event(str(name), str(sql_mode), str(time_zone), str(text)))
    return found


def make(server: Server, database: str, event: Event) -> None:
    """Makes an event, in place of one that is there. Raises Unavailable or ServerError."""
    settings = Statement("SET SESSION sql_mode = %s, time_zone = %s", (event.sql_mode, event.time_zone))
    try:
        server.execute(Statement(f"DROP EVENT IF EXISTS {identifier(database)}.{identifier(event.name)}"))
        server.execute(Statement(f"USE {identifier(database)}"))
        server.execute(settings)
        server.load(event.text.encode())
    finally:
        with suppress(Exception):
            server.execute(Statement(f"{SESSION}, time_zone = 'SYSTEM'"))
            # What is done next is not done in that database.
            server.execute(Statement("USE mysql"))
