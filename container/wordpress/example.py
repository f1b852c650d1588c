#!/usr/bin/env python3
"""make example: a cluster in which WordPress provisions itself; make example-stop: gone with all its data.

What was started stands in a file .env beside compose.yaml, so that Compose alone, without make, starts the same again.

usage: example.py up | stop
"""

from __future__ import annotations

import base64
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
KEYS = Path(os.environ.get("KEYS_DIR") or HERE / "keys")
PROJECT = "dbhandler-example"
"""One name for the cluster, whoever starts it. COMPOSE_PROJECT_NAME names another, whose owner keeps its settings."""
SETTINGS = HERE / ".env"
"""Read by Compose."""
KINDS = ("COMPOSE_FILE", "DATABASE_IMAGE")
"""What cannot be another with the same volumes."""
KEPT = (
    *KINDS, "CONSOLE_IMAGE", "CONSOLE_PORT", "GALERA_IMAGE",
    "PROXY_IMAGE", "SERF_IMAGE", "WORDPRESS_IMAGE", "WORDPRESS_BIND", "WORDPRESS_PORT",
    "WORDPRESS_URL", "KEYS_DIR",
)  # fmt: skip
TIMEOUT = 180.0
TOLD = ("dbhandler-request: ", "wordpress-start: ")
"""How the lines of WordPress's log begin that tell what it waits for."""


def compose_command() -> list[str]:
    """Compose as this machine has it: Docker's plugin, else the program of its own. COMPOSE names another."""
    if chosen := os.environ.get("COMPOSE"):
        return shlex.split(chosen)
    plugin = subprocess.run(("docker", "compose", "version"), capture_output=True)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


class Cluster:
    """The cluster of compose.yaml. command is how Compose is called."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    def compose(self, *arguments: str) -> str:
        """What a Compose command prints on its stdout. Raises CalledProcessError."""
        return call(*self._command, *arguments)

    def start(self) -> None:
        """Creates and starts what is not there yet."""
        show(*self._command, "up", "-d")

    def remove(self) -> None:
        """Removes containers, network and volumes, a second site's, too."""
        show(*self._command, "--profile", "second", "down", "--volumes", "--remove-orphans")

    def container(self, service: str = "wordpress") -> str:
        """The id of a service's container, the first of several."""
        return self.compose("ps", "-q", service).split()[0]


class Front:
    """One container of WordPress, or of what else has a page at that port. since is the time (seconds since 1970) from
    which its log counts."""

    def __init__(self, container: str, since: float, port: int = 80) -> None:
        self._container, self._since, self._port = container, since, port

    def log(self) -> list[str]:
        """The lines of its log."""
        return call("docker", "logs", "--since", f"{self._since:.0f}", self._container).splitlines()

    def url(self) -> str | None:
        """Where it is published; None while it is not, as between two starts."""
        try:
            return f"http://{call('docker', 'port', self._container, f'{self._port}/tcp').split()[0]}/"
        except (subprocess.CalledProcessError, IndexError):
            return None


