"""make bench: the figures of docs/explanation/figures.md, each beside what it is compared with, in one run.

usage: python -m tests.bench.bench [FIGURE ...]

Writes bench-results/table.md and bench-results/chart.svg. Every comparison alternates the two sides, so that a machine
whose speed drifts slows both; what is printed is the ratio of the medians, of backups the median of each round's ratio.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pymysql

from tests.bench import backup, galera, moves, pool
from tests.bench.box import PREFIX, Box, docker
from tests.bench.copies import copy, copy_mysql
from tests.bench.figure import Figure, chart, table

HERE = Path(__file__).parent
IMAGE, MYSQL_IMAGE, SERF_IMAGE = "dbhandler:mariadb", "dbhandler:mysql", "dbhandler-serf"
RUNS = 15


def wait_login(address: str, user: str, password: str) -> None:
    """Returns at the first login over TCP."""
    while True:
        try:
            pymysql.connect(host=address, user=user, password=password, connect_timeout=5).close()
            return
        except (pymysql.Error, OSError):
            time.sleep(0.005)


def first_start() -> Figure:
    return _first_start(IMAGE, "mariadbd")


def first_start_mysql() -> Figure:
    return _first_start(MYSQL_IMAGE, "mysqld")


def _first_start(image: str, server: str) -> Figure:
    """An empty volume until the admin logs in over TCP, against the bare server with the same my.cnf, and so with keys
    that are there, on a data directory in use."""
    password = "benchpassword1234"
    volume = f"{PREFIX}-used"
    with Box("prepare", "-v", f"{volume}:/var/lib/mysql", "-e", f"MYSQL_ADMIN_PASSWORD={password}", image) as box:
        wait_login(box.address, "admin", password)
        box.wait_ready()
        docker("stop", box.name)
    ours, bare = [], []
    try:
        for number in range(RUNS):
            # The password is given: to look for it in the log again and again takes a processor from the server.
            with Box(f"empty{number}", "-e", f"MYSQL_ADMIN_PASSWORD={password}", image) as box:
                wait_login(box.address, "admin", password)
                ours.append(time.perf_counter() - box.began)
            bare_server = ("--entrypoint", server, "-v", f"{volume}:/var/lib/mysql", "--user", "mysql")
            with Box(f"bare{number}", *bare_server, image) as box:
                wait_login(box.address, "admin", password)
                bare.append(time.perf_counter() - box.began)
                docker("stop", box.name)
    finally:
        docker("volume", "rm", volume, check=False)
    return _ratio(f"`docker run` on an empty volume → admin login over TCP ({server})",
                  f"bare {server}, the same my.cnf, on a ready data directory", ours, bare, 1.6)  # fmt: skip


def stop() -> Figure:
    """`docker stop` of an idle server."""
    times = []
    for number in range(5):
        with Box(f"stop{number}", IMAGE) as box:
            box.wait_ready()
            began = time.perf_counter()
            docker("stop", box.name)
            times.append(time.perf_counter() - began)
            if docker("inspect", "-f", "{{.State.ExitCode}}", box.name) != "0":
                raise SystemExit("docker stop was not clean")
    return Figure("`docker stop`, idle, clean", "–", statistics.median(times), None, "s", "plain", 3)


def request() -> Figure:
    """A first request across two agents, against `serf query` with its default time-out."""
    with (
        Box("agent", "-e", "SERF_RPC_AUTH=bench", SERF_IMAGE) as agent,
        Box("db", "-e", f"SERF_JOIN={agent.address}", IMAGE) as db,
    ):
        db.wait_ready()
        while "mysql=ready" not in docker("exec", agent.name, "serf", "members", "-rpc-auth=bench"):
            time.sleep(0.1)
        script = (HERE / "asking.py").read_bytes()
        measured = json.loads(docker("exec", "-i", agent.name, "python3", "-", str(RUNS), stdin=script))
    return _ratio("`dbhandler-request`, two agents, first time", "`serf query`, default time-out",
                  measured["ours"], measured["other"], 0.15)  # fmt: skip


def inside(figure: str) -> dict[str, float]:
    """Runs one of inside.py's figures in a fresh container."""
    script = (HERE / "inside.py").read_bytes()
    with Box(figure.replace("_", "-"), IMAGE) as box:
        box.wait_ready()
        time.sleep(2)
        output = docker("exec", "-i", "-u", "mysql", box.name, "python3", "-", figure, stdin=script)
        return dict(json.loads(output.splitlines()[-1]))


def create_process() -> Figure:
    measured = inside("create_process")
    return Figure("`dbhandler-create`, whole process", "bash handler with the command-line client",
                  measured["ours"] * 1000, measured["other"] * 1000, "ms", "ratio", 1.0)  # fmt: skip


