"""A server that cannot work now delays requests and then serves them; Serf's loop goes on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pymysql
import pytest

from tests.faults.scale import SCALE
from tests.support.docker import eventually
from tests.support.faults import Container, Server, Site, numbered

LONGEST = 3.0
"""Seconds for which a handler may hold Serf's loop."""

CONNECTIONS = 12


@pytest.fixture(scope="module")
def agent(site: Site) -> Container:
    """The member that fires."""
    return site.agent()


@pytest.fixture(scope="module")
def server(site: Site, agent: Container) -> Server:
    server = site.server(f"--max-connections={CONNECTIONS}", join=agent.name).wait_ready()
    eventually("two members", lambda: len(agent.alive()) == 2)
    return server


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """A lock on all tables."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        yield


@contextmanager
def crowded(server: Server) -> Iterator[None]:
    """No connection left, not for the agent either: the one that it holds is cut."""
    with ExitStack() as stack:
        admin = stack.enter_context(closing(server.connect()))
        with admin.cursor() as cursor:
            # The server keeps one more for an administrator, and the agent, which is one, is quick to take it: it is
            # out when the server is full and the agent is not among those who fill it.
            is_full = False
            while (agents := agents_in(cursor)) or not is_full:
                for number in agents:
                    with suppress(pymysql.err.OperationalError):
                        cursor.execute(f"KILL {number}")
                try:
                    stack.enter_context(closing(server.connect()))
                except pymysql.err.OperationalError as error:
                    assert error.args[0] == 1040, error
                    is_full = True
            yield


def agents_in(cursor: pymysql.cursors.Cursor) -> list[int]:
    """The agent's connections, one that is just being made among them."""
    users = "'mysql', 'unauthenticated user', 'unauthenticated'"
    cursor.execute(f"SELECT id FROM information_schema.processlist WHERE user IN ({users})")
    return [number for (number,) in cursor.fetchall()]


@contextmanager
def read_only(server: Server) -> Iterator[None]:
    """What an owner sets before a move. It does not bind administrators, but our own sessions keep to it."""
    server.sql("SET GLOBAL read_only = 1")
    yield
    server.sql("SET GLOBAL read_only = 0")


@pytest.mark.parametrize("trouble", [locked, crowded, read_only])
def test_delayed_then_served(server: Server, agent: Container, trouble: object) -> None:
    name = getattr(trouble, "__name__", "")
    names = numbered(name, 20)
    with trouble(server):  # type: ignore[operator]
        began = time.monotonic()
        agent.fire(names)
        statuses, slowest = set[str](), 0.0
        while time.monotonic() < began + SCALE.lock:
            slowest = max(slowest, held(server, name, statuses))
    assert slowest < LONGEST
    assert statuses <= {"unavailable", "created", "exists"}
    if trouble is not read_only:
        assert "unavailable" in statuses
    server.wait_for([*names, f"{name}_asked"] if "created" in statuses else names)
    assert server.ask("create_db", f"{name}_afterwards")["status"] == "created"


def held(server: Server, name: str, statuses: set[str]) -> float:
    """Asks for a database; returns for how many seconds the handler would have held Serf."""
    # Its own clock, inside: `docker exec` takes long, and only the handler holds Serf.
    timed = f"import subprocess, sys, time\nbegan = time.monotonic()\n{ASK.format(name=name)}\n"
    output = server.exec("python3", "-c", timed, user="mysql")
    seconds, status = output.split()
    statuses.add(status)
    return float(seconds)


ASK = """\
import json, os
done = subprocess.run(["dbhandler-query"], input=b"{name}_asked", capture_output=True, check=True,
                      env=dict(os.environ, SERF_QUERY_NAME="create_db"))
print(time.monotonic() - began, json.loads(done.stdout)["status"])
"""
