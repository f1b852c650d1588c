"""Databases move between real servers while they are written to: nothing is lost, and one server at a time takes what
is written."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pymysql
import pytest

from tests.pool.test_kills import STRIKE
from tests.support.containers import ENGINES, RPC_KEY, Container, Database, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import eventually, together
from tests.support.wanderers import TABLE, Wanderers

STRIKES = 50 if os.environ.get("DBHANDLER_FAULTS") == "full" else 3
EVERYTHING = (
    f"CREATE TABLE {TABLE} (n BIGINT PRIMARY KEY)",
    "CREATE TABLE goods (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL, price DECIMAL(9,2), data JSON, "
    "image LONGBLOB, seen TIMESTAMP(3) NULL, kind ENUM('a', 'b'), UNIQUE KEY (name), KEY (price)) CHARSET utf8mb4",
    "CREATE TABLE orders (id INT PRIMARY KEY, good INT NOT NULL, FOREIGN KEY (good) REFERENCES goods (id))",
    "CREATE VIEW dear AS SELECT name FROM goods WHERE price > 10",
    "CREATE TRIGGER small BEFORE INSERT ON goods FOR EACH ROW SET NEW.name = LOWER(NEW.name)",
    "CREATE PROCEDURE sell(IN it INT) INSERT INTO orders SELECT COALESCE(MAX(id), 0) + 1, it FROM orders",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders WHERE id < 0",
    "CREATE TABLE `odd ``name% of_it` (`a column` INT, `UTF-8 ä` TEXT)",
    "INSERT INTO goods (name, price, data, image, kind) VALUES ('Tea', 12.5, '{\"a\": [1]}', X'00FF270A5C', 'a'), "
    "('Kaffee ☕ \\'%s\\'', 3, NULL, REPEAT('x', 300000), 'b')",
    "INSERT INTO `odd ``name% of_it` VALUES (1, '%d \\\\ ☃')",
    "CALL sell(1)",
)


@pytest.fixture(scope="module", params=ENGINES)
def pool(site: Site, request: pytest.FixtureRequest) -> DirectoryPool:
    """Two servers of one engine, and one of the other, which holds the directory."""
    engine = str(request.param)
    return DirectoryPool(
        site, ("mysql" if engine == "mariadb" else "mariadb", engine, engine),
        db2={"DBHANDLER_LABELS": "pair"}, db3={"DBHANDLER_LABELS": "pair"},
    )  # fmt: skip


class Shop:
    """One database with everything in it, and its account, on db2 or db3."""

    def __init__(self, pool: DirectoryPool, name: str) -> None:
        self.pool, self.name, self.state = pool, name, f"/tmp/{name}.json"
        self.made = pool.request(name, "--where", "pair", "--state", self.state)
        self.user, self.password = str(self.made["user"]), str(self.made["password"])
        connection = self.server.connect(self.user, self.password, name)
        with connection.cursor() as cursor:
            for statement in EVERYTHING:
                cursor.execute(statement)
        connection.close()

    @property
    def server(self) -> Database:
        """Whose it is, in the directory."""
        return self.pool.servers[str(self.pool.row(self.name))]

    @property
    def other(self) -> Database:
        return self.pool.servers["db3" if self.server.node == "db2" else "db2"]

    def writers(self, pause: float = 0.002) -> Wanderers:
        pair = [self.pool.servers["db2"], self.pool.servers["db3"]]
        return Wanderers(pair, self.name, self.user, self.password, pause)

    def rows(self) -> list[tuple[Any, ...]]:
        """What is there beside the numbers, as its account sees it."""
        return [
            row
            for query in ("SELECT * FROM goods", "SELECT * FROM orders", "SELECT * FROM `odd ``name% of_it`",
                          "SELECT * FROM dear", "SHOW CREATE PROCEDURE sell")
            for row in self.server.sql(query, self.user, self.password, self.name)
        ]  # fmt: skip


def pool_command(asked: Container, *arguments: str, check: bool = True) -> Any:
    done = asked.run("dbhandler-pool", *arguments, SERF_RPC_AUTH=RPC_KEY)
    assert not check or done.returncode == 0, done.stdout
    return done


def moves(pool: DirectoryPool) -> dict[str, dict[str, Any]]:
    """What status tells of moves; nothing while it cannot."""
    done = pool_command(pool.servers["db2"], "status", "--json", check=False)
    found = json.loads(done.stdout.splitlines()[-1])["moves"] if done.returncode == 0 else []
    return {str(move["database"]): move for move in found}


@pytest.fixture
def shop(pool: DirectoryPool, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """One of its own for each test."""
    yield Shop(pool, re.sub(r"\W", "", request.node.name)[5:25])


def test_it_moves_while_it_is_written_to_and_back_with_what_was_written(shop: Shop, pool: DirectoryPool) -> None:
    before, home, away = shop.rows(), shop.server, shop.other
    reader = shop.name[:10] + "_r"
    pool.request(shop.name, "--user", reader, "--role", "reader", "--owner-state", shop.state, "--state", "/tmp/r.json",
                 "--ttl", "1h")  # fmt: skip
    reading = json.loads(pool.agent.exec("cat", "/tmp/r.json"))["password"]
    with shop.writers() as writers:
        time.sleep(1)
        told = pool_command(pool.servers["db1"], "move", shop.name, "--to", away.node).stdout
        time.sleep(1)
    assert re.search(rf"'{shop.name}' from {home.node} to {away.node}: switched \(100 %, kept for \d+ s\)", told), told
    assert shop.server is away and shop.rows() == before
    assert writers.lost(away) == set() and writers.writers() == [home.node, away.node], writers.refusals
    assert not home.opens(shop.user, shop.password, shop.name)
    # Roles stay what they were.
    away.sql("SELECT * FROM goods", reader, reading, shop.name)
    with pytest.raises(pymysql.err.OperationalError, match="1142"):
        away.sql("DELETE FROM goods", reader, reading, shop.name)
    assert away.sql(f"SELECT STATUS, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{shop.name}'") == [
        ("ENABLED", f"{shop.user}@%")
    ]
    # Whoever asks is told where it is now, and may do there what its owner may.
    again = pool.request(shop.name, "--state", shop.state)
    assert (again["host"], again["password"]) == (away.node, shop.password)
    pool.request(shop.name, "--rotate", "--keep-old", "0s", "--state", shop.state)
    shop.password = str(json.loads(pool.agent.exec("cat", shop.state))["password"])
    with shop.writers() as back:
        time.sleep(0.5)
        told = pool_command(pool.servers["db1"], "move", shop.name, "--to", home.node, "--keep", "0").stdout
        time.sleep(0.5)
    assert "copying (" not in told, told
    assert shop.server is home and shop.rows() == before
    assert (writers.lost(home) | back.lost(home)) == set() and back.writers() == [away.node, home.node]
    eventually("nothing to be left", lambda: not away.holds(shop.name) and moves(pool)[shop.name]["step"] == "done")
    assert away.sql(f"SELECT User FROM mysql.user WHERE User IN ('{shop.user}', '{reader}')") == []
    assert pool_command(pool.servers["db2"], "check").stdout == ""


def test_what_cannot_move_is_refused_before_anything_is_copied(shop: Shop, pool: DirectoryPool) -> None:
    asked, other = pool.servers["db2"], shop.other
    for arguments, status, sentence in (
        ((shop.name, "--to", "db1"), 64, "between servers of one engine"),
        ((shop.name, "--to", shop.server.node), 64, f"is on '{shop.server.node}' already"),
        ((shop.name, "--to", "db9"), 64, "knows no server 'db9'"),
        (("nothing", "--to", other.node), 64, "no database 'nothing'"),
        ((shop.name,), 64, "needs --to"),
        ((shop.name, "--to", other.node, "--keep", "soon"), 64, "soon"),
        ((shop.name, "--cancel"), 64, "nothing moves"),
    ):
        done = pool_command(asked, "move", *arguments, check=False)
        assert done.returncode == status and sentence in done.stdout, (arguments, done.stdout)
    shop.server.sql("CREATE USER 'by hand'@'%'")
    shop.server.sql(f"GRANT SELECT ON `{shop.name}`.* TO 'by hand'@'%'")
    done = pool_command(asked, "move", shop.name, "--to", other.node, check=False)
    assert done.returncode == 69 and "'by hand@%' has privileges" in done.stdout, done.stdout
    shop.server.sql("DROP USER 'by hand'@'%'")
    other.sql(f"CREATE USER `{shop.user}`@'%'")
    done = pool_command(asked, "move", shop.name, "--to", other.node, check=False)
    assert done.returncode == 69 and f"the user name '{shop.user}' is taken" in done.stdout
    other.sql(f"DROP USER `{shop.user}`@'%'")
    other.sql(f"CREATE DATABASE `{shop.name}`")
    done = pool_command(asked, "move", shop.name, "--to", other.node, check=False)
    assert done.returncode == 69 and "there is a database" in done.stdout
    assert other.holds(shop.name), "nobody's database was removed with the move"
    other.sql(f"DROP DATABASE `{shop.name}`")
    assert shop.server.opens(shop.user, shop.password, shop.name)


def test_a_table_that_is_changed_meanwhile_is_there_as_it_was_changed(shop: Shop, pool: DirectoryPool) -> None:
    other, owner = shop.other, partial(shop.server.sql, user=shop.user, password=shop.password, database=shop.name)

    def change() -> None:
        for number in range(6):
            owner(f"CREATE TABLE more{number} (id INT PRIMARY KEY) AS SELECT {number} AS id")
            time.sleep(0.2)
        owner("TRUNCATE TABLE more3")

    together(change, partial(pool_command, pool.servers["db1"], "move", shop.name, "--to", other.node, "--keep", "0"))
    found = {str(name) for (name,) in other.sql("SHOW TABLES", shop.user, shop.password, shop.name)}
    assert {f"more{number}" for number in range(6)} <= found
    assert [other.sql(f"SELECT COUNT(*) FROM more{n}", shop.user, shop.password, shop.name) for n in (2, 3)] == [
        [(1,)], [(0,)],
    ]  # fmt: skip


def test_a_server_is_drained_and_gets_new_ones_again(pool: DirectoryPool) -> None:
    for number in range(6):
        pool.request(f"drain{number}", "--where", "pair", "--state", f"/tmp/drain{number}.json")
    done = pool_command(pool.servers["db1"], "drain", "db2", "--keep", "0")
    assert all(
        f"'drain{number}' from db2 to db3" in done.stdout or pool.row(f"drain{number}") == "db3" for number in range(6)
    )
    eventually("nothing to be left", lambda: not pool.servers["db2"].databases())
    assert "is being drained" in pool_command(pool.servers["db3"], "status").stdout
    pool.request("undrained", "--where", "pair", "--state", "/tmp/undrained.json")
    assert pool.row("undrained") == "db3"
    pool_command(pool.servers["db1"], "drain", "db2", "--end")
    pool_command(pool.servers["db1"], "rebalance", "--keep", "0")
    counts = [len(pool.servers[node].databases()) for node in ("db2", "db3")]
    eventually(
        "what has moved to be gone", lambda: not any(move["step"] == "switched" for move in moves(pool).values())
    )
    assert abs(len(pool.servers["db2"].databases()) - len(pool.servers["db3"].databases())) <= 1, counts


def test_whatever_is_killed_one_server_takes_what_is_written_and_nothing_is_lost(
    shop: Shop, pool: DirectoryPool
) -> None:
    rng, asked = random.Random(18), pool.servers["db1"]
    with shop.writers(0.01) as writers:
        for _ in range(STRIKES):
            target = shop.other
            pool_command(asked, "move", shop.name, "--to", target.node, "--keep", "0", "--no-wait")
            time.sleep(rng.uniform(0, 2.5))
            strike: Callable[[Database, random.Random], None] = rng.choice(STRIKE)
            strike(rng.choice([*pool.servers.values()]), rng)
            together(*(server.wait_healthy for server in pool.servers.values()))
            together(*(server.wait_ready for server in pool.servers.values()))
            over = partial(_is_over, pool, shop.name)
            eventually("the move to be done or undone", over, 180, 0.5)
    assert writers.lost(shop.server) == set(), (writers.writers(), writers.refusals)
    eventually("one server to have it", lambda: not shop.other.holds(shop.name), 30, 0.5)
    assert shop.server.opens(shop.user, shop.password, shop.name)


def _is_over(pool: DirectoryPool, name: str) -> bool:
    move = moves(pool).get(name)
    return move is not None and move["step"] in ("done", "failed")


def test_it_goes_to_and_fro_as_often_as_is_asked(site: Site) -> None:
    pool = DirectoryPool(site, ("mariadb", "mariadb"))
    made = pool.request("ball", "--state", "/tmp/ball.json")
    connect = partial(pool.servers[str(pool.row("ball"))].sql, user="ball", password=str(made["password"]))
    connect(f"CREATE TABLE ball.{TABLE} (n BIGINT PRIMARY KEY)")
    with Wanderers([*pool.servers.values()], "ball", "ball", str(made["password"])) as writers:
        for _ in range(4):
            [other] = [server for node, server in pool.servers.items() if node != pool.row("ball")]
            pool_command(pool.servers["db1"], "move", "ball", "--to", other.node)
            assert pool.row("ball") == other.node
            time.sleep(0.5)
    assert writers.lost(other) == set() and len(writers.writers()) == 5, writers.writers()
