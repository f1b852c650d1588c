"""The containers of the fault tests: a command or a crash inside, a burst of events, one network of fixed addresses."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest

from dbhandler.serf.rpc import Serf
from tests.support import containers
from tests.support.containers import RPC_KEY
from tests.support.docker import DEADLINE, Makings, docker, eventually, inspect

IMAGE, SERF_IMAGE = "dbhandler:mariadb", "dbhandler-serf"
STATE = "/var/lib/dbhandler"


class Container(containers.Container):
    """Ports and the node's name are asked of Docker anew: another container may have come under the same name."""

    exec_user = "root"

    @property
    def node(self) -> str:
        return str(inspect(self.name, ".Config.Hostname"))

    def published(self, port: int) -> int:
        self._ports.clear()
        return super().published(port)

    def rpc(self) -> Serf:
        return Serf(self.rpc_address, RPC_KEY, timeout=30.0)

    def alive(self) -> set[str]:
        """The names of the live members that its Serf agent knows; none while it is away."""
        output = self.exec("serf", "members", "-format=json", f"-rpc-auth={RPC_KEY}", check=False)
        with suppress(ValueError):
            return {member["name"] for member in json.loads(output)["members"] if member["status"] == "alive"}
        return set()

    def fire(self, names: Sequence[str], per_second: float | None = None) -> None:
        """Fires one event per name over one connection, at an even pace or without a pause."""
        began = time.monotonic()
        with self.rpc() as serf:
            for number, name in enumerate(names):
                if per_second:
                    time.sleep(max(0.0, began + number / per_second - time.monotonic()))
                serf.event("create_db", name.encode(), coalesce=False)


class Server(Container):
    """A database container."""

    client = "mariadb"

    def healthy(self) -> bool:
        return "ready" in self.exec("dbhandler-health", check=False).splitlines()

    def wait_ready(self) -> Server:
        """Waits until its own health check is content, and its Serf member says that it serves."""
        eventually(f"{self.name} to be ready", lambda: (self.healthy() and self.tag("mysql") == "ready") or self._end())
        return self

    def tag(self, name: str) -> str:
        """A Serf tag of its own member, as its own agent knows it."""
        output = self.exec("serf", "members", "-format=json", f"-rpc-auth={RPC_KEY}", check=False)
        with suppress(ValueError):
            for member in json.loads(output)["members"]:
                if member["name"] == self.node:
                    return str(member["tags"].get(name, ""))
        return ""

    def _end(self) -> bool:
        assert self.running, f"{self.name} has ended:\n{self.logs}"
        return False

    def sql(self, text: str, check: bool = True) -> list[str]:
        """The lines of a statement's answer, run as the server's root through the socket."""
        return self.exec(self.client, "--batch", "--skip-column-names", "-e", text, check=check).splitlines()

    def made(self, prefix: str) -> set[str]:
        """The databases whose names begin so; none while the server is away."""
        output = self.sql("SHOW DATABASES", check=False)
        return {line for line in output if line.startswith(prefix)}

    def wait_for(self, names: Sequence[str], behind: int = 0) -> None:
        """Waits until a database of each name is there; a failure says how many are missing, and which. behind is the
        number of other events that come first."""
        wanted, prefix = set(names), names[0].partition("_")[0]
        # Serf runs one handler after another, and a machine with other work to do fewer than ten in a second.
        deadline = time.monotonic() + DEADLINE + 0.2 * (len(wanted) + behind)
        while missing := wanted - self.made(prefix):
            if time.monotonic() > deadline:
                some = sorted(missing)[:3] + sorted(missing)[-3:]
                pytest.fail(f"{len(missing)} of {len(wanted)} databases are missing, such as {some}:\n{self.end()}")
            time.sleep(0.5)

    def end(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.logs.splitlines()[-lines:])

    def connect(self, password: str = "") -> Any:
        """An admin's connection from this machine over TCP. Raises pymysql.err.Error."""
        return pymysql.connect(
            host="127.0.0.1", port=self.published(3306), user="admin", password=password or self.passwords[-1][1],
            autocommit=True, connect_timeout=20, read_timeout=60,
        )  # fmt: skip

    def opens(self, password: str) -> bool:
        """Does the server let the admin in?"""
        with suppress(pymysql.err.OperationalError), closing(self.connect(password)):
            return True
        return False

    def pid(self, program: str) -> int:
        """The process number, inside, of one of supervisord's programs; 0 while there is none."""
        output = self.supervisorctl("pid", f"dbhandler:{program}")
        return int(output) if output.isdigit() else 0

    def crash(self, program: str) -> None:
        """Kills one of supervisord's programs as a crash would."""
        self.exec("sh", "-c", f"kill -9 {self.pid(program)}")

    def supervisorctl(self, *arguments: str) -> str:
        """What supervisorctl says inside; its exit status tells little."""
        command = (*containers.SUPERVISORCTL, *arguments)
        variables = ("-e", "DBHANDLER_RUN_DIR=/run/dbhandler", "-e", "DBHANDLER_MYSQLD=unused")
        return docker("exec", *variables, self.name, *command, check=False).stdout.strip()

    def ask(self, query: str, payload: str = "") -> dict[str, Any]:
        """The answer to a query, without Serf: what its handler prints."""
        command = ("env", f"SERF_QUERY_NAME={query}", "dbhandler-query")
        return dict(json.loads(self.exec(*command, user="mysql", stdin=payload)))

    def resident(self, program: str = "agent") -> int:
        """The resident memory of a program in KiB; 0 while there is none."""
        found = re.search(r"VmRSS:\s+(\d+)", self.exec("cat", f"/proc/{self.pid(program)}/status", check=False))
        return int(found.group(1)) if found else 0

    def waiting(self) -> int:
        """The number of events in the spool."""
        return len(self.exec("ls", f"{STATE}/spool").split()) if self.running else 0