def spool_latency() -> Figure:
    measured = inside("spool_latency")
    return Figure("spool entry → database exists", "CREATE DATABASE on an open connection",
                  measured["ours"] * 1000, measured["other"] * 1000, "ms", "more", 5)  # fmt: skip


def thousand_events() -> Figure:
    measured = inside("thousand_events")
    return Figure("1,000 databases by events at one agent", "the bash handler",
                  measured["ours"], measured["other"], "s", "ratio", 1.0)  # fmt: skip


def crowded() -> Figure:
    measured = inside("crowded")
    return Figure("creating with 10,000 databases there", "with none",
                  measured["ours"] * 1000, measured["other"] * 1000, "ms", "ratio", 1.5)  # fmt: skip


def memory() -> Figure:
    return Figure("memory (PSS) of all Python processes at rest", "–", inside("memory")["ours"], None, "MiB",
                  "plain", 60)  # fmt: skip


def size() -> Figure:
    """What the image adds to its base, against what Debian's own package adds."""
    base = subprocess.run(
        [HERE.parents[1] / "container" / "base-image", "trixie"], check=True, capture_output=True, text=True
    ).stdout.strip()
    bytes_of = [int(docker("image", "inspect", "-f", "{{.Size}}", name)) for name in (IMAGE, base)]
    script = (
        "before=$(dpkg-query -W -f '${Installed-Size}\\n' | paste -sd+ | sed 's/.*/echo $((&))/' | sh); "
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server >/dev/null 2>&1; "
        "dpkg-query -W -f '${Installed-Size}\\n' | paste -sd+ | sed \"s/.*/echo \\$((&-$before))/\" | sh"
    )
    package = int(docker("run", "--rm", base, "sh", "-c", script).splitlines()[-1]) * 1024
    return Figure("MariaDB image above its base", "Debian's `mariadb-server` with its dependencies",
                  (bytes_of[0] - bytes_of[1]) / 1e6, package / 1e6, "MB", "ratio", 0.5)  # fmt: skip


def cluster_pause() -> Figure:
    ours, default = galera.pause_after_kill()
    return Figure(
        "pause of writes after a node is killed", "Galera's default time-outs", ours, default, "s", "ratio", 0.4
    )


def cluster_stop() -> Figure:
    return Figure("pause of writes after an orderly stop", "–", galera.pause_after_stop(), None, "s", "plain", 0.3)


def cluster_forming() -> Figure:
    ours, hand = galera.forming()
    return Figure("three empty containers → all ready", "the same by hand", ours, hand, "s", "ratio", 1.2)


def cluster_requests() -> Figure:
    ours, plain = galera.requests_against_one_server()
    return Figure(
        "answered `create_db` in a cluster", "at one plain server", ours * 1000, plain * 1000, "ms", "ratio", None
    )


def cluster_inserts() -> Figure:
    ours, plain = galera.inserts_against_one_server()
    return Figure("an acknowledged insert through one node", "at one plain server", ours * 1000, plain * 1000, "ms",
                  "ratio", None)  # fmt: skip


def _ratio(name: str, compared: str, ours: list[float], other: list[float], reach: float) -> Figure:
    return Figure(name, compared, statistics.median(ours), statistics.median(other), "s", "ratio", reach)


FIGURES: dict[str, Callable[[], Figure]] = {
    function.__name__: function
    for function in (
        cluster_pause,
        cluster_stop,
        cluster_forming,
        cluster_requests,
        cluster_inserts,
        first_start,
        first_start_mysql,
        stop,
        create_process,
        spool_latency,
        request,
        thousand_events,
        crowded,
        copy,
        copy_mysql,
        memory,
        size,
    )
}


PARTS: Mapping[str, Callable[[], Iterable[Figure]]] = {**backup.PARTS, **pool.PARTS, **moves.PARTS}


def measured(name: str) -> Iterable[Figure]:
    """What a name stands for: one figure, or several that are measured together."""
    return PARTS[name]() if name in PARTS else [FIGURES[name]()]


def main(names: list[str]) -> int:
    """Measures the figures named, or all; returns 1 when one was missed, 64 for a name that is none."""
    known = [*FIGURES, *PARTS]
    wanted = [part for name in names for part in backup.GROUPS.get(name, [name])] or known
    if unknown := set(wanted) - set(known):
        there = ", ".join([*backup.GROUPS, *known])
        print(f"no such figure: {', '.join(sorted(unknown))}; there are {there}", file=sys.stderr)
        return os.EX_USAGE
    figures = []
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        for figure in measured(name):
            print(figure.row(), flush=True)
            figures.append(figure)
    results = Path("bench-results")
    results.mkdir(exist_ok=True)
    (results / "table.md").write_text(table(figures))
    (results / "chart.svg").write_text(chart(figures))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
