"""A pool that is backed up, for figures: its server holds so many megabytes, and nothing but what is measured runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.backups import PROVEN, BackedUp
from tests.support.containers import Database, Site
from tests.support.docker import eventually

INSIDE = Path(__file__).parent / "backup_inside.py"
PATIENCE = 3600.0
"""Seconds."""
DATABASE = "bench"
CHANGES = 20
_ROW = 154
"""Bytes of a row in a dump."""
_AT_ONCE = 50_000
_TABLE = "CREATE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, k INT, c CHAR(96), pad CHAR(32), KEY (k))"
_CHANCE = "LEFT(SHA2(RAND(), 256), 32)"
_VALUES = f"FLOOR(RAND() * 1e9), CONCAT(SHA2(RAND(), 256), {_CHANCE}), {_CHANCE}"
"""As sysbench's: half of it is chance, so that nothing is there twice and a dump packs to about half."""


def fill(server: Database, megabytes: int) -> None:
    """Makes a database that is so large in a dump, without the log, which would hold all of it a second time."""
    rows = megabytes * 1_000_000 // _ROW
    server.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    server.sql(_TABLE, database=DATABASE)
    with server.connect(database=DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute(f"INSERT INTO items (k, c, pad) SELECT {_VALUES}")
        there = 1
        while there < rows:
            more = min(there, rows - there, _AT_ONCE)
            there += cursor.execute(f"INSERT INTO items (k, c, pad) SELECT {_VALUES} FROM items LIMIT {more}")


class Filled:
    """The pool, and how the figures ask it."""

    def __init__(self, pool: BackedUp) -> None:
        self.pool, self.engine = pool, pool.engine
        self.server, self.backup = pool.server, pool.backup

    def add_server(self, host: str, **environ: str) -> Database:
        return self.pool.add_server(host, **environ)

    def inside(self, what: str, *arguments: str) -> Any:
        """What backup_inside.py measures in the backup's container."""
        python = ("env", "PYTHONPATH=/usr/local/lib/python3/dist-packages", "python3", "-", what, *arguments)
        return json.loads(self.timed(*python, stdin=INSIDE.read_bytes()).splitlines()[-1])

    def timed(self, *command: str, stdin: bytes = b"") -> str:
        """What a command prints in the backup's container, however long it takes."""
        asked = ("docker", "exec", "-i", self.backup.name, *command)
        done = subprocess.run(asked, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {said}")
        return done.stdout.decode()

    def wait_proven(self, times: int) -> None:
        """Waits until the keeper has nothing to do."""
        eventually("a proven base", lambda: self.backup.count(PROVEN) >= times, PATIENCE, 0.5)

    def take_base(self) -> None:
        """A base of now in the pool's own repository, proven. Some changes come before it: a server that takes this
        one's place begins to count anew, and is not to begin with the number of the base."""
        for _ in range(CHANGES):
            self.server.sql("CREATE DATABASE counted")
            self.server.sql("DROP DATABASE counted")
        times = self.backup.count(PROVEN)
        self.inside("take")
        self.wait_proven(times + 1)

    def wait_for_base(self) -> None:
        """Waits until one is read from the server."""
        users = (
            "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'dbhandler_backup' AND command = 'Query'"
        )
        eventually("a dump", lambda: self.server.sql(users)[0][0], PATIENCE, 0.02)

    def change_newest(self) -> None:
        [(rows,)] = self.server.sql("SELECT COUNT(*) FROM items", database=DATABASE)
        newest = f"ORDER BY id DESC LIMIT {rows // 100}"
        self.server.sql(f"UPDATE items SET pad = {_CHANCE} {newest}", database=DATABASE)

    def change_spread(self) -> None:
        self.server.sql(f"UPDATE items SET pad = {_CHANCE} WHERE id % 100 = 0", database=DATABASE)


@contextmanager
def backed_up(engine: str) -> Iterator[Filled]:
    """A server with nothing in it, and its backup with its own settings."""
    site = Site()
    try:
        yield Filled(BackedUp(site, engine, DBHANDLER_BACKUP_SHIP="30s"))
    finally:
        site.close()


@contextmanager
def filled(engine: str, megabytes: int) -> Iterator[Filled]:
    """One with so much in it, whose base is proven."""
    with backed_up(engine) as pool:
        pool.wait_proven(1)
        fill(pool.server, megabytes)
        pool.take_base()
        yield pool
