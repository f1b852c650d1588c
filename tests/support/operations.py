"""What owners ask of a server, as sealed boxes made by hand, and what a session notices of it."""

from __future__ import annotations

import json
import time
from typing import Any

import pymysql

from dbhandler.requests.box import LIFETIME, Credentials, seal

ENDED = (2006, 2013, 1317, 1927)
"""Numbers by which a session hears that it was ended: an application begins another one, and asks again."""


def box(query: str, name: str, password: str, user: str = "", **more: Any) -> Credentials:
    """What is in the box of a query about the database `name`; user is the account that asks (default: the name)."""
    if query == "create_db":
        return Credentials(name, user or name, password, **more)
    expires = int(time.time()) + LIFETIME
    return Credentials(name, user or name, password, operation=query, expires=expires, **more)


def payload(key: str, content: Credentials) -> dict[str, str]:
    """The request with that box, for the server with this key."""
    return {"database": content.database, "sealed": seal(key, content)}


def payload_text(key: str, content: Credentials) -> str:
    """The same as it is sent."""
    return json.dumps(payload(key, content))


def is_ended(connection: Any) -> bool:
    """Has the server ended a session?"""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except pymysql.err.MySQLError:
        return True
    return False
