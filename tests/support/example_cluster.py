"""The examples' clusters, by Compose, under project names of their own; removed at the end with all they have made."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import example

from tests.support.docker import DEADLINE, docker, run

CONTAINER = Path(__file__).parents[2] / "container"

IMAGE = os.environ.get("WORDPRESS_IMAGE", "dbhandler-wordpress")


def page(url: str | None) -> str:
    """The body of a page; nothing while there is none, as between two starts."""
    try:
        with urlopen(url or "", timeout=30) as response:
            return str(response.read().decode())
    except (OSError, HTTPException, ValueError):
        return ""


class ExampleCluster:
    """One cluster. folder takes its keys; files are the Compose files under container/."""

    _numbers = itertools.count(1)

    def __init__(self, folder: Path, *files: str) -> None:
        self.project = f"wp-test-{os.getpid()}-{next(self._numbers)}"
        self.keys = folder / "keys"
        self.environ = {"COMPOSE_PROJECT_NAME": self.project, "KEYS_DIR": str(self.keys)}
        self._files = [part for file in files for part in ("-f", str(CONTAINER / file))]
        example.make_keys(self.keys)

    def compose(self, *arguments: str) -> str:
        """What Compose prints."""
        return run(*example.compose_command(), *self._files, *arguments, environ=self.environ).stdout

    def up(self, *arguments: str) -> None:
        """Creates and starts services, all that have no profile where none is named."""
        self.compose("up", "-d", *arguments)

    def containers(self, service: str = "") -> list[str]:
        """The ids of its containers, of one service by their numbers, running or not."""
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        filters = [part for label in labels for part in ("--filter", label)]
        form = '{{.Label "com.docker.compose.container-number"}} {{.ID}}'
        return [line.split()[1] for line in sorted(docker("ps", "-a", *filters, "--format", form).stdout.splitlines())]

    def log(self, service: str) -> str:
        """The log of a service's first container."""
        return docker("logs", self.containers(service)[0]).stdout

    def exec(self, service: str, *command: str, check: bool = True, **environ: str) -> str:
        """What a command prints in a service's first container."""
        variables = [part for name in environ for part in ("-e", name)]
        return docker("exec", *variables, self.containers(service)[0], *command, check=check, environ=environ).stdout

    def urls(self, service: str) -> list[str]:
        """Where the containers of a service are published; none for those that are not."""
        lines = [docker("port", container, "80", check=False).stdout.split() for container in self.containers(service)]
        return [f"http://{line[0]}" for line in lines if len(line) == 1]

    def url(self, service: str) -> str | None:
        """Where the first of them is."""
        return next(iter(self.urls(service)), None)

    def account(self, service: str) -> dict[str, str]:
        """The database, user and password that a service chose."""
        return dict(json.loads(self.exec(service, "cat", "/state/database.json")))

    def databases(self) -> set[str]:
        """The databases on the server that are not its own, as its root sees them."""
        system = {"mysql", "sys", "information_schema", "performance_schema"}
        return set(self.exec("database", "mariadb", "-N", "-e", "SHOW DATABASES").split()) - system

    def kill(self, *services: str) -> None:
        """Kills containers, all where no service is named."""
        docker("kill", *(container for service in services or [""] for container in self.containers(service)))

    def run_once(self, *command: str) -> tuple[int, str]:
        """Runs WordPress's image once more in the cluster, with its key but no state; the exit status and output."""
        options = ["-e", "SERF_RPC_ADDR=serf_agent:7373", "-e", "SERF_RPC_AUTH_FILE=/key"]
        options += ["-v", f"{self.keys / 'serf_rpc_auth'}:/key:ro", "--network", f"{self.project}_default"]
        done = subprocess.run(
            ("docker", "run", "--rm", *options, IMAGE, *command), capture_output=True, text=True, timeout=DEADLINE
        )
        return done.returncode, done.stdout + done.stderr

    def close(self) -> None:
        """Removes everything."""
        self.compose("--profile", "second", "down", "-v", "-t", "30")
