"""The figures of a Galera cluster, on containers like those of tests/galera. Seconds, unless something else is said."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from tests.support.docker import docker, eventually
from tests.support.faults import Site
from tests.support.galera import IMAGE, PASSWORD, Cluster, Node

DEFAULT_TIMEOUTS = "--wsrep-provider-options=pc.recovery=no"
"""Given after the image's name it replaces our time-outs by Galera's own."""
INSERTS = 2_000


@contextmanager
def site() -> Iterator[Site]:
    made = Site()
    try:
        yield made
    finally:
        made.close()


class Pulse:
    """Inserts one row after the other at one node; `gap` is the longest time between two answers."""

    def __init__(self, node: Node) -> None:
        self._connection = node.open()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.gap = 0.0

    def __enter__(self) -> Pulse:
        cursor = self._connection.cursor()
        cursor.execute("CREATE DATABASE IF NOT EXISTS pulse")
        cursor.execute("CREATE TABLE IF NOT EXISTS pulse.beats (n INT AUTO_INCREMENT PRIMARY KEY)")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self._connection.close()

    def _run(self) -> None:
        cursor, last = self._connection.cursor(), time.perf_counter()
        while not self._stop.is_set():
            cursor.execute("INSERT INTO pulse.beats VALUES ()")
            now = time.perf_counter()
            self.gap, last = max(self.gap, now - last), now


def pause(cluster: Cluster, strike: Callable[[Node], object], seconds: float = 12.0) -> float:
    """For how long the first node takes no write after something has struck the last one."""
    with Pulse(cluster.nodes[0]) as pulse:
        time.sleep(1)
        pulse.gap = 0.0
        strike(cluster.nodes[-1])
        time.sleep(seconds)
    cluster.nodes[-1].start()
    cluster.wait_ready()
    return pulse.gap


def kill(node: Node) -> None:
    docker("kill", node.name)


def formed(made: Site, *options: str) -> Cluster:
    cluster = Cluster(made)
    for node in cluster.nodes:
        node.command = options
    cluster.start(random.Random(0))
    cluster.wait_ready()
    return cluster


def pause_after_kill(runs: int = 3) -> tuple[float, float]:
    """Ours, and with Galera's default time-outs."""
    found = []
    for options in ((), (DEFAULT_TIMEOUTS,)):
        with site() as made:
            cluster = formed(made, *options)
            found.append(statistics.median(pause(cluster, kill) for _ in range(runs)))
    return found[0], found[1]


def pause_after_stop(runs: int = 3) -> float:
    with site() as made:
        cluster = formed(made)
        return statistics.median(pause(cluster, lambda node: node.stop()) for _ in range(runs))


def forming(runs: int = 3) -> tuple[float, float]:
    """Three empty containers until all are ready, and by hand: one begins, two join at the same moment."""
    ours, hand = [], []
    for _ in range(runs):
        with site() as made:
            began = time.perf_counter()
            cluster = Cluster(made)
            cluster.start(random.Random(0))
            wait_for_logins(cluster.nodes)
            ours.append(time.perf_counter() - began)
        with site() as made:
            hand.append(by_hand(made))
    return statistics.median(ours), statistics.median(hand)


def wait_for_logins(nodes: Sequence[Node]) -> None:
    until(lambda: all(login(node) for node in nodes))


def login(node: Node) -> bool:
    """Does the admin get in, and an answer?"""
    with suppress(Exception), closing(node.open()) as connection:
        connection.cursor().execute("SELECT COUNT(*) FROM mysql.user")
        return True
    return False


def until(condition: Callable[[], bool]) -> None:
    eventually("it", condition, 240.0, 0.05)


SETUP = """\
umask 077; tar -C /var/lib/mysql -xf /usr/share/dbhandler/template.tar.zst
mkdir -p /run/mysqld
"""
KEYS = """\
cd /var/lib/mysql; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 10 -subj /CN=x \
-keyout server-key.pem -out server-cert.pem 2>/dev/null
"""


