"""Accounts that are given, renewed and taken, passwords that change, databases that end, while anything is killed: what
has ended is gone, what has not is there, and nobody is left whom nobody knows of."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.scale import SCALE
from tests.support.docker import docker, eventually
from tests.support.faults import Server, Site
from tests.support.operations import box, payload_text

OWNER, GIVEN = "the password of an owner", "the password that was given"
TTL = 5
DATABASES, ACCOUNTS = 4, 3


@dataclass
class Known:
    """What answers have said: which accounts have no end, and which passwords of owners may be the present ones."""

    forever: dict[str, bool] = field(default_factory=dict)
    passwords: dict[str, list[str]] = field(default_factory=dict)


def ask(server: Server, key: str, query: str, name: str, password: str, **more: Any) -> str:
    """The status of an answer; nothing where there is none."""
    payload = payload_text(key, box(query, name, password, **more))
    lines = server.exec("dbhandler-query", check=False, stdin=payload, user="mysql", SERF_QUERY_NAME=query).splitlines()
    try:
        return str(json.loads(lines[-1])["status"]) if lines else ""
    except (ValueError, TypeError, KeyError):
        return ""


class Owners(threading.Thread):
    """Do at random what owners do, and remember what they were told."""

    def __init__(self, server: Server, key: str, known: Known, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._server, self._key, self._known, self._rng = server, key, known, rng
        self.stop, self.done = threading.Event(), 0

    def run(self) -> None:
        while not self.stop.is_set():
            name = f"kept{self._rng.randrange(DATABASES)}"
            work = self._rng.choice([self._give, self._give, self._take, self._turn])
            self.done += bool(work(name, f"{name}_{self._rng.randrange(ACCOUNTS)}"))

    def _ask(self, query: str, name: str, **more: Any) -> str:
        for password in self._known.passwords[name]:
            answer = ask(self._server, self._key, query, name, password, **more)
            if answer != "denied":
                return answer
        return ""

    def _give(self, name: str, account: str) -> bool:
        ttl = self._rng.choice([None, TTL])
        more = {"account": account, "new_password": GIVEN, "role": "writer"}
        # Until there is an answer it may have the one end or the other.
        self._known.forever.pop(account, None)
        answer = self._ask("grant_db", name, **more, ttl=ttl)
        if answer in ("created", "exists"):
            self._known.forever[account] = ttl is None
        return answer in ("created", "exists")

    def _take(self, name: str, account: str) -> bool:
        self._known.forever.pop(account, None)
        answer = self._ask("revoke_db", name, account=account)
        if answer in ("revoked", "absent"):
            self._known.forever[account] = False
        return answer in ("revoked", "absent")

    def _turn(self, name: str, _account: str) -> bool:
        new = f"password {self._rng.randrange(10**9):09}"
        self._known.passwords[name].append(new)
        answer = self._ask("rotate_db", name, new_password=new, keep_old=TTL)
        if answer == "rotated":
            self._known.passwords[name] = [new]
        return answer == "rotated"


def kill_container(server: Server) -> None:
    docker("kill", server.name)
    server.start()


def crash(server: Server, program: str) -> None:
    eventually(f"{program} to run", lambda: server.pid(program))
    server.crash(program)


KILLS: dict[str, Callable[[Server], None]] = {
    "the-container": kill_container,
    "the-agent": lambda server: crash(server, "agent"),
    "the-server": lambda server: crash(server, "mysqld"),
}


@pytest.mark.parametrize("victim", KILLS)
def test_what_has_ended_is_gone_whatever_is_killed(own_site: Site, victim: str) -> None:
    server = own_site.server(options=("-e", "DBHANDLER_ALLOW_DROP=1")).wait_ready()
    key, rng = server.tag("key"), random.Random(victim)
    names = [f"kept{number}" for number in range(DATABASES)]
    for name in names:
        assert ask(server, key, "create_db", name, OWNER) == "created"
    assert ask(server, key, "create_db", "passing", OWNER, ttl=TTL) == "created"
    known = Known(passwords={name: [OWNER] for name in names})
    owners = Owners(server, key, known, rng)
    owners.start()
    for _ in range(SCALE.kills):
        time.sleep(rng.uniform(0.5, 2.0))
        KILLS[victim](server)
        server.wait_ready()
    eventually("answers", lambda: owners.done > 5)
    owners.stop.set()
    owners.join(60)
    check(server, known)


def check(server: Server, known: Known) -> None:
    """Once everything that has an end has ended."""
    eventually(
        "all ends", lambda: server.sql("SELECT 1 FROM mysql.dbhandler_accounts WHERE ends IS NOT NULL") == [], 60
    )
    eventually("the drop", lambda: not server.made("passing"), 60)
    accounts = set(server.sql("SELECT User FROM mysql.user WHERE User LIKE 'kept%'"))
    rows = set(server.sql("SELECT user FROM mysql.dbhandler_accounts WHERE role <> 'main'"))
    owners = {account for account in accounts if "_" not in account}
    assert owners == set(known.passwords)
    # Nobody is left whom nobody knows of; what was begun and never answered may be noted and not made.
    assert accounts - owners <= rows
    for account, is_there in known.forever.items():
        assert (account in accounts) == is_there, (account, known.forever)
    for name, passwords in known.passwords.items():
        assert any(opens(server, name, password) for password in passwords), name
    assert not server.sql("SELECT User FROM mysql.user WHERE User = 'passing'")


def opens(server: Server, user: str, password: str) -> bool:
    done = server.exec("mariadb", f"-u{user}", f"-p{password}", "-h127.0.0.1", "-e", "SELECT 1", check=False)
    return "ERROR" not in done
