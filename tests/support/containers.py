"""The containers of the image, seen from outside: a Serf agent, a database server, the tutorial's agent on the host."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pymysql

from dbhandler.serf.rpc import Serf
from tests.support.docker import Makings, docker, eventually, free_port, inspect

BASE_IMAGE = Path(__file__).parents[2] / "container" / "base-image"
IMAGE_TESTS = Path(__file__).parents[1] / "image"
ENGINES = ("mariadb", "mysql")
SERVERS = {"mariadb": "mariadbd", "mysql": "mysqld"}
SYSTEM = {"mysql", "sys", "information_schema", "performance_schema"}
RPC_KEY, OPEN_RPC = "the-rpc-key-of-the-tests", "0.0.0.0:7373"
SUPERVISORCTL = ("supervisorctl", "-c", "/etc/dbhandler/supervisord.conf")

EVERYTHING = (
    "SHOW DATABASES",
    "SELECT User, Host, plugin, authentication_string FROM mysql.user ORDER BY User, Host",
    "SELECT * FROM mysql.db ORDER BY Host, Db, User",
)
"""All that a request could change: databases, accounts with their passwords, grants."""

ACCESS_DENIED = (1044, 1045, 1130, 1698, 3118, 4151)
"""To the database, to the server, from this host, to an account that is not there, has no password or is locked.
Anything else is no answer."""


class Container:
    """One container. Docker is asked once for what stays, and anew after a start for what may have changed."""

    exec_user = ""
    """Who runs commands inside where nothing else is said; empty: the one as whom the container was started."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._ports: dict[int, int] = {}

    # --- its life ---

    def start(self) -> None:
        docker("start", self.name)
        # Afterwards: who asks meanwhile is told the former ones.
        self._ports.clear()

    def stop(self) -> None:
        """Asks it to end. The time-out is longer than any test waits: only the container itself ends it."""
        docker("stop", "-t", "100", self.name)

    def restart(self) -> None:
        docker("restart", "-t", "100", self.name)
        self._ports.clear()

    def kill(self) -> None:
        docker("kill", self.name)

    def remove(self) -> None:
        """Removes the container and its anonymous volumes."""
        docker("rm", "-f", "-v", self.name)

    @property
    def running(self) -> bool:
        return bool(inspect(self.name, ".State.Running"))

    def wait_ended(self) -> int:
        """Waits until the container has ended by itself; returns its exit status."""
        eventually(f"{self.name} to end", lambda: not self.running)
        return int(inspect(self.name, ".State.ExitCode"))

    # --- what it says ---

    @property
    def logs(self) -> str:
        """`docker logs`, stdout and stderr."""
        return docker("logs", self.name).stdout

    def logged(self, pattern: str) -> bool:
        """Does a line of the log match the regular expression?"""
        return re.search(pattern, self.logs) is not None

    @property
    def passwords(self) -> list[tuple[str, str]]:
        """User and password of every banner in the log."""
        return re.findall(r"^    mysql -u(\S+) -p(\S+) -h<host> -P<port>$", self.logs, re.MULTILINE)

    def exec(
        self,
        *command: str,
        check: bool = True,
        stdin: str | bytes | None = None,
        user: str = "",
        **environ: str,
    ) -> str:
        """What a command prints inside."""
        return self.run(*command, check=check, stdin=stdin, user=user, **environ).stdout

    def run(
        self,
        *command: str,
        check: bool = False,
        stdin: str | bytes | None = None,
        user: str = "",
        **environ: str,
    ) -> subprocess.CompletedProcess[str]:
        """A command inside, with its exit status."""
        variables = [part for name, value in environ.items() for part in ("-e", f"{name}={value}")]
        interactive = [] if stdin is None else ["-i"]
        who = ("-u", user or self.exec_user) if user or self.exec_user else ()
        return docker("exec", *interactive, *variables, *who, self.name, *command, check=check, stdin=stdin)

    # --- where it is ---

    @property
    def address(self) -> str:
        """Its IP address, in whichever network it is."""
        return next(str(network["IPAddress"]) for network in self._networks if network["IPAddress"])

    @property
    def gateway(self) -> str:
        """The address of this machine in the container's network."""
        return next(str(network["Gateway"]) for network in self._networks if network["Gateway"])

    @property
    def _networks(self) -> list[dict[str, Any]]:
        return list(inspect(self.name, ".NetworkSettings.Networks").values())

    def published(self, port: int) -> int:
        """The port of this machine under which a port of the container is published."""
        if port not in self._ports:
            lines = docker("port", self.name, f"{port}/tcp").stdout.splitlines()
            self._ports[port] = int(lines[0].rpartition(":")[2])
        return self._ports[port]

    # --- its Serf agent ---

    @cached_property
    def node(self) -> str:
        """The name of its Serf member: the container's host name."""
        return str(inspect(self.name, ".Config.Hostname"))

    def serf(self, *arguments: str) -> str:
        """What a serf command prints inside."""
        return self.exec("serf", *arguments)

    def members(self) -> dict[str, dict[str, Any]]:
        """The members of the cluster as its Serf agent knows them, by name; none while the agent is away."""
        done = self.run("serf", "members", "-format=json")
        return members_of(done.stdout) if done.returncode == 0 else {}

    def rpc(self) -> Serf:
        """An RPC connection to its Serf agent, from this machine."""
        return Serf(self.rpc_address, RPC_KEY)

    @property
    def rpc_address(self) -> str:
        return f"127.0.0.1:{self.published(7373)}"

    def query(self, name: str, payload: bytes | str | Mapping[str, object], node: Container | None = None) -> Any:
        """The answer of one database node (default: this one) to a query asked through this agent."""
        with self.rpc() as serf:
            answers = serf.query(name, encoded(payload), 10.0, nodes=[(node or self).node])
            for _, answer in answers:
                assert answer.endswith(b"\n"), "the answer is a line"
                return json.loads(answer)
        raise AssertionError(f"nobody has answered the query {name}")

    def event(self, payload: bytes | str | Mapping[str, object]) -> None:
        """Fires create_db through this agent."""
        with self.rpc() as serf:
            serf.event("create_db", encoded(payload))


