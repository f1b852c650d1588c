"""An application that writes to one database on whichever server lets it in: on all of them at once, so that two who
take writes at the same time are found out."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from typing import Any

import pymysql

from tests.support.containers import Database

TABLE = "numbers"
EACH = 10**7
"""Numbers of one writer."""
_writers = itertools.count()


class Wanderers:
    """One writer for each server, as one account, until the end of the block: numbers that were acknowledged, with the
    server and the time (monotonic)."""

    def __init__(
        self, servers: Sequence[Database], database: str, user: str, password: str, pause: float = 0.002
    ) -> None:
        self._servers, self._database, self._user, self._password = servers, database, user, password
        self._pause, self._over = pause, threading.Event()
        self.acknowledged: list[tuple[float, str, int]] = []
        self.refusals: dict[int, str] = {}
        """What errors said, by number."""
        self._threads = [threading.Thread(target=self._run, args=(next(_writers), server)) for server in servers]

    def __enter__(self) -> Wanderers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def longest_gap(self) -> float:
        """Seconds for which nobody got an acknowledgment, at most."""
        times = sorted(moment for moment, _, _ in self.acknowledged)
        return max(later - sooner for sooner, later in itertools.pairwise(times))

    def writers(self) -> list[str]:
        """Who took writes, one after another: a server that comes twice had them in between."""
        found: list[str] = []
        for _, node, _ in sorted(self.acknowledged):
            if not found or found[-1] != node:
                found.append(node)
        return found

    def lost(self, server: Database) -> set[int]:
        """The acknowledged numbers that the server does not have."""
        there = {int(number) for (number,) in server.sql(f"SELECT n FROM `{self._database}`.{TABLE}")}
        return {number for _, _, number in self.acknowledged} - there

    def _run(self, place: int, server: Database) -> None:
        number, connection = place * EACH, None
        while not self._over.is_set():
            number += 1
            try:
                connection = connection or self._connected(server)
                # Whatever fails, the number is used up: a row without an answer may be there or not.
                self._write(connection, server, number)
            except (pymysql.err.Error, OSError, AssertionError) as error:
                self.refusals[error.args[0] if error.args and isinstance(error.args[0], int) else 0] = str(error)
                connection = None
                time.sleep(0.01)

    def _connected(self, server: Database) -> Any:
        return server.connect(self._user, self._password, self._database)

    def _write(self, connection: Any, server: Database, number: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {TABLE} VALUES (%s)", (number,))
        self.acknowledged.append((time.monotonic(), server.node, number))
        time.sleep(self._pause)
