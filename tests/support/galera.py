"""A cluster of real containers, of either engine, and a writer that knows which of its rows were acknowledged."""

from __future__ import annotations

import itertools
import os
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest

from dbhandler.trust.secret import new_secret
from tests.support.containers import RPC_KEY
from tests.support.docker import OFTEN_ASKED, docker, eventually
from tests.support.faults import Container, Server, Site
from tests.support.shared_tables import SHARED_TABLES

IMAGE = os.environ.get("DBHANDLER_GALERA_IMAGE", "dbhandler:galera")
MYSQL_IMAGE = os.environ.get("DBHANDLER_MYSQL_IMAGE", "dbhandler:mysql")
SERF_IMAGE = os.environ.get("DBHANDLER_SERF_IMAGE", "dbhandler-serf")
PROXY_IMAGE = os.environ.get("DBHANDLER_PROXY_IMAGE", "dbhandler-proxy")
PASSWORD = "the-admin-of-the-galera-tests"
HANGS = 30
"""Seconds. Whoever waits for longer than that has been forgotten."""
PATIENCE = 240.0
"""Seconds. A state transfer takes fifteen on an idle machine, and one waits for the other."""


@dataclass(frozen=True)
class Engine:
    """How the engines differ for who looks at a server: its image, what all nodes have to be given, a query for its
    state, and what it is where the server serves; who is in its component, and in which history; who it is; what every
    answer has in it; what a log says of all data taken; what a server does with a write without a quorum;
    where accounts are; what its command-line client is called."""

    image: str
    environ: Mapping[str, str]
    state: str
    serves: str
    without_quorum: str
    size: str
    history: str
    name: str
    settled: str
    taken: str
    refusal: str
    accounts: str
    client: str


# Without a quorum a Galera node answers nothing but SHOW.
_STATUS = "SHOW GLOBAL STATUS WHERE Variable_name = '{}'"
_OWN_STATE = "SELECT MEMBER_STATE FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid"
_COUNT = "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE "
GALERA = Engine(
    IMAGE, {}, _STATUS.format("wsrep_local_state_comment"), "Synced",
    f"{_STATUS.format('wsrep_cluster_status')} AND Value = 'non-Primary'",
    _STATUS.format("wsrep_cluster_size"), _STATUS.format("wsrep_cluster_state_uuid"), "SELECT @@wsrep_node_name",
    "SET SESSION wsrep_sync_wait = 1", "mariabackup SST completed on joiner", "1047", "mysql.global_priv", "mariadb",
)  # fmt: skip
MYSQL = Engine(
    MYSQL_IMAGE, {"DBHANDLER_POOL_SECRET": new_secret()}, _OWN_STATE, "ONLINE",
    f"SELECT 1 FROM ({_COUNT} = 'UNREACHABLE') s (n) WHERE n > 1",
    f"{_COUNT} IN ('ONLINE', 'RECOVERING')", "SELECT @@group_replication_group_name", "SELECT @@report_host",
    "SET SESSION group_replication_consistency = 'BEFORE'", "taking all data of", "ERROR", "mysql.user", "mysql",
)  # fmt: skip
ENGINE = {"galera": GALERA, "mysql": MYSQL}[os.environ.get("DBHANDLER_GALERA_ENGINE") or "galera"]
"""The one that tests get."""


@dataclass(frozen=True)
class Scale:
    """How often each fault strikes, and how far apart nodes start (seconds)."""

    faults: int
    outages: int
    formings: int
    apart: float


SCALES = {
    "short": Scale(faults=3, outages=1, formings=2, apart=3.0),
    "full": Scale(faults=50, outages=10, formings=20, apart=60.0),
}
SCALE = SCALES[os.environ.get("DBHANDLER_GALERA", "short")]


