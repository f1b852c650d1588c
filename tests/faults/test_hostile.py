"""A member that floods a server with rubbish starves nobody, and fills neither the disk nor the log."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dbhandler.agent.outcome_log import BURST, WINDOW
from tests.faults.scale import SCALE
from tests.support.docker import eventually
from tests.support.faults import Container, Server, Site, numbered

TURN = 2.0
"""Seconds after its turn in which a good request has to be served, however many bad ones there are."""
GOOD = 20
ROOM = 50

RUBBISH = (
    b"x; CREATE USER eve IDENTIFIED BY 'e'",
    b"{",
    b"mysql",
    b'{"database": 1}',
    b"\x00\xff",
    b"a" * 300,
    b'{"database": "shop", "sealed": "bm90IGEgYm94"}',
)

# Watches from inside how long any event waits in the spool: its name begins with the time of its arrival.
WATCH = """\
import os, time
longest = 0
while not os.path.exists("/tmp/over"):
    for name in os.listdir("/var/lib/dbhandler/spool"):
        if name[0].isdigit():
            longest = max(longest, time.time_ns() - int(name[:20]))
    time.sleep(0.01)
print(longest / 1e9)
"""

ASK = """\
import os, subprocess, time
began = time.monotonic()
done = subprocess.run(["dbhandler-query"], input=b"{name}", capture_output=True, check=True,
                      env=dict(os.environ, SERF_QUERY_NAME="create_db"))
assert b'"created"' in done.stdout, done.stdout
print(time.monotonic() - began)
"""


@pytest.fixture(scope="module")
def agent(site: Site) -> Container:
    """The hostile member."""
    return site.agent()


@pytest.fixture(scope="module")
def server(site: Site, agent: Container) -> Server:
    server = site.server(join=agent.name).wait_ready()
    eventually("two members", lambda: len(agent.alive()) == 2)
    return server


def flood(server: Server, agent: Container, good: list[str]) -> None:
    """Bad events without a pause at the server's own agent, good ones evenly between them, and bad queries."""
    every = SCALE.flood // len(good)
    with server.rpc() as serf, agent.rpc() as hostile:
        for number in range(SCALE.flood):
            serf.event("create_db", RUBBISH[number % len(RUBBISH)], coalesce=False)
            if number % every == 0:
                serf.event("create_db", good[number // every].encode(), coalesce=False)
                list(hostile.query("create_db", RUBBISH[number % len(RUBBISH)], 1.0, nodes=[server.node]))


def test_good_requests_are_served_in_a_flood_of_bad_ones(server: Server, agent: Container) -> None:
    good, slowest, began = numbered("good", GOOD), 0.0, time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        watched = pool.submit(server.exec, "python3", "-c", WATCH, user="mysql")
        flooding = pool.submit(flood, server, agent, good)
        for name in numbered("asked", GOOD):
            slowest = max(slowest, float(server.exec("python3", "-c", ASK.format(name=name), user="mysql")))
            time.sleep(0.2)
        flooding.result()
        server.wait_for(good, behind=SCALE.flood)
        server.exec("touch", "/tmp/over")
        longest = float(watched.result())
    assert longest < TURN
    assert slowest < TURN
    all_told = SCALE.flood + len(good)
    found = eventually("all refusals in the log", lambda: r if sum(r := refusals(server)) == all_told else None)
    assert found is not None
    told, counted = found
    # However slow the machine makes the flood: never more than that within that time.
    assert counted + told == all_told and told <= BURST * ((time.monotonic() - began) / WINDOW + 1)


def refusals(server: Server) -> tuple[int, int]:
    """How many the log tells in full, and how many as a number."""
    counted = re.findall(r": (\d+) more requests were refused within", server.logs)
    return len(re.findall(r"create_db.*\b(?:invalid|denied)\b", server.logs)), sum(map(int, counted))


def test_a_spool_that_is_full_takes_no_more_and_says_so(site: Site) -> None:
    server = site.server(options=("-e", f"DBHANDLER_SPOOL_MAX={ROOM}")).wait_ready()
    server.supervisorctl("stop", "dbhandler:mysqld")
    names, began = numbered("cap", 2 * ROOM), time.monotonic()
    server.fire([*names, "cap_last"])
    complaint = f"{ROOM} events wait already (DBHANDLER_SPOOL_MAX)"
    eventually("the complaint", lambda: complaint in server.logs)
    # Serf's handlers run one after another: the answer to a query comes after all of them.
    with server.rpc() as serf:
        assert next(serf.query("status_db", b"", 60.0, nodes=[server.node]))
    waiting = server.exec("sh", "-c", "ls /var/lib/dbhandler/spool | wc -l")
    assert int(waiting) == ROOM
    assert 1 <= server.logs.count(complaint) <= 1 + (time.monotonic() - began) / 10
    server.supervisorctl("start", "dbhandler:mysqld")
    server.wait_for(names[:ROOM])
    eventually("room again", lambda: server.waiting() == 0)
    assert server.made("cap") == set(names[:ROOM])
    server.fire(["after_all"])
    server.wait_for(["after_all"])
