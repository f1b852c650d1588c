"""The processes of the database container on loopback, in a folder: for the demo without Docker and for the tests."""

from __future__ import annotations

import configparser
import contextlib
import getpass
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
from supervisor.xmlrpc import SupervisorTransport

from dbhandler.boot.health import unready
from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InRun
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from dbhandler.settings.config import Config
from dbhandler.spool import Spool
from dbhandler.volume.bake import bake as bake_template

HERE = Path(__file__).parent
ENGINE = "mariadb"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"])

_MY_CNF = """\
[mysqld]
port = {port}
bind-address = 127.0.0.1
skip-name-resolve
pid-file = {folder}/mysqld.pid
ssl-key = server-key.pem
ssl-cert = server-cert.pem
lc-messages-dir = /usr/share/mysql
innodb-buffer-pool-size = 16M
"""


def free_port() -> int:
    """A port that is free on loopback, for TCP and UDP, at this moment.

    It is below those that systems hand out to outgoing connections, so that it is free after a restart as well.
    """
    while True:
        port = random.randrange(15_000, 32_000)  # noqa: S311
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


def wait_for(what: str, condition: Callable[[], object], timeout: float = 60.0, interval: float = 0.05) -> object:
    """The first true value of `condition`. Raises TimeoutError, naming `what`, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(interval)
    return value


def bake(folder: Path) -> Path:
    """A template of an empty data directory, made once per folder."""
    archive = folder / "template.tar"
    if not archive.exists():
        os.environ["PATH"] = PATH
        bake_template(ENGINE, archive, getpass.getuser())
    return archive


class SerfNode:
    """A Serf agent alone, as in the image dbhandler-serf."""

    command: tuple[str, ...] = ("dbhandler-serf-agent",)

    def __init__(self, folder: Path, name: str, join: str = "", **extra: str) -> None:
        self.folder, self.name = folder / name, name
        self.gossip, self.rpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.environ = {
            "PATH": PATH,
            "HOME": str(self.folder),
            "DBHANDLER_RUN_DIR": str(self.folder / "run"),
            "SERF_NODE": name,
            "SERF_BIND": self.gossip,
            "SERF_RPC_BIND": self.rpc,
            "SERF_JOIN": join,
            **extra,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self, *arguments: str) -> None:
        """Starts the processes; their log is appended to `log_file`."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [str(Path(shutil.which(self.command[0], path=PATH) or self.command[0])), *arguments],
                env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def stop(self, timeout: float = 60.0) -> int:
        """Ends the processes in order, as `docker stop` does; returns the exit status."""
        return self.end(signal.SIGTERM, timeout)

    def end(self, number: int, timeout: float = 60.0) -> int:
        """Sends the first process a signal and waits for its end; returns the exit status."""
        assert self.process, "start first"  # noqa: S101
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Ends all processes of this node at once, as `docker kill` does."""
        if self.process is None:
            return
        # The first process ends last, as in a container, where nobody outlives it. Stopped, it starts nobody anew.
        self.process.send_signal(signal.SIGSTOP)
        wait_for("the killed processes to be gone", lambda: not self._kill_processes())
        self.process.kill()
        self.process.wait()

    def processes(self) -> list[int]:
        """The process ids of this node, found by the folder that its environment names.

        Not by who started whom: a process whose parent was killed has another parent.
        """
        mark = f"DBHANDLER_RUN_DIR={self.environ['DBHANDLER_RUN_DIR']}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            # Other users' processes, and those that have just ended.
            with contextlib.suppress(OSError):
                if mark in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    def _kill_processes(self) -> list[int]:
        found = [pid for pid in self.processes() if self.process is None or pid != self.process.pid]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    @property
    def log_file(self) -> Path:
        return self.folder / "log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def rpc_client(self) -> Serf:
        """A connection to this node's Serf agent, for a `with` statement."""
        return Serf(self.rpc, self.environ.get("SERF_RPC_AUTH"))

    def members(self) -> list[Member]:
        """The members that this node's Serf agent knows."""
        with self.rpc_client() as serf:
            return serf.members()

    def fire(self, payload: bytes | str) -> None:
        """Fires the user event create_db at this node's Serf agent."""
        with self.rpc_client() as serf:
            serf.event("create_db", payload.encode() if isinstance(payload, str) else payload)

    def serf(self, *arguments: str) -> str:
        """Runs a `serf` command against this node's agent; returns what it prints."""
        command = ["serf", arguments[0], f"-rpc-addr={self.rpc}", *arguments[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


class DatabaseNode(SerfNode):
    """The database container's processes: what `docker run dbhandler` runs."""

    command = ("dbhandler-entrypoint",)

    def __init__(self, folder: Path, name: str, template_archive: Path, join: str = "", **extra: str) -> None:
        super().__init__(folder, name, join)
        self.port = free_port()
        self.socket = self.folder / "run" / "mysqld.sock"
        my_cnf = self.folder / "my.cnf"
        my_cnf.write_text(_MY_CNF.format(port=self.port, folder=self.folder))
        self.environ |= {
            "DBHANDLER_ENGINE": ENGINE,
            "DBHANDLER_DATA_DIR": str(self.folder / "data"),
            "DBHANDLER_STATE_DIR": str(self.folder / "state"),
            "DBHANDLER_CONTROL": str(self.folder / "run" / "supervisor.sock"),
            "DBHANDLER_TEMPLATE": str(template_archive),
            "DBHANDLER_SUPERVISORD_CONF": str(HERE / "supervisord.conf"),
            "DBHANDLER_DEFAULTS_FILE": str(my_cnf),
            "DBHANDLER_ADVERTISE_HOST": "127.0.0.1",
            **extra,
        }

    def run(self, *command: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        """Runs one of our commands as if inside the container."""
        program = str(shutil.which(command[0], path=PATH))
        return subprocess.run(
            [program, *command[1:]], input=stdin, env=self.environ | environ, capture_output=True, timeout=120
        )

    def sql(self, text: str) -> list[list[str]]:
        """Rows of a statement run as the server's root through the socket."""
        command = [
            "mariadb",
            f"--socket={self.socket}",
            "--default-character-set=utf8mb4",
            "--batch",
            "--skip-column-names",
            "-e",
            text,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def databases(self) -> set[str]:
        """The databases that are not the server's own."""
        system = {"mysql", "sys", "information_schema", "performance_schema"}
        return {name for (name,) in self.sql("SHOW DATABASES")} - system

    def holds(self, *names: str) -> bool:
        """Are all these databases there? False while the server is away."""
        with contextlib.suppress(subprocess.CalledProcessError):
            return set(names) <= self.databases()
        return False

    def login(self, user: str, password: str, text: str = "SELECT 1") -> list[tuple[object, ...]]:
        """Rows of a statement run over TCP, as an application does. Raises pymysql.err.Error."""
        with (
            pymysql.connect(host="127.0.0.1", port=self.port, user=user, password=password) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(text)
            return list(cursor.fetchall())

    def healthy(self) -> bool:
        """What dbhandler-health says, without a process for it."""
        with contextlib.suppress(DbHandlerError):
            return unready(Config.from_environ(self.environ), self.environ) is None
        return False

    def wait_healthy(self, timeout: float = 60.0) -> None:
        """Waits until dbhandler-health is content."""
        wait_for(f"{self.name} to be healthy", self.healthy, timeout)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Waits until the cluster can see that this server is ready, which is the last step of a start."""
        self.wait_healthy(timeout)
        wait_for(f"{self.name} to be seen as ready", lambda: self.state() == "ready", timeout)

    def state(self) -> str | None:
        """What this node's member says of its server: the Serf tag `mysql`; None while Serf is away."""
        with contextlib.suppress(DbHandlerError):
            return next((m.tags.get("mysql") for m in self.members() if m.address == self.gossip), None)
        return None

    @property
    def supervisord_conf(self) -> Path:
        """What the entry point has made for supervisord, and for supervisorctl."""
        return self.folder / "run" / InRun.SUPERVISORD_CONF

    @property
    def supervisor(self) -> Any:
        """supervisord's own commands, as supervisorctl sends them."""
        address = f"unix://{self.environ['DBHANDLER_CONTROL']}"
        conf = configparser.RawConfigParser()
        conf.read(self.supervisord_conf)
        password = conf["supervisorctl"]["password"]
        return xmlrpc.client.ServerProxy(
            "http://127.0.0.1", SupervisorTransport("dbhandler", password, address)
        ).supervisor

    def stop_program(self, program: str) -> None:
        """Stops one of supervisord's programs and waits for its end."""
        self.supervisor.stopProcess(f"dbhandler:{program}")

    def start_program(self, program: str) -> None:
        """Starts one of supervisord's programs again."""
        self.supervisor.startProcess(f"dbhandler:{program}", False)

    def pid(self, program: str) -> int:
        """The process id of one of supervisord's programs, 0 while it does not run."""
        return int(self.supervisor.getProcessInfo(f"dbhandler:{program}")["pid"])

    def spooled(self) -> set[str]:
        """The payloads of the events that wait in the spool."""
        spool = Spool(f"{self.environ['DBHANDLER_STATE_DIR']}/spool")
        found = set()
        for entry in spool.entries():
            # The agent may be faster.
            with contextlib.suppress(FileNotFoundError):
                found.add(spool.read(entry).decode(errors="replace").strip())
        return found

    def banner_password(self) -> str | None:
        """The password of the last banner in the log, if one was printed."""
        found = re.findall(r"mysql -u\S+ -p(\S+) -h", self.log)
        return found[-1] if found else None
