"""All that travels on a site's network, from the moment on at which it is asked for, and what can be read in it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.docker import docker, eventually
from tests.support.faults import Container, Site
from tests.support.galera import SERF_IMAGE

_SNIFFER = Path(__file__).with_name("sniffer.py").read_text()
_FOLDER = "/capture"


class Capture(Container):
    """A container on the engine's own network, where it sees what passes between all others, and keeps what is the
    site's."""

    def __init__(self, site: Site) -> None:
        net = site.address(0).rpartition(".")[0]
        rights = ("--network", "host", "--cap-add", "NET_RAW", "--cap-add", "NET_ADMIN", "--user", "0")
        # Before all others: on a busy machine it would miss something.
        options = (*rights, "--cpu-shares", "16384", "--tmpfs", _FOLDER, "--entrypoint", "python3")
        super().__init__(site.start(SERF_IMAGE, "-c", _SNIFFER, net, _FOLDER, options=options))
        eventually("the capture to begin", lambda: self._inside("cat", f"{_FOLDER}/lost").isdigit())

    @property
    def lost(self) -> int:
        """How many packets it has missed."""
        return int(self._inside("cat", f"{_FOLDER}/lost"))

    def sizes(self) -> dict[int, int]:
        """How many bytes went to and from each port of the services (those below 10,000)."""
        found: dict[int, int] = {}
        for line in self._inside("sh", "-c", f"cd {_FOLDER} && wc -c *-*").splitlines():
            for port in _ports(line):
                found[port] = found.get(port, 0) + int(line.split()[0])
        return found

    def ports_with(self, *texts: str) -> set[int]:
        """The ports of the connections in which one of these texts can be read."""
        patterns = [part for text in texts for part in ("-e", text)]
        names = self._inside("grep", "-rlaF", *patterns, _FOLDER)
        return {port for name in names.splitlines() for port in _ports(name)}

    def _inside(self, *command: str) -> str:
        return docker("exec", self.name, *command, check=False).stdout


def _ports(flow: str) -> set[int]:
    return {int(port) for port in re.findall(r":(\d{1,4})\b", flow)}
