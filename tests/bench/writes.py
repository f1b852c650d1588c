"""How fast a server takes rows, one after the other on a few connections, each acknowledged."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial

import pymysql

from tests.support.containers import Database
from tests.support.docker import together

CONNECTIONS = 4
WINDOW = 5.0
"""Seconds for which they are counted."""
TABLE = "writes.rows_of_a_bench"


def make_table(server: Database) -> None:
    server.sql("CREATE DATABASE writes")
    server.sql(f"CREATE TABLE {TABLE} (id INT AUTO_INCREMENT PRIMARY KEY, what CHAR(100))")


def seconds_per_insert(server: Database, window: float = WINDOW) -> float:
    """Of all connections together: the inverse of the writes per second."""
    return window / insert(server, window)


def insert(server: Database, window: float) -> int:
    """How many rows were acknowledged in so many seconds."""
    address, account = server.address, server.admin
    until = time.monotonic() + window
    return sum(together(*[partial(_insert, address, account, until) for _ in range(CONNECTIONS)]))


def _insert(address: str, account: tuple[str, str], until: float) -> int:
    user, password = account
    written = 0
    # Not through the published port: the program behind it would take a processor from the server.
    connection = pymysql.connect(host=address, user=user, password=password.encode(), autocommit=True)
    with closing(connection), connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(f"INSERT INTO {TABLE} (what) VALUES (%s)", ("x" * 80,))
            written += 1
    return written