class Site(Makings):
    """With one network, of addresses that tests choose."""

    prefix = "dbhf"

    def __init__(self) -> None:
        super().__init__()
        self.network, self._net = self._make_network()
        self._networks.append(self.network)

    def address(self, last: int) -> str:
        """An address on the network, by its last number."""
        return f"{self._net}.{last}"

    def run(self, image: str, *command: str, options: Sequence[str] = (), name: str = "") -> str:
        """Starts a container on the network, in the background; returns its name."""
        return self.start(
            image, *command, options=("--network", self.network, *options), name=name or self.name("container")
        )

    def server(self, *command: str, join: str = "", options: Sequence[str] = (), name: str = "") -> Server:
        """A database container, started."""
        published = ("-p", "127.0.0.1::3306", "-p", "127.0.0.1::7373")
        settings = ("-e", f"SERF_JOIN={join}", "-e", f"SERF_RPC_AUTH={RPC_KEY}", "-e", "SERF_RPC_BIND=0.0.0.0:7373")
        return Server(
            self.run(IMAGE, *command, options=(*published, *settings, *options), name=name or self.name("db"))
        )

    def agent(self, name: str = "", options: Sequence[str] = ()) -> Container:
        """A Serf agent alone, started."""
        published = ("-p", "127.0.0.1::7373", "-e", f"SERF_RPC_AUTH={RPC_KEY}")
        agent = Container(self.run(SERF_IMAGE, options=(*published, *options), name=name or self.name("serf")))
        eventually("the Serf agent", agent.alive)
        return agent

    def remove(self, container: Container) -> None:
        """Removes a container before the end, with its anonymous volumes."""
        docker("rm", "-f", "-v", container.name)

    def _make_network(self) -> tuple[str, str]:
        # With a subnet of our own choice, because Docker hands out fixed addresses on no other.
        for _ in range(20):
            name, net = self.name("network"), f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
            if "overlaps" not in docker("network", "create", f"--subnet={net}.0/24", name, check=False).stdout:
                return name, net
        raise AssertionError("no subnet is free")


def numbered(prefix: str, count: int) -> list[str]:
    """Names for databases."""
    return [f"{prefix}_{number:05d}" for number in range(count)]


def sites() -> Iterator[Site]:
    """One site, removed at the end."""
    made = Site()
    try:
        yield made
    finally:
        made.close()