class Database(Container):
    """A database container whose ports are published on this machine's loopback."""

    def __init__(self, name: str, engine: str) -> None:
        super().__init__(name)
        self.engine = engine

    def wait_healthy(self) -> Database:
        """Waits until the container's own health check is content."""
        eventually(f"{self.name} to be healthy", self._healthy_or_ended)
        assert self.running, self.last_words()
        return self

    def last_words(self) -> str:
        """How a container that should run has ended: its exit status, and the end of its log."""
        status = inspect(self.name, ".State.ExitCode")
        return "\n".join([f"{self.name} has ended with {status}:", *self.logs.splitlines()[-25:]])

    def _healthy_or_ended(self) -> bool:
        return self.run("dbhandler-health").returncode == 0 or not self.running

    @cached_property
    def admin(self) -> tuple[str, str]:
        """User and password of the last banner."""
        assert self.passwords, f"no banner in:\n{self.logs}"
        return self.passwords[-1]

    def connect(self, user: str = "", password: str = "", database: str | None = None) -> Any:
        """A connection from this machine over TCP; without a user, the admin's. Raises pymysql.err.Error."""
        if not user:
            user, password = self.admin
        return pymysql.connect(
            host="127.0.0.1",
            port=self.published(3306),
            user=user,
            # As bytes: PyMySQL would take a text for Latin-1, the server takes it for UTF-8.
            password=password.encode(),
            database=database,
            autocommit=True,
            connect_timeout=20,
            read_timeout=30,
            # The certificate is the server's own making; without TLS MySQL's plugin would need one library more.
            ssl={"check_hostname": False, "verify_mode": "none"},
        )

    def sql(self, text: str, user: str = "", password: str = "", database: str | None = None) -> list[tuple[Any, ...]]:
        """Rows of one statement. Raises pymysql.err.Error."""
        with closing(self.connect(user, password, database)) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    def opens(self, user: str, password: str, database: str | None = None) -> bool:
        """Does the server let the account in (and into the database)?"""
        try:
            self.connect(user, password, database).close()
        except pymysql.err.OperationalError as error:
            assert error.args[0] in ACCESS_DENIED, error
            return False
        return True

    def databases(self) -> set[str]:
        """Its databases without the system's."""
        return {name for (name,) in self.sql("SHOW DATABASES")} - SYSTEM

    def holds(self, *names: str) -> bool:
        """Are all these databases there?"""
        return set(names) <= self.databases()

    def snapshot(self) -> tuple[object, ...]:
        """The answers to EVERYTHING, to compare what was before with what is after."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            return tuple(cursor.execute(text) and cursor.fetchall() for text in EVERYTHING)

    @cached_property
    def key(self) -> str:
        """The public key that its Serf member shows."""
        return str(eventually("the tag key", lambda: self.tags().get("key")))

    def tags(self) -> dict[str, str]:
        """The Serf tags of its member."""
        return dict(self.members().get(self.node, {}).get("tags", {}))

    def wait_ready(self) -> Database:
        """Waits until its Serf member says that it serves."""
        eventually(f"{self.name} to be ready", lambda: self.tags().get("mysql") == "ready")
        return self

    def supervisorctl(self, *arguments: str) -> str:
        """What supervisorctl says inside; its exit status tells little."""
        return self.exec(*SUPERVISORCTL, *arguments, check=False, DBHANDLER_RUN_DIR="/run/dbhandler")

    def pid(self, program: str) -> int:
        """The process number, inside, of one of supervisord's programs; 0 while there is none."""
        output = self.supervisorctl("pid", f"dbhandler:{program}").strip()
        return int(output) if output.isdigit() else 0


