"""What a server has thrown away, or written anew, before the backup had it: a gap that is shown, and no other rows."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from tests.support.backups import BackedUp
from tests.support.containers import Site
from tests.support.docker import eventually

RESET = {"mariadb": "RESET MASTER", "mysql": "RESET BINARY LOGS AND GTIDS"}


def ranges(pool: BackedUp) -> list[tuple[str, str]]:
    """From when to when the backup can restore, as `list` shows it."""
    return re.findall(r"(\d{4}-\S+ \S+)  (\d\S+ \S+)  \S+(?: \S+)?  \S.*$", pool.backup.listed(), re.MULTILINE)


def wait_for_ranges(pool: BackedUp, count: int) -> list[tuple[str, str]]:
    eventually("another range", lambda: len(ranges(pool)) == count, interval=1.0)
    return ranges(pool)


def numbers(pool: BackedUp, at: str) -> list[int]:
    return [n for (n,) in pool.backup.rows(at, "SELECT n FROM shop.numbers ORDER BY n")]


def write(pool: BackedUp, *values: int) -> None:
    for value in values:
        pool.server.sql(f"INSERT INTO shop.numbers VALUES ({value})")


def purge(pool: BackedUp) -> None:
    pool.server.sql("FLUSH BINARY LOGS")
    # What is still read, or may be needed after a crash, is not purged.
    eventually("a purge", lambda: len(purged(pool)) == 1)


def purged(pool: BackedUp) -> list[tuple[Any, ...]]:
    """The server's files of the log after one that removes all but the last."""
    pool.server.sql(f"PURGE BINARY LOGS TO '{pool.server.sql('SHOW BINARY LOGS')[-1][0]}'")
    return pool.server.sql("SHOW BINARY LOGS")


def test_a_gap_is_shown_as_one(site: Site, engine: str) -> None:
    pool = BackedUp(site, engine)
    try:
        pool.backup.wait_proven()
        pool.server.sql("CREATE DATABASE shop")
        pool.server.sql("CREATE TABLE shop.numbers (n INT PRIMARY KEY)")
        write(pool, 1)
        eventually("its stream", lambda: numbers(pool, "latest") == [1], interval=0.5)

        pool.backup.stop()
        write(pool, 2)
        purge(pool)
        pool.backup.start()
        first, _ = wait_for_ranges(pool, 2)
        write(pool, 3)
        eventually("its stream", lambda: numbers(pool, "latest") == [1, 2, 3], interval=0.5)
        assert numbers(pool, first[1]) == [1]

        # The numbers of the transactions pass those that came before: nothing else tells that they are others.
        pool.backup.stop()
        pool.server.sql(RESET[engine])
        write(pool, *range(10, 60))
        pool.backup.start()
        _, second, third = wait_for_ranges(pool, 3)
        assert numbers(pool, second[1]) == [1, 2, 3]
        assert numbers(pool, "latest") == [1, 2, 3, *range(10, 60)]
        between = datetime.fromisoformat(first[1]) + timedelta(seconds=2)
        refused = pool.backup.restore("shop", str(between), "shop_between")
        assert refused.returncode and third[0][:10] in refused.stdout, refused.stdout
    finally:
        pool.close()
