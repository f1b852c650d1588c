"""How long restoring takes, and how much is missing, beside the same by hand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.backed_up import DATABASE, PATIENCE, Filled
from tests.bench.writes import insert, make_table
from tests.support.backups import said
from tests.support.containers import Database
from tests.support.docker import docker, eventually
from tests.support.load import TABLE as LOADED
from tests.support.load import Load, quoted

WRITTEN = 20.0
"""Seconds of writes that the log to be replayed holds."""
STREAM = "the binary log of .* comes from"
LOAD = 4000
"""Rows before a server is killed."""


@dataclass(frozen=True)
class Lost:
    """What a lost machine cost (seconds): until its server serves again, of which `ours` since it was started anew;
    how old the oldest acknowledged row is that is missing; and what it takes by hand."""

    away: float
    ours: float
    missing: float
    hand: float


def one_database(pool: Filled, rounds: int) -> list[tuple[float, float]]:
    """Seconds for a database as it was at a second, after many writes: by the backup, and by hand."""
    make_table(pool.server)
    insert(pool.server, WRITTEN)
    pool.server.sql("UPDATE items SET k = k + 1 WHERE id % 500 = 0", database=DATABASE)
    moment = math.ceil(time.time())
    eventually("the second to be over", lambda: time.time() > moment + 3)
    return [(_restored(pool, said(moment)), _restored_by_hand(pool, moment)) for _ in range(rounds)]


def _restored(pool: Filled, moment: str) -> float:
    began = time.perf_counter()
    pool.timed("dbhandler-backup", "restore", DATABASE, "--at", moment, "--as", "restored")
    took = time.perf_counter() - began
    _check_same(pool.server, pool.server, "restored")
    pool.server.sql("DROP DATABASE restored")
    return took


def _restored_by_hand(pool: Filled, moment: float) -> float:
    with _empty(pool, DBHANDLER_BINLOG="1") as server:
        server.sql(f"CREATE DATABASE {DATABASE}")
        took = _by_hand(pool, server, moment, DATABASE)
        _check_same(pool.server, server, DATABASE)
        return took


def _by_hand(pool: Filled, server: Database, moment: float, *database: str) -> float:
    address, (user, password) = server.address, server.admin
    return float(pool.inside("hand", address, user, password, str(moment), *database)["seconds"])


def _check_same(present: Database, restored: Database, name: str) -> None:
    """A restore that is fast because something is missing is no figure."""
    counted = "SELECT COUNT(*), SUM(k) FROM items"
    assert present.sql(counted, database=DATABASE) == restored.sql(counted, database=name)


@contextmanager
def _empty(pool: Filled, **environ: str) -> Iterator[Database]:
    """A server of no pool that the backup's container reaches."""
    server = pool.pool.site.database(pool.engine, options=("--network", pool.pool.network), **environ)
    try:
        _wait_serving(server)
        yield server
    finally:
        pool.pool.site.forget(server)


def lost_machines(pool: Filled, rounds: int) -> list[Lost]:
    """Kills the server under load and removes its volumes, so many times."""
    return [_lost_machine(pool) for _ in range(rounds)]


def _lost_machine(pool: Filled) -> Lost:
    name, streams = pool.server.node, pool.backup.count(STREAM)
    ended, acknowledged = _killed_under_load(pool.server)
    eventually("the end to be known", lambda: _status(pool, name) == "failed", PATIENCE)
    began = time.time()
    server = pool.add_server(name, DBHANDLER_RESTORE=f"{name}@latest")
    _wait_serving(server)
    serves = time.time()
    # It has the accounts of the former one, and so no banner.
    server.admin = pool.server.admin
    missing = _oldest_missing(server, acknowledged)
    hand = _meanwhile_stopped(server, lambda: _whole_by_hand(pool, server, math.ceil(ended) + 1))
    pool.server = server
    # A base that is older than the stream of the new server's log is good for nothing.
    eventually("the new log", lambda: pool.backup.count(STREAM) > streams, PATIENCE)
    pool.take_base()
    return Lost(serves - ended, serves - began, missing, hand)


def _killed_under_load(server: Database) -> tuple[float, dict[int, float]]:
    """When it ended, and how old each acknowledged row was then (seconds)."""
    with Load(server) as load:
        load.wait_for_more(LOAD)
        docker("kill", "-s", "KILL", server.name)
        docker("rm", "-f", "-v", server.name)
        ended = min(eventually("the end", lambda: load.failed))
    return ended, {number: ended - at for number, at in load.acknowledged.items()}


def _oldest_missing(server: Database, acknowledged: dict[int, float]) -> float:
    there = {number for (number,) in server.sql(f"SELECT n FROM {quoted(LOADED)}")}
    return max((age for number, age in acknowledged.items() if number not in there), default=0.0)


def _meanwhile_stopped(server: Database, measure: Callable[[], float]) -> float:
    """The keeper has nothing to do while a server is away, and both sides begin with the same backup."""
    server.stop()
    try:
        return measure()
    finally:
        server.start()
        _wait_serving(server)


def _whole_by_hand(pool: Filled, former: Database, moment: float) -> float:
    began = time.perf_counter()
    with _empty(pool) as server:
        started = time.perf_counter() - began
        took = _by_hand(pool, server, moment)
        server.admin = former.admin
        assert server.sql("SELECT COUNT(*) FROM items", database=DATABASE)[0][0]
        return started + took


def _wait_serving(server: Database) -> None:
    eventually("it to serve", lambda: server.run("dbhandler-health").returncode == 0, PATIENCE)


def _status(pool: Filled, name: str) -> object:
    return pool.pool.agent.members()[name]["status"]
