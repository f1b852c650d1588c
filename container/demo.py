"""make demo: a Serf event becomes a database, on real parts, step by step, and nothing is left behind.

usage: demo.py containers | loopback
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")
TIMEOUT = 20.0
QUESTION = "SHOW DATABASES"


class World(Protocol):
    """Where the demo takes place."""

    def start_agent(self) -> None: ...
    def start_server(self) -> None: ...
    def start_console(self) -> str: ...
    def log(self) -> str: ...
    def serf_command(self, *arguments: str) -> list[str]: ...
    def sql(self, user: str, password: str, text: str) -> str: ...
    def remove(self) -> None: ...


class Containers:
    """Two containers on a Docker network of their own."""

    def __init__(self) -> None:
        self._prefix = f"dbhandler-demo-{os.getpid()}"
        self._agent, self._server, self._console = (f"{self._prefix}-{name}" for name in ("serf", "db", "console"))

    def start_agent(self) -> None:
        show("docker", "network", "create", self._prefix)
        # The port is the console's, which is beside it: without a key the agent listens to nobody else.
        show(
            "docker", "run", "-d", "--network", self._prefix, "-p", "127.0.0.1::8080", "--name", self._agent,
            "dbhandler-serf",
        )  # fmt: skip

    def start_server(self) -> None:
        join = f"SERF_JOIN={self._agent}"
        show(
            "docker", "run", "-d", "--network", self._prefix, "-p", "127.0.0.1::3306", "-e", join,
            "--name", self._server, "dbhandler:latest",
        )  # fmt: skip

    def start_console(self) -> str:
        beside = f"container:{self._agent}"
        show("docker", "run", "-d", "--network", beside, "--name", self._console, "dbhandler-console")
        told = r"the password of the page is (\S+)"
        password = wait("the page", lambda: re.search(told, call("docker", "logs", self._console)))[1]
        return f"http://{call('docker', 'port', self._agent, '8080').split()[0]}/, with the password {password}"

    def log(self) -> str:
        return call("docker", "logs", self._server)

    def serf_command(self, *arguments: str) -> list[str]:
        return ["docker", "exec", self._agent, "serf", *arguments]

    def sql(self, user: str, password: str, text: str) -> str:
        # The password goes in by the environment: in argv every process of the machine could read it.
        command = ("docker", "exec", "-e", "MYSQL_PWD", self._server, "mariadb", f"-u{user}", "-h127.0.0.1", "-e", text)
        return show(*command, MYSQL_PWD=password)

    def remove(self) -> None:
        # Before the first container the names may not exist yet: that is as good as removed.
        quiet("docker", "rm", "-f", "-v", self._console, self._agent, self._server)
        quiet("docker", "network", "rm", self._prefix)


class Loopback:
    """The same processes on 127.0.0.1, in a scratch folder."""

    def __init__(self) -> None:
        import loopback

        self._folder = Path(tempfile.mkdtemp(prefix="dbhandler-demo-"))
        self._make, self._nodes = loopback, list[loopback.SerfNode]()
        self._console: subprocess.Popen[bytes] | None = None

    def start_agent(self) -> None:
        say(f"starting a Serf agent in {self._folder}")
        self._nodes.append(self._make.SerfNode(self._folder, "serf_agent"))
        self._nodes[0].start()

    def start_server(self) -> None:
        say("baking an empty data directory, as `make image` does, and starting supervisord over mysqld, Serf and us")
        archive = self._make.bake(self._folder)
        server = self._make.DatabaseNode(self._folder, "db", archive, join=self._nodes[0].gossip)
        self._nodes.append(server)
        server.start()

    def start_console(self) -> str:
        address = f"127.0.0.1:{self._make.free_port()}"
        own = {name: text for name, text in os.environ.items() if not name.startswith(("DBHANDLER_", "SERF_"))}
        environ = own | {"SERF_RPC_ADDR": self._nodes[0].rpc, "DBHANDLER_CONSOLE": address}
        program = (sys.executable, "-c", "from dbhandler.console.cli import main; main([])")
        self._console = subprocess.Popen(program, env=environ, stderr=subprocess.DEVNULL)
        return f"http://{address}/"

    def log(self) -> str:
        return self._nodes[1].log

    def serf_command(self, *arguments: str) -> list[str]:
        return ["serf", arguments[0], f"-rpc-addr={self._nodes[0].rpc}", *arguments[1:]]

    def sql(self, user: str, password: str, text: str) -> str:
        port = str(getattr(self._nodes[1], "port", ""))
        return show("mariadb", f"-u{user}", "-h127.0.0.1", f"-P{port}", "-e", text, MYSQL_PWD=password)

    def remove(self) -> None:
        if self._console:
            self._console.terminate()
            self._console.wait()
        for node in self._nodes:
            node.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def play(world: World) -> None:
    """The story. Raises TimeoutError or CalledProcessError where a step fails."""
    began = time.monotonic()
    step("1. A cluster: one Serf agent, and a database server that joins it")
    world.start_agent()
    world.start_server()
    step("2. The server tells its credentials in the log")
    user, password = wait("the banner", lambda: re.search(r"mysql -u(\S+) -p(\S+) -h", world.log())).groups()
    print("".join(f"    {line}\n" for line in banner(world.log())), end="")
    step("3. Both are members")
    wait("the server to join and be ready", lambda: "mysql=ready" in quiet(*world.serf_command("members")))
    show(*world.serf_command("members"))
    say(f"the cluster is to be seen at {world.start_console()}")
    step("4. Somebody fires an event ...")
    show(*world.serf_command("event", "-coalesce=false", "create_db", "wordpress"))
    step("5. ... and the database is there")
    line = wait("the agent's log line", lambda: re.search(r".*'wordpress' (created|exists).*", world.log()))
    print(f"    {line.group(0)}")
    table = world.sql(user, password, QUESTION)
    if "wordpress" not in table:
        raise TimeoutError("the database wordpress is not there")
    step(f"Done in {time.monotonic() - began:.1f} s. Go on with docs/tutorial/first-database.md")
    if sys.stdin.isatty() and sys.stdout.isatty():
        input("The page stays until you press Enter. ")


def banner(log: str) -> list[str]:
    """The lines of the banner in a log."""
    lines = log.splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("=====")]
    return lines[rules[0] : rules[1] + 1]


def wait(what: str, condition: Callable[[], T | None]) -> T:
    """The first true value of `condition`."""
    deadline = time.monotonic() + TIMEOUT
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {TIMEOUT:.0f} s for {what}")
        time.sleep(0.1)
    return value


def step(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def say(text: str) -> None:
    print(f"  # {text}", flush=True)


def show(*command: str, **environ: str) -> str:
    """Shows a command, runs it, shows and returns what it prints."""
    print("  $ " + " ".join(command), flush=True)
    output = call(*command, **environ)
    print("".join(f"    {line}\n" for line in output.splitlines()), end="", flush=True)
    return output


def call(*command: str, **environ: str) -> str:
    """Runs a command and returns what it prints, errors too."""
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT,
        env=os.environ | environ,
    )  # fmt: skip
    return done.stdout


def quiet(*command: str) -> str:
    """The output of a command that may fail."""
    return subprocess.run(command, text=True, capture_output=True, timeout=TIMEOUT).stdout


def main(argv: Sequence[str]) -> int:
    """Plays the demo in the world that argv names; cleans up in any case."""
    # A kill from a supervising program should clean up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    world: World = Containers() if list(argv) == ["containers"] else Loopback()
    try:
        play(world)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except subprocess.CalledProcessError as error:
        print(f"\nfailed: {' '.join(error.cmd)}\n{error.output}", file=sys.stderr)
        return 1
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        print(f"\nfailed: {error}\nThe server's log:\n{world.log()}", file=sys.stderr)
        return 1
    finally:
        world.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
