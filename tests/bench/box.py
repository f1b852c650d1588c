"""The docker command for what takes as long as it takes, and containers that are measured."""

from __future__ import annotations

import os
import subprocess
import time

PREFIX = f"dbhandler-bench-{os.getpid()}"


def docker(*arguments: str, check: bool = True, stdin: bytes | None = None) -> str:
    """What a docker command prints, its errors too."""
    done = subprocess.run(["docker", *arguments], check=check, input=stdin, capture_output=True)
    return (done.stdout + done.stderr).decode(errors="replace").strip()


class Box:
    """A container that is gone afterwards, with its volumes."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = f"{PREFIX}-{name}"
        self.began = time.perf_counter()
        docker("run", "-d", "--name", self.name, *arguments)

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "-f", "-v", self.name, check=False)

    @property
    def address(self) -> str:
        return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)

    def wait_ready(self) -> None:
        while "[dbhandler]: ready for connections" not in docker("logs", self.name):
            time.sleep(0.05)
