"""Numbers written as fast as a server takes them, each with the time at which it was acknowledged."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing
from typing import Any

import pymysql

from tests.support.containers import Database
from tests.support.docker import eventually

TABLE = "load.numbers"
EACH, OF_ONE_LOAD = 10**7, 10**5
"""Numbers of one connection, and how many of them one load has: the next one on the same server has others."""
_loads = itertools.count()


class Load:
    """Writes through so many connections, until the end of the block; after an error each begins anew."""

    def __init__(self, server: Database, connections: int = 4, pause: float = 0.003) -> None:
        self.acknowledged: dict[int, float] = {}
        self.failed: list[float] = []
        """When a connection broke, UTC seconds."""
        self._server, self._pause, self._over = server, pause, threading.Event()
        self._first = next(_loads) % (EACH // OF_ONE_LOAD) * OF_ONE_LOAD
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(connections)]

    def __enter__(self) -> Load:
        self._server.sql("CREATE DATABASE IF NOT EXISTS `load`")
        self._server.sql(f"CREATE TABLE IF NOT EXISTS {quoted(TABLE)} (n INT PRIMARY KEY)")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        following = number * EACH + self._first
        while not self._over.is_set():
            # Whatever fails, the number is used up: a row without an answer may be there or not.
            try:
                with closing(self._server.connect()) as connection:
                    following = self._write(connection, following)
            except (pymysql.err.Error, OSError):
                self.failed.append(time.time())
                following += 1
                self._over.wait(0.3)

    def _write(self, connection: Any, following: int) -> int:
        cursor = connection.cursor()
        while not self._over.is_set():
            following += 1
            cursor.execute(f"INSERT INTO {quoted(TABLE)} VALUES (%s)", (following,))
            self.acknowledged[following] = time.time()
            self._over.wait(self._pause)
        return following

    def wait_for_more(self, count: int = 100) -> None:
        """Waits until so many more have been acknowledged."""
        before = len(self.acknowledged)
        eventually("more rows", lambda: len(self.acknowledged) >= before + count)


def quoted(table: str) -> str:
    return ".".join(f"`{part}`" for part in table.split("."))
