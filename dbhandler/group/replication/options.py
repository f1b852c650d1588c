"""The options that make a server a member of a group. Source: MySQL 9.7 Reference Manual, 20.9."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from dbhandler.address import bracketed
from dbhandler.group.engine import GROUP_PORT
from dbhandler.group.node import Node
from dbhandler.volume import tls

ALWAYS = (
    "--plugin-load-add=group_replication.so;mysql_clone.so",
    # Who begins is decided here, and in one way only; and the password for recovery is not stored anywhere.
    "--loose-group-replication-start-on-boot=OFF",
    # By default the container's host name is in it, which is another one next time.
    "--relay-log=relay",
)
"""Also for a private server, which is asked what it has received."""
AUTO_FILE = "auto.cnf"
"""Where a server finds its own UUID."""

_UNREACHABLE_MAJORITY = 10
"""Seconds for which a server without a quorum may find one by itself; then it ends, and its start program decides."""
_CACHE = 128 << 20
"""Bytes of messages kept for members that are away for a moment: the least that MySQL allows."""


def server_options(node: Node, history: str, peers: Sequence[Node], data_dir: Path, single_primary: bool) -> list[str]:
    """The options of a server of the group whose history has this UUID; peers are the nodes to join."""
    group = {
        "group-name": history,
        "local-address": _address(node),
        "group-seeds": ",".join(map(_address, peers or (node,))),
        "single-primary-mode": "ON" if single_primary else "OFF",
        # Foreign keys that cascade, which no other server would check, are an error then.
        "enforce-update-everywhere-checks": "OFF" if single_primary else "ON",
        # One number after another, whoever writes: what a node holds is a range then, and fits into a tag.
        "gtid-assignment-block-size": "1",
        # Both ways: nobody is in the group who shows no certificate of the pool. Addresses prove nothing.
        "ssl-mode": "VERIFY_CA",
        "ip-allowlist": "0.0.0.0/0,::/0",
        "recovery-use-ssl": "ON",
        "recovery-ssl-ca": str(data_dir / tls.AUTHORITY),
        "recovery-ssl-verify-server-cert": "ON",
        # Whoever is out of the group, for whatever reason, starts anew: its start program knows when it may come back.
        "member-expel-timeout": "0",
        "unreachable-majority-timeout": str(_UNREACHABLE_MAJORITY),
        "autorejoin-tries": "0",
        "exit-state-action": "ABORT_SERVER",
        "components-stop-timeout": "10",
        "message-cache-size": str(_CACHE),
        # All data are taken only by a node that is empty, before its server runs (starting.py).
        "clone-threshold": str((1 << 63) - 1),
    }
    return [
        *ALWAYS,
        *certified(data_dir),
        *(f"--loose-group-replication-{name}={value}" for name, value in group.items()),
        # Until the group has it, nobody writes: that would be a history of its own.
        "--super-read-only=ON",
        f"--report-host={node.host}",
        "--default-storage-engine=InnoDB",
        # A group takes no rows for a table without one.
        "--sql-generate-invisible-primary-key=ON",
    ]


def certified(data_dir: Path) -> list[str]:
    """The options by which the server knows who has signed its own certificate, and those of the others."""
    return [f"--ssl-ca={data_dir / tls.AUTHORITY}", f"--admin-ssl-ca={data_dir / tls.AUTHORITY}"]


def server_uuid(node: Node, cluster: str) -> str:
    """The UUID of a node's server, by which the group knows it: it begins with the node's identity."""
    rest = hashlib.sha256(cluster.encode()).hexdigest()
    return f"{node.id:0>8}-{rest[:4]}-4{rest[4:7]}-8{rest[7:10]}-{rest[10:22]}"


def identity_of(member: str) -> str:
    """The identity of the node whose server has this UUID."""
    return member[:8]


def auto_file(uuid: str) -> str:
    """The content of AUTO_FILE."""
    return f"[auto]\nserver-uuid={uuid}\n"


def _address(node: Node) -> str:
    return f"{bracketed(node.host)}:{GROUP_PORT}"
