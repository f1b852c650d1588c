"""A database that moves to another server while 500 rows a second are written to it, beside the same by hand: one dump
into one client, over the same network and with nobody writing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from tests.bench.backed_up import DATABASE, PATIENCE, fill
from tests.bench.figure import Figure, in_rounds
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import eventually
from tests.support.wanderers import TABLE, Wanderers

MEGABYTES = int(os.environ.get("DBHANDLER_BENCH_MB", "1000"))
ROUNDS = 2
PAUSE = 0.0015
"""Seconds between two rows, so that about 500 come in a second."""
BY_HAND = {
    "mariadb": "mariadb-dump {source} --single-transaction --routines --events {name} | mariadb -uroot by_hand",
    "mysql": "mysqldump {source} --single-transaction --routines --events --set-gtid-purged=OFF --no-tablespaces "
    "{name} | mysql -uroot by_hand",
}


def _measured(engine: str) -> Iterable[Figure]:
    site = Site()
    try:
        pool = DirectoryPool(site, (engine, engine))
        made = pool.request(DATABASE, "--where", "engine=" + engine)
        home = str(pool.row(DATABASE))
        fill(pool.servers[home], MEGABYTES)
        password = str(made["password"])
        pool.servers[home].sql(f"CREATE TABLE {TABLE} (n BIGINT PRIMARY KEY)", DATABASE, password, DATABASE)
        rounds, gaps = [], []
        for _ in range(ROUNDS):
            took, gap = _ours(pool, password)
            gaps.append(gap)
            rounds.append((took, _by_hand(pool, password)))
    finally:
        site.close()
    name = f"a database of {MEGABYTES} MB that moves under 500 rows a second ({engine})"
    yield in_rounds(name, "`dump | client` to the other server, nobody writing", rounds, "s", 1.5)
    yield Figure(f"nobody could write, at most ({engine})", "–", max(gaps), None, "s", "plain", 1.0)


def _pair(pool: DirectoryPool) -> tuple[Database, Database]:
    """Who has it, and the other one."""
    home = str(pool.row(DATABASE))
    [other] = [server for node, server in pool.servers.items() if node != home]
    return pool.servers[home], other


def _ours(pool: DirectoryPool, password: str) -> tuple[float, float]:
    """How long it took, and for how long nobody could write."""
    home, other = _pair(pool)
    with Wanderers([home, other], DATABASE, DATABASE, password, PAUSE) as writers:
        time.sleep(2)
        began = time.perf_counter()
        home.exec("dbhandler-pool", "move", DATABASE, "--to", other.node, "--keep", "0", SERF_RPC_AUTH=RPC_KEY)
        took = time.perf_counter() - began
        time.sleep(2)
    if writers.writers() != [home.node, other.node] or writers.lost(other):
        raise SystemExit(f"it did not move, or not whole: {writers.writers()}")
    eventually("the former one to be gone", lambda: not home.holds(DATABASE), PATIENCE, 1.0)
    return took, writers.longest_gap()


def _by_hand(pool: DirectoryPool, password: str) -> float:
    home, other = _pair(pool)
    other.sql("CREATE DATABASE by_hand")
    source = f"-h {home.address} -u {DATABASE} -p'{password}'"
    began = time.perf_counter()
    other.exec("sh", "-c", BY_HAND[other.engine].format(source=source, name=DATABASE), user="root")
    took = time.perf_counter() - began
    other.sql("DROP DATABASE by_hand")
    return took


PARTS: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "move": partial(_measured, "mariadb"),
    "move_mysql": partial(_measured, "mysql"),
}
"""What each name measures."""
