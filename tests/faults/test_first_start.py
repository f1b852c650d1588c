"""A first start that is killed, at any moment, ends with a printed password that works."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.faults.scale import SCALE
from tests.support.docker import docker, eventually, inspect
from tests.support.faults import IMAGE, STATE, Container, Server, Site

DATA = "/var/lib/mysql"
READY = "the admin account is ready"


@pytest.fixture(scope="module")
def duration(site: Site) -> float:
    """Seconds from a container's start until its admin account is ready."""
    server = site.server()
    eventually("the admin account", lambda: READY in server.logs)
    last = next(line for line in docker("logs", "-t", server.name).stdout.splitlines() if READY in line).split()[0]
    return (moment(last) - moment(str(inspect(server.name, ".State.StartedAt")))).total_seconds()


def moment(text: str) -> datetime:
    """A time as Docker writes it, in nanoseconds."""
    return datetime.fromisoformat(text[:26] + "+00:00")


@pytest.mark.parametrize("number", range(SCALE.kills))
def test_killed_and_started_again(site: Site, duration: float, number: int) -> None:
    volumes = [part for path in (DATA, STATE) for part in ("-v", f"{site.volume()}:{path}")]
    # `docker kill` takes as long as half a start. When the first process is gone, the kernel kills all others.
    seconds = f"{duration * (number + 0.5) / SCALE.kills:.3f}"
    killed = Container(
        site.run(IMAGE, "-s", "KILL", seconds, "dbhandler-entrypoint", options=("--entrypoint", "timeout", *volumes))
    )
    eventually("the kill", lambda: not killed.running)
    before = Server(killed.name).passwords
    site.remove(killed)
    server = site.server(options=volumes)
    eventually("its health", server.healthy)
    # The last one counts; one that had been printed before the kill must not have been replaced silently.
    passwords = before + server.passwords
    assert passwords, f"no password was printed:\n{server.logs}"
    assert server.opens(passwords[-1][1])
    site.remove(server)