class Node(Server):
    """One node: a container that may be replaced by another one on the same volumes."""

    address = ""
    """The one it is started at, known before it runs."""

    def __init__(self, site: Site, number: int, cluster: str, names: Sequence[str]) -> None:
        super().__init__(names[number])
        self._site, self._cluster, self._names = site, cluster, names
        self.data, self._state = site.volume(), site.volume()
        self.engine = ENGINE
        self.environ: Mapping[str, str] = {}
        self.command: Sequence[str] = ()
        self.options: Sequence[str] = ()
        """What `docker run` gets beside the usual, and the server in its command line."""

    def run_member(self, last: int, size: int = 3, image: str = "") -> None:
        """Starts a container at that address, in place of the one before."""
        docker("rm", "-f", self.name, check=False)
        self.address = self._site.address(last)
        settings = {
            "SERF_JOIN": ",".join(self._names), "SERF_RPC_AUTH": RPC_KEY, "SERF_RPC_BIND": "0.0.0.0:7373",
            "MYSQL_ADMIN_PASSWORD": PASSWORD,
            "DBHANDLER_CLUSTER": self._cluster, "DBHANDLER_CLUSTER_SIZE": str(size), "DBHANDLER_ALLOW_DROP": "1",
            **self.engine.environ, **self.environ,
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
        volumes = ("-v", f"{self.data}:/var/lib/mysql", "-v", f"{self._state}:/var/lib/dbhandler")
        # On some storage drivers (fuse-overlayfs) a killed container's sockets can be neither used nor removed later.
        where = ("--ip", self.address, "--hostname", self._host_name(last), "--tmpfs", "/run")
        options = [*options, *volumes, *where, *self.options]
        self._site.run(image or self.engine.image, *self.command, options=options, name=self.name)

    def _host_name(self, last: int) -> str:
        """Longer than what a view of Galera's tells of a name."""
        return f"{self.name}-of-the-cluster-{self._cluster}-{last}"

    def run_plain(self, last: int) -> None:
        """Starts the same image as a server in no cluster."""
        self.address = self._site.address(last)
        options = ("-e", f"MYSQL_ADMIN_PASSWORD={PASSWORD}", "--ip", self.address)
        self._site.run(self.engine.image, options=options, name=self.name)

    def run_outside(self, last: int, **settings: str) -> None:
        """Starts a container on the same volumes as a server in no cluster."""
        docker("rm", "-f", self.name, check=False)
        self.address = self._site.address(last)
        settings |= {"MYSQL_ADMIN_PASSWORD": PASSWORD, "SERF_RPC_AUTH": RPC_KEY, **self.engine.environ}
        options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
        volumes = ("-v", f"{self.data}:/var/lib/mysql", "-v", f"{self._state}:/var/lib/dbhandler")
        where = ("--ip", self.address, "--hostname", self._host_name(last), "--tmpfs", "/run")
        self._site.run(self.engine.image, options=[*options, *volumes, *where], name=self.name)

    def wipe(self) -> None:
        """Removes the container and the data volume."""
        docker("rm", "-f", self.name, check=False)
        docker("volume", "rm", self.data)
        self.data = self._site.volume()

    def cut(self) -> None:
        docker("network", "disconnect", self._site.network, self.name)

    def heal(self) -> None:
        docker("network", "connect", "--ip", self.address, self._site.network, self.name)

    def open(self) -> Any:
        """An admin's connection over TCP. Raises pymysql.err.Error or OSError."""
        return pymysql.connect(
            host=self.address, user="admin", password=PASSWORD, autocommit=True, connect_timeout=3, read_timeout=15
        )

    def status(self, variable: str) -> str:
        """A status variable, empty while the server does not answer."""
        lines = self.sql(f"SHOW GLOBAL STATUS LIKE '{variable}'", check=False)
        return lines[0].partition("\t")[2] if len(lines) == 1 else ""

    def told(self, query: str) -> str:
        """What the server answers to one of its engine's queries, empty while it does not."""
        lines = self.sql(query, check=False)
        return lines[0].rpartition("\t")[2] if len(lines) == 1 and not lines[0].startswith("ERROR") else ""

    @property
    def size(self) -> str:
        """How many are in its component."""
        return self.told(self.engine.size)

    def transfers(self) -> int:
        """How often it has taken all data of another node, instead of what it had missed."""
        return self.logs.count(self.engine.taken)

    @property
    def ready(self) -> bool:
        return self.running and self.tag("mysql") == "ready" and self.told(self.engine.state) == self.engine.serves

    def checksums(self) -> dict[str, str]:
        """The checksum of every table that all nodes share, of all databases and the server's own."""
        tables = self.sql(f"{self.engine.settled}; {SHARED_TABLES}")
        lines = self.sql(f"CHECKSUM TABLE {', '.join(tables)}")
        return dict(line.split("\t") for line in lines)

    def numbers(self, table: str) -> list[int]:
        return [int(line) for line in self.sql(f"SELECT n FROM {table} ORDER BY n")]


class Cluster:
    """Three nodes of one cluster, each with these variables beside the usual."""

    _addresses = itertools.cycle(range(20, 200))
    """By their last numbers; nobody has one any more when its turn comes again."""

    def __init__(self, site: Site, count: int = 3, name: str = "shop", engine: Engine = ENGINE, **environ: str) -> None:
        names = [site.name(f"node{number}") for number in range(count)]
        self.name = name
        self.nodes = [Node(site, number, name, names) for number in range(count)]
        for node in self.nodes:
            node.environ, node.engine, node.client = environ, engine, engine.client
        self.engine = engine
        self.first_logs: list[str] = []

    def start(self, rng: random.Random, apart: float = 0.0) -> None:
        """Starts all at new addresses, in any order, at most `apart` seconds between the first and the last."""
        self._start(rng.sample(self.nodes, len(self.nodes)), rng, apart)

    def start_one_late(self, rng: random.Random) -> None:
        """Starts all at new addresses, in any order, the last one when another has told that it waits for more."""
        *early, late = rng.sample(self.nodes, len(self.nodes))
        self._start(early, rng)
        eventually("a node that waits", lambda: any("more empty nodes: " in node.logs for node in early), PATIENCE)
        self._start([late], rng)

    def _start(self, nodes: Sequence[Node], rng: random.Random, apart: float = 0.0) -> None:
        for node in nodes:
            node.run_member(next(self._addresses), size=len(self.nodes))
            time.sleep(rng.uniform(0, apart) / len(self.nodes))

    def kill(self, rng: random.Random) -> None:
        """Kills all containers, one right after the other, in any order."""
        docker("kill", *(node.name for node in rng.sample(self.nodes, len(self.nodes))))

    def wait_ready(self) -> None:
        try:
            eventually("all nodes", lambda: all(node.ready for node in self.nodes) or self._ended(), PATIENCE, 1.0)
        except pytest.fail.Exception as error:
            raise AssertionError(self.story()) from error
        assert len({node.told(self.engine.history) for node in self.nodes}) == 1
        self.first_logs = self.first_logs or [node.logs for node in self.nodes]
        assert {node.size for node in self.nodes} == {str(len(self.nodes))}

    def check_equal(self) -> None:
        """All tables of all nodes are equal. Nobody may write meanwhile."""
        first, *others = [node.checksums() for node in self.nodes]
        assert {self.engine.accounts, "mysql.db"} <= set(first)
        for node, found in zip(self.nodes[1:], others, strict=True):
            assert found == first, f"{node.name} differs: {sorted(set(found.items()) ^ set(first.items()))}"

    def _ended(self) -> bool:
        for node in self.nodes:
            assert node.running, f"{node.name} has ended:\n{node.end(80)}"
        return False

    def story(self) -> str:
        """What our processes, and the servers in trouble, have logged on all nodes, for a failure's message."""
        lines = (f"{line} ({node.name})" for node in self.nodes for line in node.logs.splitlines())
        return "\n".join(sorted(line for line in lines if re.search(r"\[dbhandler\]|\[ERROR\]|supervis|exit", line)))


class Proxy(Container):
    """A proxy for the cluster, or at another port for one of its databases, with these variables beside the usual."""

    def __init__(self, site: Site, cluster: Cluster, port: int = 3306, **environ: str) -> None:
        agents = ",".join(f"{node.name}:7373" for node in cluster.nodes)
        settings = {"SERF_RPC_ADDR": agents, "SERF_RPC_AUTH": RPC_KEY, "DBHANDLER_CLUSTER": cluster.name, **environ}
        options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
        super().__init__(site.run(PROXY_IMAGE, options=(*OFTEN_ASKED, *options, "-p", f"127.0.0.1::{port}")))
        self._port, self._engine = self.published(port), cluster.engine

    def open(self) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self._port, user="admin", password=PASSWORD, autocommit=True,
            connect_timeout=HANGS, read_timeout=HANGS,
        )  # fmt: skip

    def taken(self, member: Container) -> int:
        """How often the member was taken into service."""
        return self.logs.count(f"{member.node} serves at ")

    def at(self) -> str:
        """The node that takes a new connection; empty where none does."""
        with suppress(pymysql.err.Error, OSError), closing(self.open()) as connection:
            cursor = connection.cursor()
            cursor.execute(self._engine.name)
            return str(cursor.fetchone()[0])
        return ""


