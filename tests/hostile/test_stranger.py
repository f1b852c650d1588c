"""An attacker on the network who knows no key: of a cluster without a gossip key, and of one with it.

Tries: gossip frames that make Serf end, over TCP; records of members with impossible addresses, ports, tags and names,
over UDP; one message with an event of thousands of names; times near the end of Serf's clock; RPC frames that make
Serf allocate gigabytes, before the key is asked for, more often than a program may end; RPC commands without the key;
every port; garbage on every open one; all of the server's connections, held open without a login; slow clients of the
metrics. After each the server lives, the same process as before, and an honest request is served.
"""

from __future__ import annotations

import time

import pytest

from tests.support.attackers import Ground, lets_in
from tests.support.containers import RPC_KEY, Site
from tests.support.docker import eventually, together

METRICS = 9104


@pytest.fixture(scope="module")
def grounds(site: Site) -> dict[str, Ground]:
    """Without a gossip key and with everything open; with the key and the defaults. One engine each."""
    opened = {"SERF_RPC_BIND": "0.0.0.0:7373", "DBHANDLER_METRICS": f":{METRICS}", "DBHANDLER_ALLOW_DROP": "1"}
    made = {
        "no key": Ground(site, "mariadb", encrypted=False, **opened),
        "key": Ground(site, "mysql", DBHANDLER_METRICS=f":{METRICS}"),
    }
    together(*(ground.wait_ready for ground in made.values()))
    return made


@pytest.fixture(params=["no key", "key"])
def ground(request: pytest.FixtureRequest, grounds: dict[str, Ground]) -> Ground:
    return grounds[request.param]


@pytest.fixture(params=[False, True], ids=["no key", "key"])
def fresh(request: pytest.FixtureRequest, site: Site) -> Ground:
    """A cluster that nobody has attacked yet: made-up members hold gossip up, and with it the news of an attack."""
    return Ground(site, "mariadb", encrypted=request.param, DBHANDLER_ALLOW_DROP="1").wait_ready()


@pytest.fixture
def opened(grounds: dict[str, Ground]) -> Ground:
    """The cluster without a gossip key, whose RPC is open to the network."""
    return grounds["no key"]


@pytest.fixture
def closed(grounds: dict[str, Ground]) -> Ground:
    """The cluster with a gossip key, and the defaults."""
    return grounds["key"]


def test_only_the_doors_that_are_meant_are_open(closed: Ground) -> None:
    ports = closed.attacker.attack("open_ports", closed.server.name)
    assert ports == [3306, 7946, METRICS]


def test_garbage_on_every_port(ground: Ground) -> None:
    with ground.unharmed():
        ground.attacker.attack("garbage", ground.server.name, [3306, 7946, 7373, METRICS])


def test_all_connections_held_without_a_login(ground: Ground) -> None:
    known = ("--state", "/tmp/known.json")
    assert ground.request("known", *known).returncode == 0
    [(most,)] = ground.server.sql("SELECT @@max_connections")
    with ground.unharmed(), ground.attacker.holding(ground.server.name, 3306, most + 20):
        for _ in range(5):
            ground.quick()
        # Whoever has a database already proves who he is, and for that the server has to let him in.
        assert ground.request("known", *known, timeout=15).returncode == 0


@pytest.mark.parametrize("hello", ["", "GET /metrics HTTP/1.1\r\n", "G"], ids=["silent", "half", "one byte"])
def test_slow_clients_of_the_metrics(closed: Ground, hello: str) -> None:
    scrape = (
        "from urllib.request import urlopen\n"
        f"print(len(urlopen('http://{closed.server.name}:{METRICS}/metrics', timeout=30).read()))"
    )
    with closed.unharmed(), closed.attacker.holding(closed.server.name, METRICS, 20, hello):
        began = time.monotonic()
        assert int(closed.agent.exec("python3", "-c", scrape)) > 1000
        assert time.monotonic() - began < 5


def test_rpc_without_the_key_answers_nothing(opened: Ground) -> None:
    for command, body in (
        ("members", None), ("stats", None), ("event", {"Name": "create_db", "Payload": "by_a_stranger"}),
        ("tags", {"Tags": {"role": "x"}}), ("list-keys", None), ("leave", None), ("stream", {"Type": "*"}),
        ("force-leave", {"Node": opened.server.node}), ("query", {"Name": "list_db", "Payload": ""}),
    ):  # fmt: skip
        messages = [{"Command": command, "Seq": 2}, *([body] if body else [])]
        answer = opened.attacker.attack("rpc", opened.server.name, *messages)
        assert "Authentication required" in answer, (command, answer)
    wrong = opened.attacker.attack("rpc", opened.server.name, {"Command": "members", "Seq": 2}, key="wrong")
    assert "Invalid authentication token" in wrong and RPC_KEY not in wrong
    assert "by_a_stranger" not in opened.server.databases()


def test_gossip_is_shut_without_its_key(closed: Ground) -> None:
    closed.attacker.attack("fire", closed.server.name, "by_a_stranger")
    stranger = closed.site.agent(options=closed.on)
    joined = stranger.run("serf", "join", closed.server.address)
    assert joined.returncode != 0, joined.stdout
    assert closed.server.node not in stranger.members()
    assert stranger.node not in closed.server.members()
    closed.served()
    assert "by_a_stranger" not in closed.server.databases()


def test_no_password_of_nobodys_opens_the_server(ground: Ground) -> None:
    for user in ("root", "mysql", "admin", "healthcheck", "dbhandler"):
        for password in ("", user, "password", RPC_KEY):
            assert not lets_in(ground.server, user, password), (user, password)


def test_rpc_frames_before_any_key(opened: Ground) -> None:
    with opened.unharmed():
        opened.attacker.attack("rpc_frames", opened.server.name, 9)


def test_gossip_frames(ground: Ground) -> None:
    with ground.unharmed():
        ground.attacker.attack("gossip_streams", ground.server.name)
        eventually("the server to be seen again", ground.seen)


def test_one_message_with_thousands_of_names(ground: Ground) -> None:
    # Serf may still rest after the attack before, which ended it.
    eventually("the server to be seen", ground.seen)
    with ground.unharmed(10):
        ground.attacker.attack("many_names", ground.server.name, 6000)
        for _ in range(5):
            ground.quick()
    assert not {name for name in ground.server.databases() if name.startswith("crowd_")}


def test_members_that_cannot_be(ground: Ground) -> None:
    with ground.unharmed():
        ground.attacker.attack("member_records", ground.server.name)
        ground.tags_follow()
    status = ground.status()
    assert "Traceback" not in status.stdout and ground.server.node in status.stdout
    assert "Traceback" not in ground.server.logs


def test_times_at_the_end_of_the_clock(fresh: Ground) -> None:
    state = ("--state", "/tmp/late.json")
    with fresh.unharmed():
        assert fresh.request("late", *state).returncode == 0
        fresh.attacker.attack("late_clock", fresh.server.name)
        # A drop is what remembers the time. It may be refused here, in a sentence; it may not break anything.
        done = fresh.request("--drop", *state, timeout=5)
        assert done.returncode in (0, 69, 75, 77) and "Traceback" not in done.stdout, done
        fresh.tags_follow()
    assert "Traceback" not in fresh.server.logs
