"""A pool of many servers with a directory: how long a new database takes, whatever their number.

One server is real, and holds the directory. The others are real Serf agents, whose questions a small program answers
(pool_inside.py): it looks into the directory as an agent does, and leaves out the database itself.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import new_secret, parse
from tests.bench.box import PREFIX, Box, docker
from tests.bench.figure import Figure
from tests.support.docker import eventually

SERVERS = int(os.environ.get("DBHANDLER_BENCH_SERVERS", "60"))
RUNS = 100
HERE = Path(__file__).parent
KEY = "bench"
SITE = "/usr/local/lib/python3/dist-packages"


def pool() -> Iterable[Figure]:
    """Requests for new databases, one after another, by one application."""
    network, secret = f"{PREFIX}-pool", new_secret()
    docker("network", "create", network)
    on, image = ("--network", network), "dbhandler:mariadb"
    given = ("-e", f"DBHANDLER_POOL_SECRET={secret}", "-e", "DBHANDLER_DIRECTORY=db0", "-e", f"SERF_RPC_AUTH={KEY}")
    try:
        with Box("db0", *on, *given, "-h", "db0", "--network-alias", "db0", image) as real:
            real.wait_ready()
            played = (
                "-e",
                "SERF_JOIN=db0",
                "-e",
                f"SERVERS={SERVERS - 1}",
                "-v",
                f"{HERE}:/bench:ro",
                "-e",
                f"PYTHONPATH={SITE}",
            )
            with Box("played", *on, *given, *played, "--entrypoint", "python3", image, "/bench/pool_inside.py"):
                pool_id = ("-e", f"DBHANDLER_POOL={Pool(parse(secret)).id}", "-e", f"SERF_RPC_AUTH={KEY}")
                with Box("client", *on, *pool_id, "-e", "SERF_JOIN=db0", "dbhandler-serf") as client:
                    _wait_for_all(client)
                    times = json.loads(
                        docker(
                            "exec",
                            "-i",
                            "-e",
                            f"PYTHONPATH={SITE}",
                            client.name,
                            "python3",
                            "-",
                            str(RUNS),
                            stdin=ASKING,
                        )
                    )
                    memory = _memory(real)
    finally:
        docker("network", "rm", network, check=False)
    yield _plain(
        f"a new database in a pool of {SERVERS} servers with a directory, median", statistics.median(times), 0.3
    )
    yield _plain("the same, 99 of 100", sorted(times)[int(len(times) * 0.99) - 1], 0.6)
    yield Figure(f"memory of an agent among {SERVERS} servers", "–", memory, None, "MiB", "plain", 60)


ASKING = b"""
import json, os, sys, time
from dbhandler.client import request_database
times = []
for number in range(int(sys.argv[1])):
    began = time.perf_counter()
    request_database(f"r{number}", timeout=60)
    times.append(time.perf_counter() - began)
print(json.dumps(times))
"""


def _wait_for_all(client: Box) -> None:
    def ready() -> bool:
        told = docker("exec", client.name, "serf", "members", f"-rpc-auth={KEY}", "-tag", "mysql=ready", check=False)
        return told.count(" alive ") == SERVERS

    eventually(f"{SERVERS} servers", ready, 300, 1.0)
    # The figures are of a pool at rest: who has just come is told of to all.
    eventually("them to know each other", lambda: all(_is_quiet(client) for _ in range(5)), 300, 5.0)


def _is_quiet(client: Box) -> bool:
    """Has Serf nothing to pass on? Looked at for a second."""
    time.sleep(1)
    told = json.loads(docker("exec", client.name, "serf", "info", f"-rpc-auth={KEY}", "-format=json"))
    return all(told["serf"][f"{what}_queue"] == "0" for what in ("event", "intent", "query"))


def _memory(box: Box) -> float:
    line = docker("exec", box.name, "sh", "-c", "grep -l dbhandler-agent /proc/[0-9]*/comm | head -1")
    status = docker("exec", "-u", "root", box.name, "cat", f"{Path(line).parent}/status")
    return int(next(text.split()[1] for text in status.splitlines() if text.startswith("VmRSS"))) / 1024


def _plain(name: str, seconds: float, reach: float) -> Figure:
    return Figure(name, "–", seconds, None, "s", "plain", reach)


PARTS: Mapping[str, Callable[[], Iterable[Figure]]] = {"pool": pool}