class Writer:
    """Writes numbers, one after another, at whatever node takes them; `acknowledged` are those that were."""

    def __init__(self, cluster: Cluster, table: str) -> None:
        self._cluster, self._table = cluster, table
        self.acknowledged: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Writer:
        node = self._cluster.nodes[0]
        node.sql(f"CREATE DATABASE IF NOT EXISTS {self._table.partition('.')[0]}")
        node.sql(f"CREATE TABLE IF NOT EXISTS {self._table} (n INT PRIMARY KEY, node VARCHAR(80))")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        numbers, nodes = itertools.count(1), itertools.cycle(self._cluster.nodes)
        while not self._stop.is_set():
            node = next(nodes)
            # Whatever fails, the number is used up: a row without an answer may be there or not.
            with suppress(pymysql.err.Error, OSError), closing(node.open()) as connection:
                self._write(connection, numbers, node.name)
            time.sleep(0.1)

    def _write(self, connection: Any, numbers: Iterator[int], name: str) -> None:
        cursor = connection.cursor()
        while not self._stop.is_set():
            number = next(numbers)
            cursor.execute(f"INSERT INTO {self._table} VALUES (%s, %s)", (number, name))
            self.acknowledged.add(number)
            time.sleep(0.01)

    def wait_for_more(self, count: int = 20) -> None:
        """Waits until so many more rows have been acknowledged."""
        before = len(self.acknowledged)
        eventually("more rows", lambda: len(self.acknowledged) >= before + count, PATIENCE)

    def check(self) -> None:
        """Every acknowledged row is on every node, and the nodes are equal, row by row."""
        contents = [
            node.sql(f"{self._cluster.engine.settled}; SELECT n, node FROM {self._table} ORDER BY n")
            for node in self._cluster.nodes
        ]
        assert contents[0] == contents[1] == contents[2]
        there = {int(line.partition("\t")[0]) for line in contents[0]}
        assert self.acknowledged <= there, sorted(self.acknowledged - there)[:10]
        self._cluster.check_equal()
