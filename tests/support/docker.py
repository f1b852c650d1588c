"""The docker command, waiting, and what a test makes with the engine: removed at its end, by name."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

DEADLINE = 120.0
"""Seconds. Generous: no test is about speed, and a busy machine is no defect."""


def run(
    *command: str,
    check: bool = True,
    stdin: str | bytes | None = None,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command; its stdout and stderr are one text, in the order in which they came. With `check` it has to
    succeed."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        command,
        env={**os.environ, **(environ or {})},
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    output = done.stdout.decode(errors="replace")
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{output}")
    return subprocess.CompletedProcess(done.args, done.returncode, output)


def docker(
    *arguments: str,
    check: bool = True,
    stdin: str | bytes | None = None,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a docker command, as `run` does."""
    return run("docker", *arguments, check=check, stdin=stdin, environ=environ)


def inspect(name: str, template: str) -> Any:
    """One value of `docker inspect`, decoded."""
    return json.loads(docker("inspect", "-f", f"{{{{json {template}}}}}", name).stdout)


def need_images(*images: str, make: str) -> None:
    """Skips the tests where no engine answers; fails, saying what makes them, where an image is not there."""
    if docker("info", check=False).returncode:
        pytest.skip("container tests are left out: no Docker engine answers here (docker info)")
    for image in images:
        missing = docker("image", "inspect", image, check=False).returncode
        assert not missing, f"there is no image {image}: run `{make}`"


def eventually(what: str, condition: Callable[[], T], timeout: float = DEADLINE, interval: float = 0.1) -> T:
    """The first true value of `condition`; fails naming `what`, and the last value, when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:.0f} s for {what}; last seen: {value!r}")
        time.sleep(interval)
    return value


@contextmanager
def again_and_again(act: Callable[[], object]) -> Iterator[None]:
    """Does it in a thread, one time after another, all the while; whoever leaves waits for the last time to end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def together(*calls: Callable[[], T]) -> list[T]:
    """Runs several calls at once: most of what a container's start takes is waiting."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def free_port() -> int:
    """A TCP port that nobody on this machine listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SELDOM_ASKED = ("--health-interval", "60s")
"""Tests ask for a container's health themselves. Docker's question takes a fifth of a second of a processor, and each
container's was put every five seconds."""
OFTEN_ASKED = ("--health-interval", "5s")


class Makings:
    """Makes containers, volumes and networks, and removes them all, by name."""

    prefix = "dbht"
    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self._containers: list[str] = []
        self._volumes: list[str] = []
        self._networks: list[str] = []
        self._images: list[str] = []

    def name(self, word: str) -> str:
        """A name that nobody else uses."""
        return f"{self.prefix}-{os.getpid()}-{next(self._numbers)}-{word}"

    def volume(self, *options: str) -> str:
        """An empty volume."""
        name = self.name("volume")
        self._volumes.append(name)
        docker("volume", "create", *options, name)
        return name

    def start(self, image: str, *command: str, options: Sequence[str] = (), name: str = "", **environ: str) -> str:
        """Starts a container in the background; returns its name."""
        name = name or self.name(image.partition(":")[2] or "serf")
        self._containers.append(name)
        variables = [part for key, value in environ.items() for part in ("-e", f"{key}={value}")]
        docker("run", "-d", "--name", name, *SELDOM_ASKED, *variables, *options, image, *command)
        return name

    def close(self) -> None:
        """Removes everything; what is gone already is as good as removed."""
        if self._containers:
            docker("rm", "-f", "-v", *self._containers, check=False)
        for volume in self._volumes:
            docker("volume", "rm", "-f", volume, check=False)
        for network in self._networks:
            docker("network", "rm", network, check=False)
        for image in self._images:
            docker("rmi", "--no-prune", image, check=False)
