"""A port for each database: it leads to the server that has it, wherever that is, and nobody is refused meanwhile."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest

from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import parse
from tests.support.containers import RPC_KEY, Container, Database, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import again_and_again, eventually

SHOP, BLOG = 3306, 3310
NOTICED = 3.0
"""Seconds after which the proxy has seen a switch, also on a busy machine, of which nobody has told it before."""


@pytest.fixture(scope="module")
def pool(site: Site) -> DirectoryPool:
    return DirectoryPool(site, ("mariadb", "mariadb"))


@pytest.fixture(scope="module")
def proxy(pool: DirectoryPool) -> Container:
    return start_proxy(pool, "--database", "shop")


def start_proxy(pool: DirectoryPool, *arguments: str) -> Container:
    published = [part for port in (SHOP, BLOG) for part in ("-p", f"127.0.0.1::{port}")]
    settings = {
        "SERF_RPC_ADDR": "serf_agent:7373", "SERF_RPC_AUTH": RPC_KEY,
        "DBHANDLER_POOL": Pool(parse(pool.secret)).id,
    }  # fmt: skip
    options = ("--network", pool.network, *published)
    return Container(pool.site.start("dbhandler-proxy", *arguments, options=options, **settings))


@dataclass
class Visits:
    """What an application sees that opens a connection, asks, and closes it, again and again: which server answered
    (by its name), how long it took, and when it was refused."""

    proxy: Container
    user: str
    password: str

    def __post_init__(self) -> None:
        self.served: list[tuple[float, str, float]] = []
        self.refused: list[tuple[float, str]] = []

    def open(self) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.proxy.published(SHOP), user=self.user, password=self.password, database="shop",
            autocommit=True, connect_timeout=40, read_timeout=40, ssl={"check_hostname": False, "verify_mode": "none"},
        )  # fmt: skip

    def visit(self) -> str:
        with closing(self.open()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@hostname")
            return str(cursor.fetchone()[0])

    @contextmanager
    def again_and_again(self) -> Iterator[None]:
        with again_and_again(self._noted):
            yield

    def _noted(self) -> None:
        time.sleep(0.01)
        began = time.monotonic()
        try:
            server = self.visit()
            self.served.append((began, server, time.monotonic() - began))
        except pymysql.err.Error as error:
            self.refused.append((time.monotonic(), str(error)))


@pytest.fixture(scope="module")
def shop(pool: DirectoryPool, proxy: Container) -> Visits:
    made = pool.request("shop", "--state", "/tmp/shop.json")
    visits = Visits(proxy, str(made["user"]), str(made["password"]))
    healthy(proxy, "database 'shop': passes connections on to")
    return visits


def healthy(proxy: Container, beginning: str) -> None:
    eventually(beginning, lambda: beginning in proxy.run("dbhandler-health").stdout)


def make_on(server: Database, visits: Visits) -> None:
    """What a move brings: the database, and its account with the same password."""
    server.sql("CREATE DATABASE IF NOT EXISTS shop")
    server.sql(f"CREATE USER IF NOT EXISTS `{visits.user}`@'%' IDENTIFIED BY '{visits.password}'")
    server.sql(f"GRANT ALL ON shop.* TO `{visits.user}`@'%'")


def switch(pool: DirectoryPool, to: str) -> None:
    """In one moment, as a move does it."""
    pool.directory.sql(
        "UPDATE dbhandler_directory.names SET server = (SELECT server FROM dbhandler_directory.servers WHERE node = "
        f"'{to}') WHERE name = 'shop'"
    )
    assert pool.row("shop") == to


def test_a_port_leads_to_the_server_that_has_the_database(pool: DirectoryPool, shop: Visits) -> None:
    assert [shop.visit()] == pool.holders("shop") == [pool.row("shop")]
    assert shop.proxy.logged(r"database 'shop': db\d serves at [\d.]+:3306 \(alone1\)")


def test_after_a_switch_it_leads_to_the_other_server_and_nobody_is_refused(pool: DirectoryPool, shop: Visits) -> None:
    home = str(pool.row("shop"))
    away = "db2" if home == "db1" else "db1"
    make_on(pool.servers[away], shop)
    with closing(shop.open()) as stays, shop.again_and_again():
        time.sleep(1)
        switch(pool, away)
        time.sleep(NOTICED)
        with pytest.raises(pymysql.err.OperationalError):
            # The proxy has ended what was open to the other server.
            stays.ping(reconnect=False)
    # What was asked in the very moment is cut off, for two servers must not take writes; nobody is turned away.
    assert len(shop.refused) <= 1 and all(error.startswith("(2013,") for _, error in shop.refused), shop.refused
    servers = [server for _, server, _ in shop.served]
    assert servers == sorted(servers, key=[home, away].index) and {*servers} == {home, away}
    healthy(shop.proxy, f"database 'shop': passes connections on to {pool.servers[away].address}:3306")


def test_an_account_that_is_locked_before_anybody_has_told_of_it_is_an_error_of_a_moment(
    pool: DirectoryPool, shop: Visits
) -> None:
    home = str(pool.row("shop"))
    away = "db2" if home == "db1" else "db1"
    make_on(pool.servers[away], shop)
    shop.refused.clear()
    with shop.again_and_again():
        time.sleep(1)
        pool.servers[home].sql(f"ALTER USER `{shop.user}`@'%' ACCOUNT LOCK")
        switch(pool, away)
        switched = time.monotonic()
        time.sleep(NOTICED)
    assert all(switched - 1 < when < switched + NOTICED for when, _ in shop.refused), shop.refused
    assert shop.visit() == away
    pool.servers[home].sql(f"ALTER USER `{shop.user}`@'%' ACCOUNT UNLOCK")


def test_who_comes_before_the_database_is_there_waits_for_it(pool: DirectoryPool, shop: Visits) -> None:
    proxy = start_proxy(pool, "--database", "shop", "--database", f"blog:{BLOG}")
    told = "database 'blog': new connections wait: no server of the pool has it"
    eventually("the sentence", lambda: told in proxy.logs)
    assert "database 'blog': no server" in proxy.run("dbhandler-health").stdout
    with closing(socket.create_connection(("127.0.0.1", proxy.published(BLOG)), 20)) as waits:
        waits.settimeout(1)
        with pytest.raises(TimeoutError):
            waits.recv(1)
        pool.request("blog")
        waits.settimeout(20)
        assert waits.recv(100)[4:5] == b"\x0a", "no greeting of a server"
    eventually("both", lambda: proxy.run("dbhandler-health").returncode == 0)


def test_no_sentence_of_it_is_a_defect(proxy: Container, shop: Visits) -> None:
    assert not re.search(r"Traceback|has failed", proxy.logs)
    assert shop.password not in proxy.logs