class Site(Makings):
    """With the containers of the image."""

    def network(self) -> str:
        """A network on which containers find each other by name."""
        name = self.name("network")
        self._networks.append(name)
        docker("network", "create", name)
        return name

    def build(self, dockerfile: str, suite: str) -> str:
        """An image from a Dockerfile beside the tests, on a base of that Debian suite; its layers stay with the
        engine, which builds them once."""
        base = subprocess.run(
            (BASE_IMAGE, suite), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=900
        ).stdout.strip()
        name = self.name(dockerfile.partition(".")[0])
        self._images.append(name)
        subprocess.run(
            ("docker", "build", "-q", "--build-arg", f"BASE={base}", "--build-arg", "STALE_MIRROR", "-t", name, "-"),
            input=(IMAGE_TESTS / dockerfile).read_bytes(), check=True, stdout=subprocess.DEVNULL, timeout=900,
        )  # fmt: skip
        return name

    def database(
        self, engine: str = "mariadb", *command: str, options: Sequence[str] = (), name: str = "", **environ: str
    ) -> Database:
        """A database container, started; one with a key for RPC is asked by the tests from outside."""
        if "SERF_RPC_AUTH" in environ:
            environ = {"SERF_RPC_BIND": OPEN_RPC} | environ
        published = ("-p", "127.0.0.1::3306", "-p", "127.0.0.1::7373")
        made = self.start(f"dbhandler:{engine}", *command, options=(*published, *options), name=name, **environ)
        return Database(made, engine)

    def agent(self, *command: str, options: Sequence[str] = (), name: str = "", **environ: str) -> Container:
        """A Serf agent alone, started, its RPC published for whoever knows the key."""
        environ = {"SERF_RPC_AUTH": RPC_KEY} | environ
        published = ("-p", "127.0.0.1::7373")
        agent = Container(self.start("dbhandler-serf", *command, options=(*published, *options), name=name, **environ))
        eventually("the Serf agent", agent.members)
        return agent

    def once(self, image: str, *command: str, options: Sequence[str] = (), **environ: str) -> tuple[int, str]:
        """Runs a container to its end; returns its exit status and its log."""
        name = self.start(image, *command, options=options, **environ)
        return Container(name).wait_ended(), Container(name).logs

    def forget(self, container: Container, *volumes: str) -> None:
        """Removes a container and volumes before the end, because there are many of them."""
        container.remove()
        for volume in volumes:
            docker("volume", "rm", volume)
            self._volumes.remove(volume)
        self._containers.remove(container.name)


class HostSerf:
    """The tutorial's Serf agent on the host: started here, ended by `close`."""

    def __init__(self, folder: Path, address: str) -> None:
        # Its gossip has to be reachable from the containers; its RPC is for this machine alone.
        self._rpc = f"127.0.0.1:{free_port()}"
        self._log = (folder / "serf.log").open("wb")
        self.node = f"host-{os.getpid()}-{random.randrange(10**6)}"
        self._process = subprocess.Popen(
            ["serf", "agent", f"-node={self.node}", f"-bind={address}:{free_port()}", f"-rpc-addr={self._rpc}"],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        eventually("the host's Serf agent", self.members)

    def __call__(self, command: str, *arguments: str) -> str:
        """What `serf COMMAND …` prints; an exit status other than 0 fails the test."""
        done = subprocess.run(
            ["serf", command, f"-rpc-addr={self._rpc}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"serf {command} {' '.join(arguments)}: {done.stdout}"
        return done.stdout

    def members(self) -> dict[str, dict[str, Any]]:
        """The members it knows, by name; none while it is still starting."""
        with suppress(AssertionError):
            return members_of(self("members", "-format=json"))
        return {}

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


def members_of(output: str) -> dict[str, dict[str, Any]]:
    """The members in the output of `serf members -format=json`."""
    return {member["name"]: member for member in json.loads(output)["members"]}


def encoded(payload: bytes | str | Mapping[str, object]) -> bytes:
    """A payload as it travels."""
    if isinstance(payload, Mapping):
        payload = json.dumps(payload)
    return payload.encode() if isinstance(payload, str) else payload
