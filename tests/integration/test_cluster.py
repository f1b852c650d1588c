"""The node's place in the Serf cluster: true tags, finding peers again, keys."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from pathlib import Path

import pytest
from loopback import DatabaseNode, SerfNode, wait_for

from dbhandler.errors import Denied
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from tests.integration.conftest import Cluster


def tags(observer: SerfNode, name: str = "db") -> dict[str, str]:
    return next((dict(member.tags) for member in observer.members() if member.name == name), {})


def wait_tag(observer: SerfNode, value: str) -> None:
    wait_for(f"the tag mysql={value}", lambda: tags(observer).get("mysql") == value, timeout=20)


@pytest.fixture(scope="module")
def agent(cluster: Cluster) -> SerfNode:
    return cluster.serf()


@pytest.fixture(scope="module")
def db(cluster: Cluster, agent: SerfNode) -> DatabaseNode:
    return cluster.database(join=agent.gossip)


def test_the_tags_follow_the_server(agent: SerfNode, db: DatabaseNode) -> None:
    wait_tag(agent, "ready")
    [[version]] = db.sql("SELECT VERSION()")
    known = tags(agent)
    assert (known["role"], known["engine"], known["port"]) == ("db", "mariadb", str(db.port))
    assert version.startswith(known["version"]) and len(base64.b64decode(known["key"])) == 32
    conf = str(db.supervisord_conf)
    db.run("supervisorctl", "-c", conf, "stop", "dbhandler:mysqld")
    wait_tag(agent, "down")
    db.run("supervisorctl", "-c", conf, "start", "dbhandler:mysqld")
    wait_tag(agent, "ready")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_the_tags_come_back_after_serf_forgot_them(agent: SerfNode, db: DatabaseNode, number: int) -> None:
    wait_tag(agent, "ready")
    before = _said(tags(agent))
    os.kill(db.pid("serf"), number)
    # Our own agent's view: Serf itself knows at once that its tags are gone.
    wait_for("the tags to be back", lambda: _said(_own_tags(db)) == before, timeout=30)
    wait_for("the others to know", lambda: _said(tags(agent)) == before, timeout=30)


def _said(tags: dict[str, str]) -> dict[str, str]:
    """Without the proof, which tells when it was made."""
    return {name: text for name, text in tags.items() if name != "proof"}


def _own_tags(db: DatabaseNode) -> dict[str, str]:
    try:
        return tags(db)
    except Exception:
        return {}


def test_a_peer_that_comes_later_is_joined_and_asked_for_what_was_missed(own_cluster: Cluster) -> None:
    agent, late = own_cluster.serf(), SerfNode(own_cluster.folder, "late")
    own_cluster.nodes.append(late)
    db = own_cluster.database(join=f"{agent.gossip},{late.gossip}")
    # Noted at the end of the look that joined it: a peer that is there before that look ends is no late one.
    wait_for("the peers to be noted", (db.folder / "state" / "peers.json").exists)
    late.start()
    wait_for("the late one to know the server", lambda: "db" in {m.name for m in _members(late) if m.alive}, 60)
    assert f"joined the cluster at {late.gossip}, asking for what was missed" in db.log


def test_known_peers_are_joined_without_any_setting(own_cluster: Cluster) -> None:
    agent = own_cluster.serf()
    db = own_cluster.database(join=agent.gossip)
    wait_for("the peers to be noted", lambda: (db.folder / "state" / "peers.json").exists())
    assert db.stop() == 0
    db.environ["SERF_JOIN"] = ""
    db.start()
    wait_for("the server to be back", lambda: any(m.name == "db" and m.alive for m in agent.members()), 60)


def _members(node: SerfNode) -> list[Member]:
    try:
        return node.members()
    except Exception:
        return []


def test_keys_keep_strangers_out(own_cluster: Cluster) -> None:
    gossip_key = base64.b64encode(os.urandom(32)).decode()
    agent = own_cluster.serf(SERF_ENCRYPT_KEY=gossip_key, SERF_RPC_AUTH="rpc key")
    db = own_cluster.database(join=agent.gossip, SERF_ENCRYPT_KEY=gossip_key, SERF_RPC_AUTH="rpc key")
    wait_for("both to be members", lambda: len(agent.members()) == 2)
    stranger = own_cluster.serf("stranger")
    wait_for("the stranger to run", lambda: _members(stranger))
    refused = subprocess.run(
        ["serf", "join", f"-rpc-addr={stranger.rpc}", agent.gossip], capture_output=True, text=True, timeout=60
    )
    assert refused.returncode != 0 and len(agent.members()) == 2
    for key in (None, "another key"):
        with pytest.raises(Denied, match="SERF_RPC_AUTH"), Serf(agent.rpc, key) as serf:
            serf.members()
    for node in (agent, db):
        assert node.process is not None
        for pid in (node.process.pid, *([db.pid("serf"), db.pid("agent")] if node is db else [])):
            for kind in ("environ", "cmdline"):
                content = Path(f"/proc/{pid}/{kind}").read_bytes()
                assert gossip_key.encode() not in content and b"rpc key" not in content
        assert gossip_key not in node.log and "rpc key" not in node.log