def make_keys(folder: Path) -> bool:
    """The keys of the cluster as private files; those that are there stay. Returns whether any was made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    values = {
        "serf_rpc_auth": secrets.token_hex(16),
        "serf_encrypt_key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "console_password": secrets.token_urlsafe(18),
        "pool_secret": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
    }
    missing = [name for name in values if not (folder / name).exists()]
    for name in missing:
        # Whole before it has its name: a run that was cut short must not leave half a key.
        unfinished = folder / f".{name}"
        unfinished.touch(mode=0o600)
        unfinished.write_text(values[name])
        unfinished.rename(folder / name)
    return bool(missing)


def keep_settings(path: Path, environ: Mapping[str, str]) -> None:
    """Writes what Compose is called with. Raises ValueError for another kind of cluster than the one that is there."""
    wanted = {name: environ[name] for name in KEPT if environ.get(name)}
    there = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line) if path.exists() else {}
    for name in KINDS:
        if name in there and wanted.setdefault(name, there[name]) != there[name]:
            raise ValueError(f"the example runs with {there[name]}, not {wanted[name]}: make example-stop removes it")
    lines = [f"{name}={value}\n" for name, value in {"COMPOSE_PROJECT_NAME": PROJECT, **wanted}.items()]
    path.write_text("".join(lines))


def remove_keys(folder: Path) -> None:
    """Removes what make_keys made."""
    if folder.exists():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def up(cluster: Cluster) -> None:
    """Starts the cluster and follows WordPress until it answers. Raises TimeoutError or CalledProcessError."""
    began, since = time.monotonic(), time.time()
    step("1. Keys for the cluster: gossip, RPC, and the servers' pool")
    say(f"{'made' if make_keys(KEYS) else 'found'} in {os.path.relpath(KEYS)}")
    step("2. A Serf agent, a database server and WordPress, all at once: whoever is early waits")
    cluster.start()
    step("3. WordPress asks the cluster for a database")
    url = follow(Front(cluster.container(), since), began + TIMEOUT)
    step(f"Done in {time.monotonic() - began:.0f} s: WordPress has made its own database. Name your site at")
    print(f"\n  {url}\n")
    say(f"The cluster is to be seen at {Front(cluster.container('console'), since, 8080).url()}")
    say(f"with the password in {os.path.relpath(KEYS / 'console_password')}")
    print("\n`make example-stop` removes it with all its data.", flush=True)


def follow(front: Front, deadline: float) -> str:
    """Shows what WordPress waits for until it answers; returns its URL."""
    shown = 0
    while True:
        told = [line for line in front.log() if line.startswith(TOLD)]
        for line in told[shown:]:
            say(line)
        shown = len(told)
        url = front.url()
        if url and answers(url):
            return url
        if time.monotonic() > deadline:
            last = "\n".join(front.log()[-20:])
            raise TimeoutError(f"WordPress has not answered within {TIMEOUT:.0f} s; its log ends with:\n{last}")
        time.sleep(0.3)


def answers(url: str) -> bool:
    """Does WordPress serve there? Without its database it answers with status 500."""
    address = urlsplit(url)
    try:
        with closing(HTTPConnection(str(address.hostname), address.port, timeout=10)) as connection:
            connection.request("GET", "/")
            # A redirection counts: it may lead to the public URL, which only visitors can reach.
            return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False


def step(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def say(text: str) -> None:
    print(f"  # {text}", flush=True)


def show(*command: str) -> None:
    """Shows a command, runs it and shows what it prints. Raises CalledProcessError."""
    print("  $ " + " ".join(command), flush=True)
    with subprocess.Popen(command, text=True, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            print(f"    {line.rstrip()}", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def call(*command: str) -> str:
    """Runs a command; returns its stdout and stderr in one text."""
    done = subprocess.run(
        command, check=True, text=True, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )
    return done.stdout


def main(argv: Sequence[str]) -> int:
    """Starts or removes the cluster; returns the exit status."""
    cluster, is_ours = Cluster(compose_command()), "COMPOSE_PROJECT_NAME" not in os.environ
    os.environ.setdefault("COMPOSE_PROJECT_NAME", PROJECT)
    try:
        if list(argv) == ["up"]:
            if is_ours:
                keep_settings(SETTINGS, os.environ)
            up(cluster)
        elif list(argv) == ["stop"]:
            # Compose reads them even to remove what uses them.
            make_keys(KEYS)
            cluster.remove()
            remove_keys(KEYS)
            if is_ours:
                SETTINGS.unlink(missing_ok=True)
        else:
            print(__doc__, file=sys.stderr)
            return 64
    except KeyboardInterrupt:
        print("\ninterrupted; `make example-stop` removes what was started", file=sys.stderr)
        return 130
    except (ValueError, TimeoutError, subprocess.TimeoutExpired) as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"\nfailed: {' '.join(error.cmd)}\n{error.output or ''}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
