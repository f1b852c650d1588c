"""Stands in front of docker where the pages' commands are run: renaming_docker.py SUFFIX DOCKER ARGUMENT..."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

NAMES = ("serf_agent", "db", "shop", "data", "state", "values", "backup", "backups")
"""What the pages call their containers, networks and volumes."""


def renamed(arguments: list[str], suffix: str, names: Mapping[str, str]) -> list[str]:
    """A docker command with names of its own up to the image, whose own arguments stay as they are."""
    command: list[str] = []
    for position, argument in enumerate(arguments):
        head, colon, rest = argument.partition(":")
        if argument.startswith("dbhandler") and arguments[position - 1] != "--entrypoint":
            # What the pages call dbhandler is the newest one.
            image = "dbhandler:latest" if argument == "dbhandler" else argument
            return [*command, image, *arguments[position + 1 :]]
        # A host's name is the container's own.
        command.append(names[head] + colon + rest if head in names and arguments[position - 1] != "-h" else argument)
        if arguments[position - 1] == "--name" and "--network" in arguments:
            command += ["--network-alias", argument]
        if arguments[0] == "exec" and head in names:
            return [*command, *arguments[position + 1 :]]
    if "--name" not in command and command[0] == "run" and "-d" in command:
        return [*command, "--name", f"unnamed{suffix}"]
    return command


def compose(program: str, arguments: list[str]) -> list[str]:
    """Compose as this machine has it. The old one has to be told that there is no terminal."""
    if subprocess.run((program, "compose", "version"), capture_output=True).returncode == 0:
        return [program, "compose", *arguments]
    position = arguments.index("exec") + 1 if "exec" in arguments else 0
    return ["docker-compose", *arguments[:position], *(["-T"] if position else []), *arguments[position:]]


def main(suffix: str, program: str, arguments: list[str]) -> None:
    """Becomes the command that is meant."""
    if arguments[0] == "compose":
        command = compose(program, arguments[1:])
    else:
        command = [program, *renamed(arguments, suffix, {name: name + suffix for name in NAMES})]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
