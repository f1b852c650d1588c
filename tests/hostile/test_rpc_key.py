"""An attacker with the RPC key of the cluster, and an agent's port that the owner has opened (SERF_RPC_BIND).

Tries: monitors and streams that end while handlers run, which makes Serf end; frames that make it allocate gigabytes,
after the key was shown; leaving in the server's place, again and again; forcing the server out, and members that are
none; changing the server's tags; joining a cluster of the attacker's own. After each the server lives, the same
process as before, and an honest request is served. What the key gives is shown, too: to read the gossip key, to
replace it, and to answer in the place of the agent.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.requests.box import Credentials, seal
from tests.support.attackers import GOSSIP_KEY, Ground, lets_in
from tests.support.containers import RPC_KEY, Site
from tests.support.docker import eventually

PASSWORD = "the password of an application"
MORE_THAN_A_PROGRAM_MAY = 8
"""Ends of Serf: after six, the container ended once."""


@pytest.fixture(scope="module")
def ground(site: Site) -> Ground:
    made = Ground(site, "mariadb", SERF_RPC_BIND="0.0.0.0:7373", DBHANDLER_ALLOW_DROP="1")
    made.wait_ready()
    kept = {"database": "kept", "sealed": seal(made.server.key, Credentials("kept", "kept", PASSWORD))}
    assert made.ask("create_db", kept)["status"] == "created"
    return made


def call(ground: Ground, command: str, body: Mapping[str, object] | None = None, wait: float = 1.0) -> str:
    """One RPC command at the server's agent, by the attacker; what came back, as Python shows it."""
    messages = [{"Command": command, "Seq": 2}, *([body] if body is not None else [])]
    return str(ground.attacker.attack("rpc", ground.server.name, *messages, key=RPC_KEY, wait=wait))


def test_disconnects_while_handlers_run(ground: Ground) -> None:
    with ground.unharmed():
        ground.attacker.attack("disconnects", ground.server.name, RPC_KEY, 12.0)


def test_frames_after_the_key(ground: Ground) -> None:
    with ground.unharmed():
        ground.attacker.attack("rpc_frames", ground.server.name, MORE_THAN_A_PROGRAM_MAY, key=RPC_KEY)


def test_leaving_in_its_place(ground: Ground) -> None:
    with ground.unharmed():
        for _ in range(MORE_THAN_A_PROGRAM_MAY):
            ground.attacker.attack("listening", ground.server.name, 7373)
            call(ground, "leave", wait=0.2)
        eventually("the server to be seen again", ground.seen)


def test_forced_out(ground: Ground) -> None:
    with ground.unharmed():
        for node in (ground.server.node, ground.agent.node, "nobody", "", "x" * 5000, "\x1b[2J\n"):
            for prune in (False, True):
                call(ground, "force-leave", {"Node": node, "Prune": prune}, wait=0.2)
        eventually("the server to be seen again", ground.seen)


def test_tags_are_put_right(ground: Ground) -> None:
    true = ground.server.tags()
    with ground.unharmed():
        for tags, delete in (
            ({"mysql": "down", "port": "1", "key": "A" * 43 + "="}, []), ({"role": "nothing"}, []),
            ({}, ["mysql", "key", "port", "engine"]), ({"mysql": "x" * 400}, []),
        ):  # fmt: skip
            call(ground, "tags", {"Tags": tags, "DeleteTags": delete})
        eventually("the tags to be true again", lambda: true.items() <= ground.server.tags().items())


def test_commands_that_are_none(ground: Ground) -> None:
    with ground.unharmed():
        for command, body in (
            ("", None), ("x" * 60000, None), ("stats", None), ("members-filtered", {"Tags": {"role": "(" * 500}}),
            ("event", {"Name": "create_db" * 500, "Payload": "x", "Coalesce": False}),
            ("event", {"Name": "", "Payload": "", "Coalesce": True}),
            ("query", {"Name": "find_db", "Payload": "x", "Timeout": -1, "FilterTags": {"x": "("}}),
            ("query", {"Name": "find_db", "Payload": "x", "Timeout": 2**62}),
            ("respond", {"ID": 2**63, "Payload": "x"}), ("stop", {"Stop": 2**60}), ("handshake", {"Version": 99}),
            ("get-coordinate", {"Node": "x" * 900}), ("join", {"Existing": ["256.1.1.1", "", "[::1"], "Replay": True}),
            ("stream", {"Type": "\n"}), ("monitor", {"LogLevel": "\n"}),
        ):  # fmt: skip
            call(ground, command, body, wait=0.2)


def test_it_opens_no_database(ground: Ground) -> None:
    before, soon = ground.server.snapshot(), int(time.time()) + 30
    with ground.server.rpc() as serf:
        for query in ("create_db", "rotate_db", "drop_db"):
            for password in (PASSWORD + "x", RPC_KEY):
                box = Credentials(
                    "kept", "kept", password, None if query == "create_db" else query, PASSWORD + "y", soon
                )
                payload = {"database": "kept", "sealed": seal(ground.server.key, box)}
                assert ground.ask(query, payload)["status"] == "denied"
        serf.event("drop_db", b"kept", coalesce=False)
        serf.event("rotate_db", b"kept", coalesce=False)
    assert ground.server.snapshot() == before
    for user in ("kept", "root", "mysql", "admin"):
        assert not lets_in(ground.server, user, RPC_KEY)
    assert ground.server.opens("kept", PASSWORD, "kept")


def test_it_reads_and_replaces_the_gossip_key(ground: Ground) -> None:
    """What the table says that the RPC key gives. The server lives on, and so does what it serves."""
    assert GOSSIP_KEY in call(ground, "list-keys", wait=3.0)
    other = base64.b64encode(b"the-attackers-key-of-32-bytes-aa").decode()
    with ground.unharmed():
        for command, key in (
            ("install-key", other),
            ("use-key", other),
            ("use-key", GOSSIP_KEY),
            ("remove-key", other),
        ):
            call(ground, command, {"Key": key}, wait=3.0)
    assert other not in ground.server.logs and GOSSIP_KEY not in ground.server.logs


def test_it_answers_in_the_place_of_the_agent(ground: Ground) -> None:
    """What the table says, too: whoever streams an agent's queries may answer them before it does."""
    lie = {"status": "absent", "reason": "somebody else says so"}
    assert any(lies(ground, lie) for _ in range(4))


def lies(ground: Ground, lie: dict[str, str]) -> bool:
    """Is the answer that of the attacker, who tries for some seconds?"""
    said = json.dumps(lie) + "\n"
    with ThreadPoolExecutor(1) as pool:
        lying = pool.submit(ground.attacker.attack, "answer_first", ground.server.name, RPC_KEY, said, 8.0)
        told = []
        while not lying.done():
            with suppress(AssertionError, DbHandlerError):
                told.append(ground.ask("find_db", "kept"))
        lying.result()
    return lie in told
