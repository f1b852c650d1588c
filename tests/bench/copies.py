"""A copy of a database for its owner, beside the same by hand: one dump into one client."""

from __future__ import annotations

import json
import os
import time

from dbhandler.requests.box import Credentials
from tests.bench.backed_up import DATABASE, PATIENCE, fill
from tests.bench.figure import Figure, in_rounds
from tests.support.containers import Database, Site
from tests.support.docker import eventually
from tests.support.operations import box, payload_text

MEGABYTES = int(os.environ.get("DBHANDLER_BENCH_MB", "1000"))
ROUNDS = 3
OWNER, COPIER = "the password of an owner", "the password of the copy"
BY_HAND = {
    "mariadb": "mariadb-dump -uroot --single-transaction --routines --events {0} | mariadb -uroot {1}",
    "mysql": "mysqldump -uroot --single-transaction --routines --events --set-gtid-purged=OFF {0} | mysql -uroot {1}",
}


def copy() -> Figure:
    return _copy("mariadb")


def copy_mysql() -> Figure:
    return _copy("mysql")


def _copy(engine: str) -> Figure:
    site = Site()
    try:
        server = site.database(engine, DBHANDLER_ALLOW_DROP="1").wait_healthy().wait_ready()
        _ask(server, "create_db", Credentials(DATABASE, DATABASE, OWNER))
        fill(server, MEGABYTES)
        rounds = [(_ours(server, number), _by_hand(server, engine)) for number in range(ROUNDS)]
    finally:
        site.close()
    name = f"a copy of a database of {MEGABYTES} MB ({engine}), asked for until it is whole"
    return in_rounds(name, "`dump | client` in the container", rounds, "s", 0.7)


def _ours(server: Database, number: int) -> float:
    name = f"copy{number}"
    began = time.perf_counter()
    _ask(server, "create_db", Credentials(name, name, COPIER))
    eventually("the copy", lambda: _wanted(server, name) == "copied", PATIENCE, 0.1)
    took = time.perf_counter() - began
    _check_same(server, name)
    server.sql(f"DROP DATABASE {name}")
    return took


def _wanted(server: Database, name: str) -> str:
    return _ask(server, "copy_db", box("copy_db", name, COPIER, source=DATABASE, source_password=OWNER))


def _ask(server: Database, query: str, content: Credentials) -> str:
    payload = payload_text(server.key, content)
    return str(json.loads(server.exec("dbhandler-query", stdin=payload, SERF_QUERY_NAME=query))["status"])


def _by_hand(server: Database, engine: str) -> float:
    server.sql("CREATE DATABASE by_hand")
    began = time.perf_counter()
    server.exec("sh", "-c", BY_HAND[engine].format(DATABASE, "by_hand"), user="root")
    took = time.perf_counter() - began
    _check_same(server, "by_hand")
    server.sql("DROP DATABASE by_hand")
    return took


def _check_same(server: Database, name: str) -> None:
    rows = server.sql(f"CHECKSUM TABLE {DATABASE}.items, {name}.items")
    if len({checksum for _, checksum in rows}) != 1:
        raise SystemExit(f"{name} is not what {DATABASE} is: {rows}")