def by_hand(made: Site) -> float:
    """The same servers without any of our processes."""
    began = time.perf_counter()
    names = [made.name(f"hand{number}") for number in range(3)]
    addresses = [made.address(100 + number) for number in range(3)]
    run_by_hand(made, names[0], addresses[0], addresses, SETUP + KEYS, "--wsrep-new-cluster")
    until(lambda: answers(names[0]))
    docker("exec", names[0], "mariadb", "-e", f"GRANT ALL ON *.* TO admin@'%' IDENTIFIED BY '{PASSWORD}'")
    for name, address in zip(names[1:], addresses[1:], strict=True):
        run_by_hand(made, name, address, addresses, KEYS)
    until(lambda: all(answers(name) for name in names))
    return time.perf_counter() - began


def run_by_hand(made: Site, name: str, address: str, addresses: Sequence[str], setup: str, *more: str) -> None:
    options = (
        "--wsrep-on=ON", "--wsrep-provider=/usr/lib/galera/libgalera_smm.so", "--wsrep-cluster-name=hand",
        f"--wsrep-cluster-address=gcomm://{','.join(addresses)}", f"--wsrep-node-address={address}",
        "--wsrep-sst-method=mariabackup", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
        "--datadir=/var/lib/mysql", "--socket=/run/mysqld/mysqld.sock", *more,
    )  # fmt: skip
    script = f"{setup}exec mariadbd {' '.join(options)}"
    where = ("--user", "mysql", "--ip", address, "--entrypoint", "sh")
    made.run(IMAGE, "-c", script, options=where, name=name)


def answers(name: str) -> bool:
    return (
        docker("exec", name, "mariadb", "-Ne", "SELECT COUNT(*) > 0 FROM mysql.user", check=False).stdout.strip() == "1"
    )


def inserts(node: Node) -> float:
    """Seconds for one row, one after the other, each acknowledged."""
    with closing(node.open()) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE IF NOT EXISTS pulse")
        cursor.execute("CREATE OR REPLACE TABLE pulse.rows (n INT PRIMARY KEY)")
        began = time.perf_counter()
        for number in range(INSERTS):
            cursor.execute("INSERT INTO pulse.rows VALUES (%s)", (number,))
        return (time.perf_counter() - began) / INSERTS


def requests(node: Node, count: int = 30) -> float:
    """Seconds for one answered create_db, at the node's own agent."""
    script = (
        "import json, subprocess, time, os\n"
        "from dbhandler.handlers.query import ask\nfrom dbhandler import paths\ntimes = []\n"
        f"for number in range({count}):\n"
        "    began = time.perf_counter()\n"
        "    answer = json.loads(ask(paths.agent_socket(os.environ), 'create_db', b'bench%d' % number))\n"
        "    times.append(time.perf_counter() - began)\n"
        "    assert answer['status'] == 'created', answer\n"
        "print(sorted(times)[len(times) // 2])\n"
    )
    prefix = "import sys; sys.path.append('/usr/local/lib/python3/dist-packages')\n"
    return float(node.exec("python3", "-c", prefix + script, user="mysql"))


@contextmanager
def cluster_and_one_server() -> Iterator[tuple[Node, Node]]:
    """One of three nodes, and a plain server."""
    with site() as made:
        node = formed(made).nodes[0]
        plain = Node(made, 0, "", [made.name("plain")])
        plain.run_plain(150)
        until(lambda: login(plain))
        time.sleep(2)
        yield node, plain


def requests_against_one_server() -> tuple[float, float]:
    with cluster_and_one_server() as (node, plain):
        return requests(node), requests(plain)


def inserts_against_one_server(runs: int = 3) -> tuple[float, float]:
    with cluster_and_one_server() as (node, plain):
        pairs = [(inserts(node), inserts(plain)) for _ in range(runs)]
    return statistics.median(ours for ours, _ in pairs), statistics.median(other for _, other in pairs)
