"""The figures of backups, each beside the same by hand. Variables of the run: DBHANDLER_BENCH_MB, how large a server's
dump is (1000), and DBHANDLER_BENCH_SOURCES, how many servers one container backs up (4)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench.backed_up import Filled, backed_up, filled
from tests.bench.figure import Figure, in_rounds
from tests.bench.restores import lost_machines, one_database
from tests.bench.writes import make_table, seconds_per_insert
from tests.support.containers import ENGINES, Site
from tests.support.docker import again_and_again

MEGABYTES = int(os.environ.get("DBHANDLER_BENCH_MB", "1000"))
SOURCES = int(os.environ.get("DBHANDLER_BENCH_SOURCES", "4"))
ROUNDS = 3
SEEN = 5
"""Rounds of what takes seconds."""
RESTORE, WRITES = 1.2, 0.85
"""At most so many times as long as by hand; at least this part of the writes without it."""


def base(engine: str) -> Iterator[Figure]:
    """A first base, and the one after some rows have changed."""
    with filled(engine, MEGABYTES) as pool:
        measured = pool.inside("bases", str(ROUNDS))
        dump = {"mariadb": "mariadb-dump", "mysql": "mysqldump"}[engine]
        yield in_rounds(f"backup: a base of {MEGABYTES} MB ({engine})", f"`{dump} \\| restic backup --stdin`",
                        measured["rounds"], "s", 0.9)  # fmt: skip
        yield _second(pool, "the newest 1 % of the rows changed", pool.change_newest, measured["size"], 0.1)
        yield _second(pool, "1 % of the rows changed, all over the table", pool.change_spread, measured["size"], None)


def _second(pool: Filled, what: str, change: Callable[[], None], first: float, reach: float | None) -> Figure:
    change()
    return in_rounds(f"backup: what the next base adds, {what} ({pool.engine})", "the first base",
                     [(pool.inside("another")["size"], first)], "MB", reach, 1e-6)  # fmt: skip


def restore(engine: str) -> Iterator[Figure]:
    """One database of a second, beside the present one."""
    with filled(engine, MEGABYTES) as pool:
        yield in_rounds(f"backup: one database of {MEGABYTES} MB as it was at a second ({engine})",
                        "`restic dump`, then the log, by hand", one_database(pool, ROUNDS), "s", RESTORE)  # fmt: skip


def server(engine: str) -> Iterator[Figure]:
    """A whole server after its machine is gone: how long it takes, and what is missing."""
    with filled(engine, MEGABYTES) as pool:
        lost = lost_machines(pool, ROUNDS)
        rounds = [(one.ours, one.hand) for one in lost]
        yield in_rounds(f"backup: a whole server of {MEGABYTES} MB on empty volumes ({engine})",
                        "an empty server filled by hand", rounds, "s", RESTORE)  # fmt: skip
        yield Figure(f"backup: SIGKILL under load → it serves again ({engine}), the longest of {ROUNDS}", "–",
                     max(one.away for one in lost), None, "s", "plain", None)  # fmt: skip
        yield Figure(f"backup: the oldest acknowledged row that is missing then ({engine}), of {ROUNDS}", "–",
                     max(one.missing for one in lost), None, "s", "plain", 1)  # fmt: skip


def writes(engine: str) -> Iterator[Figure]:
    """What an acknowledged insert takes longer: while a base is taken, and with the binary log."""
    with filled(engine, MEGABYTES) as pool:
        make_table(pool.server)
        rounds = [_beside_a_base(pool) for _ in range(SEEN)]
    yield in_rounds(f"backup: an acknowledged insert while a base is taken ({engine})", "without", rounds, "ms",
                    round(1 / WRITES, 2), 1000)  # fmt: skip
    yield in_rounds(f"an acknowledged insert with the binary log ({engine})", "`DBHANDLER_BINLOG=0`",
                    _with_and_without_log(engine), "ms", round(1 / WRITES, 2), 1000)  # fmt: skip


def _beside_a_base(pool: Filled) -> tuple[float, float]:
    without = seconds_per_insert(pool.server)
    with again_and_again(lambda: pool.inside("bases", "1", "ours")):
        pool.wait_for_base()
        return seconds_per_insert(pool.server), without


def _with_and_without_log(engine: str) -> list[tuple[float, float]]:
    site = Site()
    try:
        logging, other = (site.database(engine, DBHANDLER_BINLOG=value).wait_ready() for value in "10")
        for one in (logging, other):
            make_table(one)
            # The first seconds of a server are slower than those that follow.
            seconds_per_insert(one)
        return [(seconds_per_insert(logging), seconds_per_insert(other)) for _ in range(SEEN)]
    finally:
        site.close()


def memory(engine: str) -> Iterator[Figure]:
    """What the backup's container needs at rest, with one server and with several."""
    with backed_up(engine) as pool:
        pool.wait_proven(1)
        one = pool.inside("memory")["size"]
        for number in range(2, SOURCES + 1):
            pool.add_server(f"db{number}")
            pool.wait_proven(number)
        each = (pool.inside("memory")["size"] - one) / (SOURCES - 1)
    yield Figure(f"backup: memory (PSS) of its container at rest, one server ({engine})", "–", one, None, "MiB",
                 "plain", None)  # fmt: skip
    yield Figure(f"backup: what each of {SOURCES - 1} more servers adds to that ({engine})", "–", each, None, "MiB",
                 "plain", 40)  # fmt: skip


_MEASURED = (base, restore, server, writes, memory)
_PREFIX = {"mariadb": "backup", "mysql": "backup_mysql"}
PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    f"{_PREFIX[engine]}_{part.__name__}": partial(part, engine) for engine in ENGINES for part in _MEASURED
}
GROUPS = {_PREFIX[engine]: [f"{_PREFIX[engine]}_{part.__name__}" for part in _MEASURED] for engine in ENGINES}
"""Names for several parts: of either engine."""
