"""The options that make a server a node of a Galera cluster."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler.address import bracketed
from dbhandler.engine.binlog import number_of
from dbhandler.group.engine import GROUP_PORT
from dbhandler.group.node import Node
from dbhandler.group.volume import PROVIDER
from dbhandler.volume import tls

NAME_LENGTH = 22
"""How much of a Serf name has room before the point and the eight digits of an identity."""
PROVIDER_OPTIONS = (
    # Who begins is decided here, and in one way only: a stored view beside it could make a second cluster.
    "pc.recovery=no;pc.wait_prim_timeout=PT10S;"
    # A node that is gone stops the writes of the others until they give it up: when all of them miss it for the
    # suspect time-out, or one of them for the inactive one. Then they agree on who is left: what one of them has
    # overheard is said again after the retransmission period.
    "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1.5S;"
    "evs.inactive_timeout=PT8S;evs.join_retrans_period=PT0.3S"
)


def server_options(cluster: str, node: Node, peers: Sequence[Node], tls_dir: Path | None = None) -> list[str]:
    """The options that make a server a node of the cluster; peers are the nodes to join, tls_dir is the folder of the
    files for TLS between the nodes, None where they do without."""
    # Never an empty list of addresses: Galera takes that for an order to begin.
    address = ",".join(bracketed(peer.host) for peer in peers or (node,))
    return [
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        f"--wsrep-provider-options={provider_options(node.host, tls_dir)}",
        f"--wsrep-cluster-name={cluster}",
        f"--wsrep-cluster-address=gcomm://{address}",
        f"--wsrep-node-address={bracketed(node.host)}",
        f"--wsrep-node-name={node_name(node)}",
        "--wsrep-sst-method=mariabackup",
        # Only nodes that served before this one came: one that joins at the same moment sends too little, having
        # taken this one's joining from its own donor (Galera 26.4.23: "IST didn't contain all write sets").
        f"--wsrep-sst-donor={','.join(node_name(peer) for peer in peers)}",
        "--wsrep-notify-cmd=dbhandler-cluster-notify",
        "--binlog-format=ROW",
        "--default-storage-engine=InnoDB",
        "--innodb-autoinc-lock-mode=2",
    ]


def numbering(cluster: str, node: Node) -> list[str]:
    """The options by which every change of the cluster has the same number (GTID) in the binary logs of all nodes; they
    need one --server-id, too. What a node does for itself alone has numbers of another domain, its own."""
    common, own = number_of(cluster), int(node.id, 16)
    return [
        "--wsrep-gtid-mode=ON",
        f"--wsrep-gtid-domain-id={common}",
        f"--gtid-domain-id={own if own not in (0, common) else own ^ 1}",
    ]


def node_name(node: Node) -> str:
    """The name in Galera's view: the Serf name, for whoever reads the server's log, and the identity. The view keeps
    31 bytes of a name (WSREP_MEMBER_NAME_LEN), and the identity has to be among them."""
    return f"{re.sub('[^A-Za-z0-9_-]', '_', node.name)[:NAME_LENGTH]}.{node.id}"


def provider_options(host: str, tls_dir: Path | None = None) -> str:
    """Galera's own options. It listens at the node's address alone, so that the group stays on the network that this
    address is of; an address that stands for the node elsewhere cannot be listened at. With the files in tls_dir nodes
    speak TLS only, and with those alone that the pool's authority has signed."""
    options = PROVIDER_OPTIONS + (_tls_options(tls_dir) if tls_dir else "")
    if not _is_here(host):
        return options
    return f"{options};gmcast.listen_addr=tcp://{bracketed(host)}:{GROUP_PORT};ist.recv_bind={bracketed(host)}"


def transfer_file(tls_dir: Path) -> str:
    """The option file that makes state transfers do the same: both sides show a certificate of the pool."""
    files = {"tca": tls.AUTHORITY, "tcert": tls.CERTIFICATE, "tkey": tls.KEY}
    lines = [f"{name} = {tls_dir / file}" for name, file in files.items()]
    # 4: the key and the certificate, and nobody without one (wsrep_sst_mariabackup, MariaDB 11.8).
    return "\n".join(["[sst]", "encrypt = 4", *lines, ""])


def transfer_environment(host: str) -> Mapping[str, str]:
    """What the script that receives all data has to find in its environment (see the Dockerfile)."""
    return {"WSREP_SST_BIND": f",bind={bracketed(host)}"} if _is_here(host) else {}


def _tls_options(tls_dir: Path) -> str:
    files = {"socket.ssl_key": tls.KEY, "socket.ssl_cert": tls.CERTIFICATE, "socket.ssl_ca": tls.AUTHORITY}
    return ";socket.ssl=YES" + "".join(f";{name}={tls_dir / file}" for name, file in files.items())


def _is_here(host: str) -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return True
    return False
