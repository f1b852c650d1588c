"""Measures inside a database container; prints one JSON object. Run as: python3 - FIGURE < inside.py"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path += ["/usr/local/lib/python3/dist-packages"]

from dbhandler import paths
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.serf.rpc import Serf
from dbhandler.spool import Spool

BASH = Path("/tmp/bash-handler")
BASH_TEXT = """#!/bin/bash
read -r line
if [ -n "$line" ]; then
    $(command -v mariadb || command -v mysql) -e "CREATE DATABASE $line"
fi
"""
SOCKET = os.environ["DBHANDLER_SOCKET"]
RPC, OTHER_RPC, OTHER_GOSSIP = "127.0.0.1:7373", "127.0.0.1:8373", "127.0.0.1:8946"


def seconds(action, *arguments):
    """How long one call takes."""
    began = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - began


def handler(command, name):
    subprocess.run(command, input=name.encode(), check=True)


def count(server, prefix):
    rows = server.execute(sql.databases())
    return sum(str(name).startswith(prefix) for (name,) in rows)


def wait_count(server, prefix, number, timeout=600.0):
    deadline = time.monotonic() + timeout
    while count(server, prefix) < number:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {count(server, prefix)} of {number} databases after {timeout} s")
        time.sleep(0.02)


def create_process(server):
    """dbhandler-create as a whole process, against a bash handler that calls the command-line client."""
    ours, bash = [], []
    for number in range(60):
        ours.append(seconds(handler, ["dbhandler-create"], f"p{number}"))
        bash.append(seconds(handler, [str(BASH)], f"q{number}"))
    wait_count(server, "p", 60)
    return {"ours": ours, "other": bash}


def spool_latency(server):
    """From an entry in the spool until the database exists, against one CREATE DATABASE on an open connection."""
    spool, fifo = Spool(paths.spool_dir(os.environ)), paths.wake_fifo(os.environ)
    data = os.environ.get("DBHANDLER_DATA_DIR", "/var/lib/mysql")
    ours, direct = [], []
    for number in range(200):
        spool.put("create_db", 0, f"l{number}".encode())
        began = time.perf_counter()
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, b"\n")
        os.close(descriptor)
        while not Path(f"{data}/l{number}").exists():
            time.sleep(0.0002)
        ours.append(time.perf_counter() - began)
        direct.append(seconds(server.execute, sql.create_database(f"m{number}", "utf8mb4", None)))
    return {"ours": ours, "other": direct}


def fire(rpc, prefix, number):
    with Serf(rpc, timeout=60) as serf:
        for index in range(number):
            serf.event("create_db", f"{prefix}{index}".encode())


def thousand_events(server):
    """A thousand events at one agent until all databases are there, against the bash handler in another agent."""
    number = 1000
    began = time.perf_counter()
    fire(RPC, "e", number)
    wait_count(server, "e", number)
    ours = time.perf_counter() - began
    other = subprocess.Popen(
        ["serf", "agent", "-node=other", f"-bind={OTHER_GOSSIP}", f"-rpc-addr={OTHER_RPC}", "-log-level=err",
         f"-event-handler=user:create_db={BASH}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(1.5)
    try:
        began = time.perf_counter()
        fire(OTHER_RPC, "b", number)
        wait_count(server, "b", number)
        bash = time.perf_counter() - began
    finally:
        other.terminate()
        other.wait()
    return {"ours": [ours], "other": [bash]}


def crowded(server):
    """The agent's time for a database with ten thousand others there, against with none."""
    few = spool_latency(server)["ours"]
    for number in range(count(server, "z"), 10_000):
        server.execute(sql.create_database(f"z{number}", "utf8mb4", None))
    for prefix in "lm":
        for number in range(200):
            server.execute(sql.drop_database(f"{prefix}{number}"))
    return {"ours": spool_latency(server)["ours"], "other": few}


def memory(server):
    """The proportional set size of all Python processes at rest, in MiB."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if "python" in str((process / "exe").readlink()) and process.name != str(os.getpid()):
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return {"ours": [total / 1024]}


FIGURES = {
    "create_process": create_process,
    "spool_latency": spool_latency,
    "thousand_events": thousand_events,
    "crowded": crowded,
    "memory": memory,
}

if __name__ == "__main__":
    BASH.write_text(BASH_TEXT)
    BASH.chmod(0o755)
    with Server(SOCKET, "mysql", timeout=120) as connected:
        measured = FIGURES[sys.argv[1]](connected)
    print(json.dumps({key: statistics.median(values) for key, values in measured.items()}))
