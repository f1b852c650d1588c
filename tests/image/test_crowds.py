"""One tenant is not all tenants: crowds of connections, with and without a login, and a request that has to wait."""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pymysql
import pytest

from dbhandler.requests.box import Credentials, seal
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import eventually

PASSWORD = "the password of an application"
CONNECTIONS, SHARE = 30, 10
USER_LIMIT = (1203, 1226)
"""Of the server, of the account."""


@pytest.fixture(scope="module")
def server(site: Site, engine: str) -> Iterator[Database]:
    # Few connections make a cheap crowd; the share of one account follows.
    made = site.database(engine, f"--max-connections={CONNECTIONS}", SERF_RPC_AUTH=RPC_KEY)
    yield made.wait_healthy().wait_ready()
    made.remove()


def sealed(server: Database, name: str) -> dict[str, object]:
    return {"database": name, "sealed": seal(server.key, Credentials(name, name, PASSWORD))}


def account(server: Database, name: str) -> None:
    assert server.query("create_db", sealed(server, name))["status"] == "created"


def others_are_served(server: Database, name: str) -> None:
    """A query and an event for new names. Serf's handler waits for the agent's answer for two seconds at most."""
    assert server.query("create_db", name)["status"] == "created"
    server.event(f"{name}_event")
    eventually(f"{name}_event", lambda: server.logged(f"event create_db #[0-9]+: '{name}_event' created"))


@contextmanager
def many(server: Database, user: str) -> Iterator[int]:
    """As many connections of one account as it gets; gives their number."""
    with ExitStack() as stack:
        number = 0
        while number <= CONNECTIONS:
            try:
                connection = server.connect(user, PASSWORD)
            except pymysql.err.OperationalError as error:
                assert error.args[0] in USER_LIMIT, error
                break
            stack.callback(connection.close)
            number += 1
        yield number


@contextmanager
def strangers(server: Database, number: int) -> Iterator[None]:
    """So many connections that never log in; each that is closed comes again at once."""
    target, over, selector = (server.address, 3306), threading.Event(), selectors.DefaultSelector()

    def knock() -> None:
        knocker = socket.socket()
        knocker.setblocking(False)
        with suppress(BlockingIOError):
            knocker.connect(target)
        selector.register(knocker, selectors.EVENT_READ)

    def hold() -> None:
        while not over.wait(0.01):
            for key, _ in selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                with suppress(OSError):
                    greeting = key.fileobj.recv(4096)
                    if greeting and greeting[4] != 0xFF:
                        continue
                selector.unregister(key.fileobj)
                key.fileobj.close()
                knock()

    for _ in range(number):
        knock()
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        time.sleep(1.0)
        yield
    finally:
        over.set()
        thread.join()
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()


def test_one_account_gets_its_share_of_the_connections_and_others_are_served(server: Database) -> None:
    account(server, "greedy")
    account(server, "modest")
    with many(server, "greedy") as number:
        assert number == SHARE
        assert server.opens("modest", PASSWORD)
        others_are_served(server, "greed")
        assert server.query("create_db", sealed(server, "greedy"))["status"] == "exists"


def test_a_crowd_that_never_logs_in_keeps_neither_requests_nor_passwords_nor_health_from_their_work(
    server: Database,
) -> None:
    account(server, "earlier")
    with strangers(server, 3 * CONNECTIONS):
        others_are_served(server, "crowd")
        assert server.query("create_db", sealed(server, "earlier"))["status"] == "exists"
        health = server.run("dbhandler-health")
        assert (health.returncode, health.stdout.splitlines()[-1]) == (0, "ready")
        if server.engine == "mysql":
            # The door for administrators, on the container's loopback.
            user, password = server.admin
            login = ("mysql", f"-u{user}", "-h127.0.0.1", "-P33062", "-N", "-e", "SELECT 17")
            assert "17" in server.exec(*login, MYSQL_PWD=password)


@pytest.mark.parametrize("program", ["agent", "mysqld"])
def test_the_agent_finds_its_way_in_again_through_the_crowd(server: Database, program: str) -> None:
    with strangers(server, 3 * CONNECTIONS):
        before = server.pid(program)
        server.exec("sh", "-c", f"kill -9 {before}")
        eventually("the next one", lambda: server.pid(program) not in (0, before))
        server.event(f"again_{program}")
        eventually("its work", lambda: server.logged(f"'again_{program}' created"))


def test_an_event_that_has_to_wait_for_its_own_account_holds_nobody_up(server: Database) -> None:
    if server.engine == "mysql":
        pytest.skip("there, only a password proves an account")
    account(server, "waiter")
    # A second way to log in can be told by the server only, which counts the log-in.
    server.sql(
        f"ALTER USER waiter@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('{PASSWORD}') OR unix_socket "
        "WITH MAX_USER_CONNECTIONS 1"
    )
    with many(server, "waiter"):
        server.event(sealed(server, "waiter"))
        eventually("its delay", lambda: server.logged(r"event create_db #\d+: 'waiter' waits: .*1226"))
        others_are_served(server, "waits")
        assert json.loads(server.exec("dbhandler-query", stdin="", SERF_QUERY_NAME="status_db"))["spool"] == 1
    eventually("its turn", lambda: server.logged(r"event create_db #\d+: 'waiter' exists"))
