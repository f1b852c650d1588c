"""Whatever of a pool is killed, and when: each name has one server, nobody is denied what is his, and no event is lost.
DBHANDLER_FAULTS=full strikes fifty times."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import partial

from tests.support.containers import Database, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import docker, eventually, together

STRIKES = 50 if os.environ.get("DBHANDLER_FAULTS") == "full" else 5
PATIENCE = 120.0


def kill_container(server: Database, rng: random.Random) -> None:
    server.kill()
    time.sleep(rng.uniform(0, 8))
    server.start()


def kill_mysqld(server: Database, _rng: random.Random) -> None:
    server.supervisorctl("signal", "KILL", "dbhandler:mysqld")


def kill_agent(server: Database, _rng: random.Random) -> None:
    server.supervisorctl("signal", "KILL", "dbhandler:agent")


def cut_off(server: Database, rng: random.Random) -> None:
    # A busy engine cannot always freeze one: then nothing has struck.
    docker("pause", server.name, check=False)
    time.sleep(rng.uniform(0, 8))
    docker("unpause", server.name, check=False)


STRIKE: tuple[Callable[[Database, random.Random], None], ...] = (kill_container, kill_mysqld, kill_agent, cut_off)


def test_whatever_is_killed_a_name_has_one_server(site: Site) -> None:
    pool, rng = DirectoryPool(site, ("mariadb", "mysql", "mariadb")), random.Random(18)
    names, events = [f"n{number}" for number in range(4 * STRIKES)], [f"e{number}" for number in range(2 * STRIKES)]

    def ask(mine: list[str]) -> None:
        for name in mine:
            done = pool.request(name, "--state", f"/tmp/{name}.json", "--timeout", str(PATIENCE), check=False)
            assert done.returncode == 0, done.stdout

    def fire() -> None:
        for name in events:
            pool.agent.event(name)
            time.sleep(2)

    def strike() -> None:
        for _ in range(STRIKES):
            rng.choice(STRIKE)(rng.choice([*pool.servers.values()]), rng)
            time.sleep(rng.uniform(0, 4))

    together(partial(ask, names[::2]), partial(ask, names[1::2]), fire, strike)
    together(*(server.wait_healthy for server in pool.servers.values()))
    together(*(server.wait_ready for server in pool.servers.values()))
    eventually("all events", lambda: all(pool.holders(name) for name in events), PATIENCE, 1.0)
    homes = {name: pool.holders(name) for name in names + events}
    assert all(len(found) == 1 for found in homes.values()), homes
    assert {name: pool.row(name) for name in homes} == {name: found[0] for name, found in homes.items()}
    ask(names[:5])
