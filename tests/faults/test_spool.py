"""The spool: two readers at once, one written before this version was started, and one that is long."""

from __future__ import annotations

import time

import pytest

from tests.faults.scale import SCALE
from tests.support.docker import docker, eventually
from tests.support.faults import IMAGE, STATE, Container, Server, Site, numbered

GROWTH = 8 * 1024
"""KiB. What a long spool may add to the agent: the names of its files, not what they hold or did."""

# Files as a version from before would have left them: nothing of today's code writes them.
WRITE = """\
import os
os.makedirs("/var/lib/dbhandler/spool", mode=0o700)
for number in range({count}):
    name = f"{{1700000000000000000 + number:020d}}-17-{{number + 1}}.create_db"
    open("/var/lib/dbhandler/spool/" + name, "w").write(f"old_{{number:05d}}\\n")
"""


def test_a_long_spool_of_a_former_version(own_site: Site) -> None:
    volume = own_site.volume()
    names = numbered("old", SCALE.spool)
    script = WRITE.format(count=len(names))
    docker("run", "--rm", "--user", "mysql", "-v", f"{volume}:{STATE}", IMAGE, "python3", "-c", script)
    server = own_site.server(options=("-v", f"{volume}:{STATE}"))
    eventually("the agent to work on it", lambda: "'old_00100' created" in server.logs)
    early = server.resident()
    server.wait_for(names)
    eventually("an empty spool", lambda: server.waiting() == 0)
    late = server.resident()
    assert early > 0
    assert late < early + GROWTH, f"from {early} to {late} KiB"
    assert [line for line in server.logs.splitlines() if "set aside" in line] == []


@pytest.fixture
def agent(own_site: Site) -> Container:
    return own_site.agent()


@pytest.fixture
def server(own_site: Site, agent: Container) -> Server:
    server = own_site.server(join=agent.name).wait_ready()
    eventually("two members", lambda: len(agent.alive()) == 2)
    return server


def test_two_agents_on_one_spool(server: Server, agent: Container) -> None:
    first = server.pid("agent")
    docker("exec", "-d", "-u", "mysql", server.name, "dbhandler-agent")
    second = int(eventually("a second agent", lambda: other_agent(server, first)))
    time.sleep(2)
    names = numbered("two", 200)
    server.fire(names)
    asked = server.ask("create_db", "two_asked")
    assert asked["status"] == "created", asked
    server.wait_for(names)
    # It has given up by itself where all that took longer than it waits for the first one's end.
    server.exec("sh", "-c", f"kill -9 {second} || ! [ -e /proc/{second} ]")
    # The one that is left still answers, and still works.
    asked = server.ask("create_db", "one_asked")
    assert asked["status"] == "created", asked
    server.fire(["one_fired"])
    server.wait_for(["one_fired"])
    assert server.pid("agent") == first
    assert "set aside" not in server.logs


def other_agent(server: Server, first: int) -> str:
    """The process number of an agent that is not supervisord's."""
    script = "grep -lz dbhandler-agent /proc/[0-9]*/cmdline | cut -d/ -f3"
    return next(
        (pid for pid in server.exec("sh", "-c", script).split() if pid != str(first) and is_agent(server, pid)), ""
    )


def is_agent(server: Server, pid: str) -> bool:
    """Is this the agent itself, and not the shell that looks for it?"""
    words = server.exec("cat", f"/proc/{pid}/cmdline", check=False).split("\0")
    return any(word.endswith("dbhandler-agent") for word in words[:3])
