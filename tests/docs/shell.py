"""A terminal in which a page's commands run as they stand there, beside whatever else this machine runs.

In front of docker and serf stand small programs that give containers, networks and volumes names of their own (inside
of a network the pages' names are aliases), and the host's Serf ports of its own.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.docs.pages import ROOT
from tests.docs.renaming_docker import NAMES

RENAMING = Path(__file__).with_name("renaming_docker.py")
KINDS = (("ps -aq", "rm -f -v"), ("network ls -q", "network rm"), ("volume ls -q", "volume rm -f"))
"""How docker lists something, and removes it."""

DEADLINE = 240.0
"""Seconds for one block. Generous: no test is about speed, and a busy machine is no defect."""


class Failed(AssertionError):
    """A command that did not succeed, with all that was printed."""


class Shell:
    """One shell, in a folder with a copy of container/, for as many blocks as there are."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._suffix = folder, f"-docs-{os.getpid()}-{random.randrange(10**6)}"
        self._number = 0
        shutil.copytree(ROOT / "container", folder / "container", ignore=shutil.ignore_patterns("keys", ".env"))
        rpc = self._put_programs()
        environ = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "SERF_RPC_ADDR": f"127.0.0.1:{rpc}",
            "COMPOSE_PROJECT_NAME": f"docs{self._suffix}",
        }
        self._shell = subprocess.Popen(
            ["sh", "-eu"], cwd=folder, env=os.environ | environ, stdin=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def write(self, name: str, text: str) -> None:
        """Makes a file that a page shows, with the images and names that its commands have here."""
        for used in NAMES:
            text = re.sub(rf"(?<=\bname: ){used}\b", used + self._suffix, text)
        # docker-compose does not know which image the docker command here takes for this name.
        image = _docker("image", "inspect", "-f", "{{.Id}}", "dbhandler-serf").strip()
        (self._folder / name).write_text(text.replace("image: dbhandler-serf", f"image: {image}"))

    def run(self, script: str) -> str:
        """What a script prints, errors too; each command of it has to succeed. Raises Failed."""
        self._number += 1
        block, printed, done = (self._folder / f".{self._number}.{kind}" for kind in ("sh", "printed", "done"))
        block.write_text(script)
        assert self._shell.stdin
        with suppress(BrokenPipeError):
            # Its own standard input are the blocks: no command may read on in them.
            self._shell.stdin.write(f". {block} </dev/null >{printed} 2>&1\n: >{done}\n")
            self._shell.stdin.flush()
        deadline = time.monotonic() + DEADLINE
        while not done.exists():
            ended, late = self._shell.poll() is not None, time.monotonic() > deadline
            if ended or late:
                said = printed.read_text(errors="replace") if printed.exists() else "the terminal was closed before"
                raise Failed(f"{'not done in time' if late else 'a command failed'}:\n{script}\n{said}")
            time.sleep(0.02)
        return printed.read_text(errors="replace")

    def remains(self) -> list[str]:
        """What is left of everything that was made."""
        return [name for kind, _ in KINDS for name in self._left(kind)]

    def logs(self) -> str:
        """The end of what each container says that is there still."""
        return "\n".join(f"--- {name}\n{_docker('logs', '--tail', '40', name)}" for name in self._left(KINDS[0][0]))

    def close(self) -> None:
        """Ends and removes what is left: nothing, unless a command failed."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        if self._shell.stdin:
            with suppress(BrokenPipeError):
                self._shell.stdin.close()
        for kind, remove in KINDS:
            if left := self._left(kind):
                _docker(*remove.split(), *left)

    def _left(self, kind: str) -> list[str]:
        return _docker(*kind.split(), "--filter", f"name={self._suffix}").split()

    def _put_programs(self) -> int:
        """Puts the programs in front of docker and serf; returns the port of the host's agent's RPC."""
        rpc, gossip = _free_port(), _free_port()
        serf, docker = shutil.which("serf"), shutil.which("docker")
        agent = f"{serf} agent -node=docs{self._suffix} -rpc-addr=127.0.0.1:{rpc}"
        self._program("docker", f'exec {sys.executable} {RENAMING} {self._suffix} {docker} "$@"')
        self._program("serf", f'case $1 in agent) shift; exec {agent} "$@:{gossip}";; *) exec {serf} "$@";; esac')
        return rpc

    def _program(self, name: str, line: str) -> None:
        path = self._folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)


def _docker(*arguments: str) -> str:
    """What a docker command prints, errors too."""
    return _call(("docker", *arguments))


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.stdout


def _free_port() -> int:
    """A TCP port that nobody on this machine listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
